"""What the driver asks of the world: tools, a model, a workspace, child runs and a clock.

The invariant of every one: it reports what it knows. "It may have happened" is an answer; a
guess is not.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from perdure.checkpoint.inspection import Inspection, Restored, Window
from perdure.intention.reply import Reply
from perdure.log.envelope import Event
from perdure.projection.state import State
from perdure.values.digest import Json
from perdure.wire.prompt import Prompt


class Deed(NamedTuple):
    """One promised effect, with all that a tool may know of it."""

    run: str
    key: str
    tool: str
    arguments: dict[str, Json]
    attempt: int
    send: int
    position: int
    reference: Json = None
    """of a pending operation"""
    receipt: str | None = None
    """the settled result (JSON text), for an undo"""


class Done(NamedTuple):
    """It happened. ``result`` is JSON text; ``partial`` says that not all of it did."""

    result: str
    partial: bool = False
    drift: str = ""
    """what the tool's check found to be otherwise"""


class Undone(NamedTuple):
    """It is known not to have happened."""

    reason: str


class InDoubt(NamedTuple):
    """Whether it happened is not known. ``ended``: nothing of this attempt runs any more."""

    why: str
    ended: bool


class Underway(NamedTuple):
    """The other side took it and is still working."""

    reference: Json
    poll_ns: int
    give_up_ns: int


Outcome = Done | Undone | InDoubt | Underway


class Finding(NamedTuple):
    """What looking showed: 'found', 'never', 'barred' or 'unknown'."""

    verdict: str
    evidence: str = ""
    result: str = "null"


class Tools(Protocol):
    """The agent's tools."""

    async def perform(self, deed: Deed) -> Outcome:
        """Do the deed, or undo it if it carries a receipt; never raises for what the tool does."""
        ...

    async def look(self, deed: Deed) -> Finding:
        """Find out whether the deed happened."""
        ...

    async def poll(self, deed: Deed) -> Outcome:
        """Ask after the pending operation of ``deed.reference``."""
        ...


class Model(Protocol):
    """The language model."""

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - handed on to an SDK
    ) -> Reply:
        """Return the whole reply; raises ``ModelFailure``."""
        ...


class Workspace(Protocol):
    """The directory that the agent works in, with the processes that it left running there."""

    async def record(self, known: str, image: str, windows: Sequence[Window]) -> Inspection:
        """Look what has changed since tree ``known`` and process image ``image``, and record it.

        ``windows`` says when effects ran since then. When this returns, all that the inspection names is
        in the store. Raises ``OSError`` or ``PerdureError`` where it can't be recorded.
        """
        ...

    async def restore(
        self, tree: str, image: str, keep: Sequence[str], windows: Sequence[Window] | None, seen: str = ""
    ) -> Restored:
        """Make the workspace that tree but for the paths in ``keep``, and bring the processes back.

        With ``windows`` (when effects ran since the tree was recorded) what changed outside of all of them
        is somebody else's, and stays as well, if it also differs from tree ``seen``, where that is given.
        A window without an end lasts as long as what the run started.
        Raises ``OSError`` or ``PerdureError`` where it can't be put back.
        """
        ...

    def hurry(self) -> None:
        """Somebody waits for the recording that is under way: put it before those of other runs."""
        ...


class ChildEnd(NamedTuple):
    """How a child run stands: 'finished', 'failed', 'cancelled' or 'waiting'."""

    status: str
    answer: str = ""
    why: str = ""


class Children(Protocol):
    """Runs that work for this run."""

    async def run(self, *, child: str, parent: str, tool: str, task: str, depth: int) -> ChildEnd:
        """Start the child, or go on with it, and return how it ended or that it waits."""
        ...


class Clock(Protocol):
    """Time, so that a test can hold it."""

    def now(self) -> int:
        """Return nanoseconds since the epoch."""
        ...

    async def until(self, due: int) -> None:
        """Return when ``now()`` is at least ``due``."""
        ...


class Progress(Protocol):
    """Someone who watches a run: a terminal, a test, a caller that streams text."""

    def text(self, piece: str) -> None:
        """The model said a piece of its reply."""
        ...

    def event(self, kind: str, position: int, words: str) -> None:
        """An event is durable."""
        ...


@runtime_checkable
class Auditor(Protocol):
    """Somebody who watches a run and counts what comes of it."""

    def durable(self, events: Sequence[Event], state: State) -> None:
        """These events are durable; ``state`` is what they led to."""
        ...
