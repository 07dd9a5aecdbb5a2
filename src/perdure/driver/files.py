"""Recording the workspace and putting it back: requests in, facts out.

Invariants:
- The facts of a recording are one batch, ``checkpoint.taken`` last: a crash leaves the old checkpoint or the new.
- What can't be recorded or put back within its bound is said, and nothing that needs it begins.
"""

import asyncio

import msgspec

from perdure.checkpoint.inspection import Inspection, Window
from perdure.driver.port import Workspace
from perdure.driver.telling import told
from perdure.driver.writer import Heard, RunWriter
from perdure.log import events as e
from perdure.orchestrator.wanted import Checkpoint, RestoreTree
from perdure.projection.state import Live
from perdure.values.digest import digest
from perdure.values.errors import PerdureError
from perdure.values.limits import CHECKPOINT_SECONDS_MAX, CHECKPOINT_WAIT_SECONDS_MAX, PATHS_IN_EVENT_MAX

_encode = msgspec.json.Encoder().encode

_ALWAYS = Window("", 0, 0)
"""Services change files at any time while they live."""

_ABSENT = "this agent was started without its workspace"


class Files:
    """The workspace of one run, as the driver keeps it."""

    def __init__(self, writer: RunWriter, workspace: Workspace | None) -> None:
        """Keep ``workspace`` for the run of ``writer``; None if this agent was started without it."""
        self._writer: RunWriter = writer
        self._workspace: Workspace | None = workspace
        self._bound: asyncio.Timeout | None = None
        self._hurried: asyncio.Timeout | None = None

    async def carry_out(self, request: Checkpoint | RestoreTree) -> tuple[Heard, ...]:
        """Record the workspace, or put it back."""
        return await (self.record(request.of) if isinstance(request, Checkpoint) else self.restore(request))

    async def record(self, of: int = 0) -> tuple[Heard, ...]:
        """Return what has changed since the tree that the state names, or why it can't be told."""
        if self._workspace is None:
            return self._failed(_ABSENT)
        live = self._writer.state.live
        self._bound = bound = asyncio.timeout(CHECKPOINT_SECONDS_MAX)
        try:
            async with bound:
                found = await self._workspace.record(live.tree, live.image, _windows(live))
        except (OSError, PerdureError) as error:
            return self._failed(_late("recorded") if bound.expired() else str(error))
        finally:
            self._bound = None
        return recorded(live, found, of)

    async def restore(self, request: RestoreTree) -> tuple[Heard, ...]:
        """Return that the workspace is that tree again, or why it isn't."""
        if self._workspace is None:
            return self._failed(_ABSENT)
        live = self._writer.state.live
        back = live.put_back
        seen = back.seen if back is not None and back.asked else ""
        bound = asyncio.timeout(CHECKPOINT_SECONDS_MAX)
        try:
            async with bound:
                done = await self._workspace.restore(
                    request.tree, request.image, request.keep, _ours(live), seen
                )
        except (OSError, PerdureError) as error:
            return self._failed(_late("put back") if bound.expired() else str(error))
        why = back.why if back is not None else "a deed in doubt is put back"
        body = e.CheckpointRestored(
            request.tree, why, done.written, done.deleted, done.image, done.kept, done.notes, done.saved
        )
        return (Heard(body),)

    def hurry(self) -> None:
        """A deed waits for the recording that is under way: not for ever."""
        if self._workspace is None or self._bound is None or self._bound is self._hurried:
            return
        self._hurried = self._bound
        self._workspace.hurry()
        latest, now = self._bound.when(), asyncio.get_running_loop().time()
        if latest is not None:
            self._bound.reschedule(min(latest, now + CHECKPOINT_WAIT_SECONDS_MAX))

    def _failed(self, why: str) -> tuple[Heard, ...]:
        return (Heard(e.CheckpointFailed(told(self._writer.law, why))),)


def _windows(live: Live) -> tuple[Window, ...]:
    return tuple(Window(each.key, each.begins, each.ends) for each in live.touched)


def _ours(live: Live) -> tuple[Window, ...] | None:
    """Return when what changed was the run's, or was decided on; None where nobody else's work is in the way.

    Who rewinds was asked about what others had changed by then; who only puts a deed back was not, nor was who
    takes up a dead writer's run.
    """
    back = live.put_back
    if back is None:
        return _windows(live)
    if not back.asked:
        return (_ALWAYS,)
    return (Window("", 0, back.at), *_windows(live)) if back.seen else None


def _late(done: str) -> str:
    return f"the workspace was not {done} in time; something holds it up, or it is very large. Resume to try again"


def recorded(live: Live, found: Inspection, of: int = 0) -> tuple[Heard, ...]:
    """Return the facts of an inspection, the checkpoint last."""
    if found.what == "none":
        return (Heard(e.CheckpointSkipped(found.tree, found.level, found.image, of)),)
    taken = e.CheckpointTaken(
        tree=found.tree,
        files=found.files,
        new_bytes=found.new_bytes,
        level=found.level,
        what=found.what,
        image=found.image,
        torn=found.torn[:PATHS_IN_EVENT_MAX],
        left=found.left,
        notes=found.notes,
        of=of,
    )
    if not live.tree or not found.changes:
        return (Heard(taken),)
    return _changed(live, found), Heard(taken)


def _changed(live: Live, found: Inspection) -> Heard:
    """Return what changed, those that nobody can vouch for first; all of it in a blob where it is much."""
    ordered = sorted(found.changes, key=lambda each: each.by != "unknown")
    many = len(ordered) > PATHS_IN_EVENT_MAX
    stored = _encode(ordered) if many else b""
    body = e.WorkspaceChanged(
        before=live.tree,
        after=found.tree,
        paths=tuple(ordered[:PATHS_IN_EVENT_MAX]),
        key=live.touched[0].key if len(live.touched) == 1 else None,
        count=len(ordered),
        full=digest(stored) if many else None,
    )
    return Heard(body, ((digest(stored), stored),) if many else ())
