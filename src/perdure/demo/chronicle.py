"""What a log tells of each effect, in a few words for a person."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event

PERSON: Final = "bookkeeper"
"""Who settles what no machine can know."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How the log came to know of one effect what it knows."""

    sends: int = 0
    doubts: int = 0
    unanswered: int = 0
    """doubts of a living process: the reply was lost"""
    never: int = 0
    found: bool = False
    person: bool = False
    outcome: str = ""
    receipts: int = 0
    """times that it was asked for again and answered with the receipt"""
    steps: tuple[str, ...] = ()
    """what was done about it, in order"""

    @property
    def words(self) -> str:
        """The whole in a few words."""
        said = [
            "the reply was lost" if self.unanswered else "",
            f"the probe said {self.never}x: never received" if self.never else "",
            f"sent {self.sends}x with one key" if self.sends > 1 else "",
            "the probe found it: not sent again" if self.found else "",
            f"settled by the {PERSON}" if self.person else "",
            "in doubt" if self.doubts and not self.outcome else "",
            f"asked again {self.receipts}x: the receipt" if self.receipts else "",
        ]
        return ", ".join(word for word in said if word) or (self.outcome and "answered")


def told_by(events: Iterable[Event]) -> Mapping[str, Told]:
    """Return what the events tell of each effect, by key."""
    told: dict[str, Told] = {}
    for event in events:
        key = getattr(event.body, "key", None)
        if isinstance(key, str):
            told[key] = _with(told.get(key, Told()), event.body)
    return told


def _with(told: Told, body: e.Body) -> Told:
    match body:
        case e.EffectStarted(send=send):
            more = replace(told, sends=told.sends + 1)
            return _step(more, "sent again with the same key") if send > 1 else more
        case e.EffectDoubted(ended=True):
            more = replace(told, doubts=told.doubts + 1, unanswered=told.unanswered + 1)
            return _step(more, "the reply is lost on the wire")
        case e.EffectDoubted():
            return replace(told, doubts=told.doubts + 1)
        case e.EffectReconciled(verdict="found"):
            return _step(replace(told, found=True), "the probe finds it at the bank")
        case e.EffectReconciled(verdict="never"):
            return _step(replace(told, never=told.never + 1), "the probe says: never received")
        case e.EffectSettled(outcome=outcome, by=by):
            return _step(replace(told, outcome=outcome, person=told.person or by == PERSON), "settled")
        case e.EffectReplayed():
            return replace(told, receipts=told.receipts + 1)
        case _:
            return told


def _step(told: Told, step: str) -> Told:
    return replace(told, steps=(*told.steps, step))
