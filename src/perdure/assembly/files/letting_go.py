"""Letting old checkpoints go: what that would free, what stays, and who did it."""

from typing import NamedTuple

from perdure.assembly.files.timeline import files_of, owner_of
from perdure.driver.books import Books, read_state
from perdure.log import events as e
from perdure.log.port import RunRow
from perdure.projection.keeping import files_let_go
from perdure.projection.state import Live
from perdure.values.errors import BadPosition, UnknownRun


class LettingGo(NamedTuple):
    """What a run is to let go: files of its positions from ``first`` on and before ``body.before``."""

    first: int
    body: e.CheckpointReleased

    @property
    def positions(self) -> int:
        """How many positions can't be gone back to any more."""
        return self.body.before - self.first - len(self.body.kept)


def letting_go(books: Books, run: str, before: int, by: str) -> LettingGo:
    """Return what to record so that the files of positions before ``before`` may go.

    Those of the checkpoint that ``before`` itself needs stay, and so do pinned positions and those at which
    forks begin. Raises ``UnknownRun``, or ``BadPosition`` where there is nothing to let go.
    """
    row = _row(books, run)
    if not 1 <= before <= row.position:
        raise BadPosition(f"run {run!r} has positions 1 to {row.position}, not {before}")
    world = read_state(books, run).state.world
    bound = _needed_from(read_state(books, run, before).state.live)
    first = max(row.forked_at + 1, world.kept_from)
    if bound <= first:
        raise BadPosition(
            f"run {run!r} has nothing to let go before {before}: position {first} is the first whose files it keeps",
            hint="choose a later position; see the checkpoints with `perdure log RUN --kind checkpoint.taken`",
        )
    wanted = {*world.pins, *_beginnings(books, run)}
    kept = tuple(sorted(at for at in wanted if row.forked_at < at < bound and not files_let_go(world, at)))
    trees = {tree for at in kept for tree in _trees(books, run, at)}
    return LettingGo(first, e.CheckpointReleased(bound, by, kept, tuple(sorted(trees))))


def may_be_pinned(books: Books, run: str, position: int) -> None:
    """Raise ``BadPosition`` unless ``position`` is one of the run's own, with its files still there."""
    row = _row(books, run)
    if not 1 <= position <= row.position:
        raise BadPosition(f"run {run!r} has positions 1 to {row.position}, not {position}")
    owner = owner_of(books, run, position)
    if owner != run:
        raise BadPosition(
            f"position {position} of run {run!r} was written by run {owner!r}", hint=f"pin it there: {owner}"
        )
    files_of(books, run, position)


def _row(books: Books, run: str) -> RunRow:
    rows = books.rows(run)
    if not rows:
        raise UnknownRun(f"there is no run {run!r} in this store")
    return rows[0]


def _needed_from(live: Live) -> int:
    """Return the position of the first event whose trees this position, or a later one, needs; 0 for none."""
    recorded = [live.tree_position, live.put_back.position if live.put_back else 0]
    return min((at for at in recorded if at), default=0)


def _beginnings(books: Books, run: str) -> set[int]:
    """Return the positions of ``run`` at which forks, and forks of forks, begin."""
    rows = {row.run: row for row in books.rows()}
    found: set[int] = set()
    for fork in rows.values():
        row, at = fork, fork.position
        while row.parent is not None:
            at = min(at, row.forked_at)
            if row.parent == run:
                found.add(at)
            row = rows[row.parent]
    return found


def _trees(books: Books, run: str, at: int) -> set[str]:
    live = read_state(books, run, at).state.live
    files = files_of(books, run, at)
    return {tree for tree in (files.tree, files.image, live.tree, live.image) if tree}
