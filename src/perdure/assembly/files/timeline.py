"""A run's files over time: which tree stands at which position."""

from perdure.driver.books import Books, events_after, read_state
from perdure.projection.keeping import files_let_go
from perdure.replay.files import FilesAt, files_at
from perdure.values.errors import BadPosition


def files_of(books: Books, run: str, position: int) -> FilesAt:
    """Return the files of ``run`` at ``position``.

    Raises ``BadPosition`` if they were let go, ``UnknownRun``, ``StoreDamaged``.
    """
    must_be_kept(books, run, position)
    return files_at(read_state(books, run, position).state, events_after(books, run, position))


def must_be_kept(books: Books, run: str, position: int) -> None:
    """Raise ``BadPosition`` if the files of ``position`` were let go by the run that wrote it."""
    owner = owner_of(books, run, position)
    world = read_state(books, owner).state.world
    if files_let_go(world, position):
        raise BadPosition(
            f"the files of run {owner!r} were let go up to position {world.kept_from - 1}: {position} can't be gone back to",
            hint=f"choose position {world.kept_from} or a later one",
        )


def owner_of(books: Books, run: str, position: int) -> str:
    """Return the run that wrote ``position`` of ``run``: itself, or the one that it was forked from."""
    rows = books.rows(run)
    while rows and rows[0].parent is not None and position <= rows[0].forked_at:
        run = rows[0].parent
        rows = books.rows(run)
    return run
