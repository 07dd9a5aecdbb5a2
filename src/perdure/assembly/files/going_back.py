"""Going back with files: what it would do is known, and shown, before anything is touched.

Invariants:
- What nobody's tool has changed is never overwritten or deleted unless somebody says so.
- The present is recorded first, so that a rewind can itself be rewound.
- One change is taken back whole, or not at all; what came after it stays.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from perdure.assembly.files.site import Site
from perdure.assembly.files.timeline import files_of
from perdure.assembly.files.workplace import directory_of
from perdure.checkpoint.compare import compare
from perdure.checkpoint.inspection import Inspection, Window
from perdure.checkpoint.merge import Conflicts, merge_trees
from perdure.checkpoint.plan import foreign, plan_restore
from perdure.checkpoint.steps import Plan
from perdure.checkpoint.tree import spelled
from perdure.driver.books import Books, events_after, read_law, read_state
from perdure.driver.files import recorded
from perdure.driver.writer import Heard
from perdure.log import events as e
from perdure.log.envelope import unseal
from perdure.projection.state import State
from perdure.replay.files import FilesAt
from perdure.values.errors import BadPosition, NoUndo, RestoreRefused
from perdure.values.limits import NAMES_SHOWN, PATHS_IN_EVENT_MAX

Foreign = Literal["refuse", "keep", "discard"]
"""What becomes of paths that somebody else has changed since."""


class Way(NamedTuple):
    """What going somewhere would do to the files."""

    at: FilesAt
    plan: Plan
    foreign: tuple[str, ...]
    """paths that it would change although nobody's tool has changed them last"""


class Reversal(NamedTuple):
    """What taking one change back makes of the files."""

    changed: e.WorkspaceChanged
    position: int
    """of the event that recorded the change"""
    tree: str
    plan: Plan


class Collided(NamedTuple):
    """Why a change can't be taken back: where it collides, and the positions of what came after it there."""

    conflicts: Conflicts
    later: Mapping[str, tuple[int, ...]]
    """path (spelled) -> positions"""


