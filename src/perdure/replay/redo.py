"""Deciding again: the facts of a log, put before today's ``step``, lead to the same events or don't."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple

import msgspec

from perdure.contract import Law
from perdure.intention.reply import Call, Reply, call_of
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.log.events import KIND_OF
from perdure.orchestrator.draft import Fact, unanswered
from perdure.orchestrator.step import STEP, step
from perdure.projection.evolve import evolve, fold
from perdure.projection.state import State, Turn

Laws = Callable[[str, str], Law]
"""(definition digest, contract digest) -> law"""
Replies = Callable[[Turn | None], Reply | None]
"""the newest turn -> its reply in full"""


Texts = Callable[[e.Content], str]
"""content of an event -> its text"""


class Difference(NamedTuple):
    """The first place where today's logic decides otherwise."""

    position: int
    recorded: str
    decided: str
    cause: int
    """the fact's position"""

    def diff(self) -> str:
        """Return both sides as a unified diff, a line per field."""
        lines = difflib.unified_diff(
            self.recorded.splitlines(), self.decided.splitlines(), "recorded", "decided", lineterm=""
        )
        return "\n".join(lines)


class Replayed(NamedTuple):
    """How far the decisions agree."""

    facts: int
    events: int
    step: int
    difference: Difference | None = None


def redo(events: Iterable[Event], *, laws: Laws, replies: Replies, texts: Texts) -> Replayed:
    """Decide every fact of ``events`` again and compare, up to the first difference.

    A run that was begun under another ``step`` version is compared with today's all the same: the
    difference then says where the logic changed. Where a fork cut a decision short, what is there
    is compared.
    """
    state, facts, count, recorded_step = State(), 0, 0, STEP
    asked: dict[str, Call] = {}
    whole = [*batches(events)]
    for batch, following in zip_longest(whole, whole[1:]):
        first = batch[0]
        if isinstance(first.body, e.RunOpened | e.RunForked):
            recorded_step = first.body.step
        if isinstance(first.body, e.CallReceived):
            arguments = texts(first.body.arguments)
            asked.setdefault(first.body.call, call_of(first.body.call, first.body.tool, arguments))
        fact = Fact(first.body, first.at, first.epoch, replies(_newest(state, first)), asked)
        decided = step(state, fact, _law(state, first.body, laws), run=first.run).events
        if following is not None and isinstance(following[0].body, e.RunForked):
            decided = decided[: len(batch)]
        difference = _compare(batch, decided)
        if difference is not None:
            return Replayed(facts, count, recorded_step, difference)
        state, facts, count = fold(state, batch), facts + 1, count + len(batch)
        asked = unanswered(state, asked)
    return Replayed(facts, count, recorded_step)


def batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Yield each fact with the events that it caused."""
    batch: list[Event] = []
    for event in events:
        if batch and event.cause == batch[0].position and event.run == batch[0].run:
            batch.append(event)
            continue
        if batch:
            yield batch
        batch = [event]
    if batch:
        yield batch


def _newest(state: State, fact: Event) -> Turn | None:
    """Return the turn whose reply the decision may read: the newest once the fact is taken in."""
    match fact.body:
        case e.ModelReplied() | e.RunRewound() | e.RunForked():
            return evolve(state, fact).live.turn
        case _:
            return state.live.turn


def _law(state: State, body: e.Body, laws: Laws) -> Law:
    match body:
        case e.RunOpened() | e.ContractAdopted():
            return laws(body.definition, body.contract)
        case _:
            return laws(state.definition, state.contract)


def _compare(recorded: list[Event], decided: tuple[Event, ...]) -> Difference | None:
    cause = recorded[0].position
    for index in range(max(len(recorded), len(decided))):
        was = recorded[index] if index < len(recorded) else None
        now = decided[index] if index < len(decided) else None
        if was != now:
            return Difference(cause + index, _spelled(was), _spelled(now), cause)
    return None


def _spelled(event: Event | None) -> str:
    if event is None:
        return "(nothing)"
    body = msgspec.json.format(msgspec.json.encode(event.body), indent=2).decode()
    return f"{event.position} {KIND_OF[type(event.body)]} cause {event.cause} at {event.at}\n{body}"
