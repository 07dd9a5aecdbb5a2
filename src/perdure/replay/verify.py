"""Is this stream what was written? Chain, gaps, places and folds, event by event.

What is found is a value, not an exception: the first position where something is wrong, and what.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from perdure.log.envelope import GENESIS, Stored, unseal
from perdure.log.events import RunForked
from perdure.projection.evolve import evolve
from perdure.projection.state import State
from perdure.values.errors import StoreDamaged, StoreNewer


class Lineage(NamedTuple):
    """A part of a stream: up to ``upto`` its events carry the name ``run``."""

    run: str
    upto: int


class Verdict(NamedTuple):
    """How a stream stands. ``wrong`` is empty where nothing is."""

    events: int
    head: bytes
    state: State
    position: int = 0
    wrong: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


def verify_events(events: Iterable[Stored], lineage: tuple[Lineage, ...]) -> Verdict:
    """Return how ``events`` stand: chained, in their places, of their runs, decodable and folded."""
    head, position, state = GENESIS, 0, State()
    sha = hashlib.sha256
    parts = list(lineage)
    for stored in events:
        if stored.position != position + 1:
            return _broken(position, head, position + 1, _gap(position, stored.position))
        position += 1
        head_next = sha(head + stored.frame).digest()
        if head_next != stored.digest:
            return _broken(position - 1, head, position, "the event or its digest was changed")
        while len(parts) > 1 and position > parts[0].upto:
            del parts[0]
        if parts and stored.run != parts[0].run:
            wrong = f"it is an event of {stored.run}, not of {parts[0].run}"
            return _broken(position - 1, head, position, wrong)
        try:
            event = unseal(stored)
        except (StoreDamaged, StoreNewer) as error:
            return _broken(position - 1, head, position, str(error))
        if event.cause >= position:
            return _broken(position - 1, head, position, "its cause is not before it")
        if event.epoch < state.epoch and not isinstance(event.body, RunForked):
            return _broken(position - 1, head, position, "its epoch is older than the one before")
        state = evolve(state, event)
        head = head_next
    return Verdict(position, head, state)


def _gap(last: int, found: int) -> str:
    if found > last + 1:
        return f"positions {last + 1} to {found - 1} are missing"
    return f"position {found} comes after {last}"


def _broken(events: int, head: bytes, position: int, wrong: str) -> Verdict:
    return Verdict(events, head, State(), position, wrong)