class GoingBack:
    """Plans of one store, for runs that nobody drives."""

    def __init__(self, books: Books, scratch: Path) -> None:
        """Look at workspaces of runs of ``books``; ``scratch`` is where marks of files are kept."""
        self._books: Books = books
        self._scratch: Path = scratch

    def way(self, run: str, to: int, keep: Sequence[str] = ()) -> Way | None:
        """Return what a rewind to ``to`` would do; None where no files were recorded. Nothing is written.

        Raises ``BadPosition``, and ``BadRoot`` where the workspace can't be one any more.
        """
        state = self._rewindable(run, to)
        at = files_of(self._books, run, to)
        if not at.tree or not state.root:
            return None
        present, fetch = self._present(state)
        plan = plan_restore(fetch, present, at.tree, tuple(keep))
        return Way(at, plan, foreign(plan, self._changes(state, at, fetch, present)))

    def present(self, run: str) -> tuple[Heard, ...]:
        """Record the workspace as it is now; return the facts for the run's stream, none if nothing changed."""
        state = read_state(self._books, run).state
        if not state.root or not Path(state.root).is_dir() or state.live.put_back is not None:
            return ()
        return tuple(each for each in recorded(state.live, self._recorded(state)) if _says_something(each))

    def reversal(self, run: str, position: int) -> Reversal | Collided | None:
        """Return what taking back the change at ``position`` would do; None where that isn't one of files.

        ``position`` is an effect's, a ``workspace.changed``'s or its checkpoint's. Raises ``NoUndo`` where the
        files are as they were, or several actions were recorded together.
        """
        state = read_state(self._books, run).state
        found = self._change(run, state, position)
        if found is None:
            return None
        at, changed = found
        if not state.root:
            raise NoUndo(f"run {run!r} has no workspace here")
        present = self._recorded(state).tree
        self._books.flush()
        merged = merge_trees(self._books.get, changed.after, present, changed.before)
        if isinstance(merged, Conflicts):
            return Collided(merged, self._later(run, at, [spelled(each.path) for each in merged.collisions]))
        for name, stored in merged.objects.items():
            self._books.put(name, stored)
        self._books.flush()
        plan = plan_restore(self._books.get, present, merged.tree)
        # Where the files are as they should be, only their times may differ: that takes nothing back.
        if not (plan.created or plan.changed or plan.deleted):
            raise NoUndo(f"what {run!r} changed at {at} is not there any more: nothing is to be taken back")
        return Reversal(changed, at, merged.tree, plan)

    # ------------------------------------------------------------------------------------------------

    def _later(self, run: str, after: int, paths: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Return the positions at which each of these paths was changed later."""
        found: dict[str, list[int]] = {path: [] for path in paths}
        for event in events_after(self._books, run, after):
            if isinstance(event.body, e.WorkspaceChanged):
                for each in self._paths(event.body):
                    if each.path in found:
                        found[each.path].append(event.position)
        return {path: tuple(positions) for path, positions in found.items()}

    def _rewindable(self, run: str, to: int) -> State:
        state = read_state(self._books, run).state
        if not 1 <= to < state.position:
            raise BadPosition(f"run {run!r} can go back to 1 up to {state.position - 1}, not {to}")
        return state

    def _site(self, state: State) -> Site:
        return Site(state.run, Path(state.root), self._scratch / state.run, state.run)

    def _recorded(self, state: State) -> Inspection:
        law = read_law(self._books, state.definition, state.contract)
        directory = directory_of(self._site(state), self._books, law.definition)
        windows = tuple(Window(each.key, each.begins, each.ends) for each in state.live.touched)
        found = directory.record(state.live.tree, windows)
        return found._replace(image=state.live.image)

    def _present(self, state: State) -> tuple[str, "_Fetch"]:
        """Return the tree of the workspace as it is, and where its objects are read."""
        if not Path(state.root).is_dir():
            return "", _Fetch(self._books, {})
        law = read_law(self._books, state.definition, state.contract)
        found = directory_of(self._site(state), self._books, law.definition).present(state.live.tree)
        return found.tree, _Fetch(self._books, found.objects)

    def _changes(self, state: State, at: FilesAt, fetch: "_Fetch", present: str) -> list[e.PathChanged]:
        """Return all changes since the files were recorded, oldest first; the last ones nobody has told of."""
        known = [
            each
            for event in events_after(self._books, state.run, at.recorded)
            if isinstance(event.body, e.WorkspaceChanged)
            for each in self._paths(event.body)
        ]
        if not state.live.tree or not present:
            return known
        return [*known, *_untold(fetch, state.live.tree, present)]

    def _paths(self, body: e.WorkspaceChanged) -> tuple[e.PathChanged, ...]:
        if body.full is None:
            return body.paths
        return tuple(msgspec.json.decode(self._books.get(body.full), type=list[e.PathChanged]))

    def _change(self, run: str, state: State, position: int) -> tuple[int, e.WorkspaceChanged] | None:
        """Return the recorded change that ``position`` is about, with its own position."""
        if not 1 <= position <= state.position:
            raise BadPosition(f"run {run!r} has positions 1 to {state.position}, not {position}")
        (stored,) = self._books.read(run, position - 1, 1)
        body = unseal(stored).body
        match body:
            case e.WorkspaceChanged():
                return position, body
            case e.CheckpointTaken() if position > 1:
                (before,) = self._books.read(run, position - 2, 1)
                previous = unseal(before).body
                if isinstance(previous, e.WorkspaceChanged):
                    return position - 1, previous
                return None
            case e.EffectStarted() | e.EffectSettled():
                return self._of_effect(run, body.key, position)
            case _:
                return None

    def _of_effect(self, run: str, key: str, position: int) -> tuple[int, e.WorkspaceChanged] | None:
        for event in events_after(self._books, run, position):
            body = event.body
            if isinstance(body, e.WorkspaceChanged):
                if body.key == key:
                    return event.position, body
                raise NoUndo(
                    f"what the act at {position} changed was recorded together with others' at {event.position}",
                    hint=f"take all of it back with `perdure revert {run} {event.position}`",
                )
            if isinstance(
                body, e.CheckpointTaken | e.CheckpointSkipped | e.CheckpointRestored | e.RunRewound
            ):
                return None
        return None


class _Fetch:
    """Objects of the store, and those of a look that stored nothing."""

    def __init__(self, books: Books, objects: Mapping[str, bytes]) -> None:
        self._books: Books = books
        self._objects: Mapping[str, bytes] = objects

    def __call__(self, name: str) -> bytes:
        return self._objects.get(name) or self._books.get(name)


def refused_for(run: str, way: Way) -> RestoreRefused:
    """Return why a rewind is refused: it would change what somebody else has changed."""
    shown = ", ".join(map(spelled, way.foreign[:NAMES_SHOWN]))
    more = f" and {len(way.foreign) - NAMES_SHOWN} more" if len(way.foreign) > NAMES_SHOWN else ""
    return RestoreRefused(
        f"going back would change what no tool of {run!r} has changed last: {shown}{more}",
        hint="say --keep-foreign to leave these as they are, or --discard-foreign to put them back as well",
    )


def reverted(reversal: Reversal, by: str) -> e.ChangeReverted:
    """Return the fact that a person takes a change back."""
    paths = (*reversal.plan.created, *reversal.plan.changed, *reversal.plan.deleted)
    shown = tuple(map(spelled, paths[:PATHS_IN_EVENT_MAX]))
    return e.ChangeReverted(reversal.position, reversal.changed.key or "", by, reversal.tree, shown)


def _untold(fetch: _Fetch, known: str, present: str) -> list[e.PathChanged]:
    return [
        e.PathChanged(spelled(each.path), each.change, "unknown")
        for each in compare(fetch, known, present)
        if not each.times_only
    ]


def _says_something(fact: Heard) -> bool:
    return not isinstance(fact.body, e.CheckpointSkipped)
