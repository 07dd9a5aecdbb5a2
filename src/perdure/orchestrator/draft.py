"""The nouns of deciding: a fact goes in, a decision comes out, and a draft grows between them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from perdure.contract import Law
from perdure.intention.reply import Call, Reply
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.evolve import evolve
from perdure.projection.state import State
from perdure.values.digest import digest
from perdure.values.limits import INLINE_BYTES_MAX

NONE_ASKED: Final[Mapping[str, Call]] = MappingProxyType({})


class Fact(NamedTuple):
    """Something that the world, a person, a clock or the store said, at ``at`` (ns)."""

    body: e.Body
    at: int
    epoch: int
    reply: Reply | None = None
    """the newest turn's reply in full: the fact's own, or the one that the state names"""
    asked: Mapping[str, Call] = NONE_ASKED
    """the calls of a foreign client that aren't answered, in full, by their names: the fact's own among them"""


class Decision(NamedTuple):
    """The fact as an event, the events that follow from it, and the state after them."""

    events: tuple[Event, ...]
    state: State
    blobs: tuple[tuple[str, bytes], ...] = ()
    """(digest, content) that the events name"""


class Draft:
    """A decision in the making: each emitted event is folded at once, so later rules see it."""

    def __init__(self, state: State, fact: Fact, law: Law, run: str) -> None:
        """Begin at ``state`` with the fact not yet taken in."""
        self.state: State = state
        self.fact: Fact = fact
        self.law: Law = law
        self.run: str = run
        self.events: list[Event] = []
        self.blobs: list[tuple[str, bytes]] = []

    @property
    def at(self) -> int:
        """The time of the fact; a decision has no other clock."""
        return self.fact.at

    def emit(self, body: e.Body) -> None:
        """Add an event: the fact itself first, then what follows from it."""
        position = self.state.position + 1
        cause = self.events[0].position if self.events else _led_to(self.state, body)
        event = Event(self.run, position, self.fact.at, self.fact.epoch, cause, body)
        self.state = evolve(self.state, event)
        self.events.append(event)

    def say(self, text: str) -> e.Content:
        """Return ``text`` as content of an event: inline if short, else as a blob."""
        content, blob = content_of(text)
        if blob is not None:
            self.blobs.append(blob)
        return content


def content_of(text: str) -> tuple[e.Content, tuple[str, bytes] | None]:
    """Return ``text`` as content, and the blob to store if it is long."""
    raw = text.encode()
    if len(raw) <= INLINE_BYTES_MAX:
        return e.Content(len(raw), text), None
    name = digest(raw)
    return e.Content(len(raw), None, name), (name, raw)


def unanswered(state: State, asked: Mapping[str, Call]) -> dict[str, Call]:
    """Return those of the foreign client's calls ``asked`` that wait for an answer in ``state``."""
    known = state.live.received
    return {name: call for name, call in asked.items() if name in known and not known[name].answered}


def _led_to(state: State, body: e.Body) -> int:
    """Return the position of what this fact answers; 0 if it came by itself."""
    match body:
        case e.EffectSettled() | e.EffectPending() | e.EffectDoubted() | e.EffectReconciled():
            effect = state.world.open.get(body.key)
            return effect.started if effect is not None else 0
        case e.ModelReplied() | e.ModelFailed():
            turn = state.live.turn
            return turn.requested if turn is not None else 0
        case e.CallReceived(of=of):
            return of
        case e.CallAnswered() | e.CallReleased():
            record = state.live.received.get(body.call)
            return record.proposed if record is not None else 0
        case e.ApprovalGranted() | e.ApprovalDenied():
            approval = state.world.approvals.get(body.approval)
            return approval.asked if approval is not None else 0
        case e.TimerFired():
            timer = state.live.timers.get(body.timer)
            return timer.position if timer is not None else 0
        case e.ChildFinished():
            effect = state.world.open.get(body.key)
            return effect.started if effect is not None else 0
        case _:
            return 0
