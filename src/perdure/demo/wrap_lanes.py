"""The log of a wrapped run laid out in lanes: what matters of it, in order, and what led to what."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.cut import goes_back

Lane = Literal["client", "keeper", "model calls", "payments", "person", "files", "pages"]
LANES: Final[tuple[Lane, ...]] = (
    "client",
    "keeper",
    "model calls",
    "payments",
    "person",
    "files",
    "pages",
)
SIGNS: Final[dict[Lane, dict[str, str]]] = {
    "client": {"(": "starts", ")": "ends", "K": "SIGKILL", "<": "goes back"},
    "keeper": {},
    "model calls": {},
    "payments": {">": "promised", "$": "paid", "=": "its receipt"},
    "person": {"?": "asked", "n": "denied", "y": "allowed"},
    "files": {"~": "changed"},
    "pages": {"v": "left", "^": "came back"},
}
_KILLED: Final = "signal 9"


class Moment(NamedTuple):
    """One event that matters."""

    position: int
    lane: Lane
    sign: str


class Link(NamedTuple):
    """One event in a chain of causes."""

    position: int
    words: str


def moments(events: Sequence[Event]) -> list[Moment]:
    """Return what matters of a run, in order."""
    found: list[Moment] = []
    works = False
    for event in events:
        match event.body:
            case e.LeaseAcquired(attends=False) if works:
                found.append(Moment(event.position, "keeper", "K"))
            case e.ClientAttached():
                works = True
            case e.ClientLeft():
                works = False
            case _:
                pass
        placed = _placed(event.body)
        if placed is not None:
            found.append(Moment(event.position, *placed))
    return found


def _placed(body: e.Body) -> tuple[Lane, str] | None:
    """Return the lane of an event, and its sign there."""
    match body:
        case e.RequestForwarded(number=number):
            return "model calls", str(number)
        case e.EffectStarted():
            return "payments", ">"
        case e.EffectSettled(outcome="succeeded"):
            return "payments", "$"
        case e.EffectReplayed():
            return "payments", "="
        case e.ApprovalRequested():
            return "person", "?"
        case e.ApprovalDenied():
            return "person", "n"
        case e.ApprovalGranted():
            return "person", "y"
        case _:
            return _moved(body)


def _moved(body: e.Body) -> tuple[Lane, str] | None:
    match body:
        case e.ClientAttached():
            return "client", "("
        case e.ClientLeft(why=why):
            return "client", "K" if _KILLED in why else ")"
        case e.RunRewound(by=by):
            return "client" if by == "client" else "person", "<"
        case e.WorkspaceChanged():
            return "files", "~"
        case e.CheckpointRestored():
            return "files", "<"
        case e.PageEvicted():
            return "pages", "v"
        case e.PageFaulted():
            return "pages", "^"
        case _:
            return None


def abandoned(events: Sequence[Event]) -> set[int]:
    """Return the positions that lie in an abandoned tail."""
    found: set[int] = set()
    for event in events:
        if isinstance(event.body, e.RunRewound) and goes_back(event.body, event.position):
            found |= set(range(event.body.to + 1, event.position))
    return found


def chain(events: Sequence[Event], position: int) -> list[Link]:
    """Return what led to the event at ``position``, that itself first."""
    known = {event.position: event for event in events}
    found: list[Link] = []
    while position in known:
        found.append(Link(position, _named(known[position].body)))
        position = known[position].cause
    return found


def causes(events: Sequence[Event]) -> Iterator[list[Link]]:
    """Yield the chain of every answer to a payment: that it was made, its receipt, or a refusal."""
    for event in events:
        if isinstance(event.body, e.EffectSettled | e.EffectReplayed | e.IntentionRefused):
            yield chain(events, event.position)


def _named(body: e.Body) -> str:
    match body:
        case e.EffectSettled(outcome=outcome):
            return "paid" if outcome == "succeeded" else outcome
        case e.EffectReplayed():
            return "the receipt"
        case e.IntentionRefused():
            return "refused"
        case e.EffectStarted():
            return "promised"
        case e.ApprovalGranted(by=by):
            return f"allowed by {by}"
        case e.ApprovalDenied(by=by):
            return f"denied by {by}"
        case e.ApprovalRequested():
            return "asked"
        case e.CallReceived(tool=tool):
            return f"{tool} called"
        case e.RequestForwarded(number=number):
            return f"turn {number}"
        case _:
            return type(body).__name__
