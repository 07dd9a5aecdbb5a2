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

    @property
    def next_words(self) -> str:
        """What was done about a payment that a strike had hit, if this is told by what came after."""
        if self.found:
            return "the probe found it at the bank: settled, and not sent again"
        if self.never and self.sends:
            return "the probe says that the bank never got it: sent again"
        if self.never:
            return "the probe says that the bank never got it"
        if self.sends:
            return "sent again, with the same key"
        if self.outcome:
            return f"settled: {self.outcome}"
        return "nothing was sent; it stays in doubt" if self.doubts else ""


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
        case e.EffectStarted():
            return replace(told, sends=told.sends + 1)
        case e.EffectDoubted(ended=ended):
            return replace(told, doubts=told.doubts + 1, unanswered=told.unanswered + ended)
        case e.EffectReconciled(verdict="found"):
            return replace(told, found=True)
        case e.EffectReconciled(verdict="never"):
            return replace(told, never=told.never + 1)
        case e.EffectSettled(outcome=outcome, by=by):
            return replace(told, outcome=outcome, person=told.person or by == PERSON)
        case e.EffectReplayed():
            return replace(told, receipts=told.receipts + 1)
        case _:
            return told
