"""A person who knows what really happened, and answers what a run asks.

Every stop is taken down with whether it was needed: could the class's own rules have known?
"""

from collections import Counter
from typing import Final, NamedTuple

from perdure.assembly.people import People
from perdure.driver.books import Books, read_state
from perdure.effect import doubt as ways
from perdure.projection.state import Effect, State
from perdure.testing.witness import law_named
from perdure.testing.world import Counted, CountingWorld

ANSWER: Final = "Go on."


class Stop(NamedTuple):
    """A run that waited for a person."""

    run: str
    why: str
    text: str
    doubts: tuple[Effect, ...]
    at: int
    closed: bool
    """whether the run had ended, so that nothing of it may be requested again"""


class Operator:
    """Answers questions, grants approvals and settles doubts truthfully."""

    def __init__(self, people: People, store: Books, world: Counted) -> None:
        """Speak through ``people`` and look at ``store`` and ``world``."""
        self._people: People = people
        self._store: Books = store
        self._world: Counted = world
        self.stops: list[Stop] = []

    def look_again(self, people: People, store: Books) -> None:
        """Use the store as it was opened anew."""
        self._people, self._store = people, store

    def answers(self) -> bool:
        """Answer every run that waits; tell whether anything was said."""
        said = False
        for row in self._store.rows():
            state = read_state(self._store, row.run).state if row.position else State()
            if state.status == "waiting" or (state.closed and self._asked(state)):
                said = self._answer(state) or said
        return said

    def _answer(self, state: State) -> bool:
        doubts = self._asked(state)
        why = "doubt" if state.closed else state.wait
        stop = Stop(state.run, why, state.wait_text, doubts, state.at, state.closed)
        if self.stops and self.stops[-1] == stop:
            return False
        if why != "child":
            self.stops.append(stop)
        match why:
            case "approval":
                asked = [item.id for item in state.world.approvals.values() if item.phase == "asked"]
                granted = [self._people.approve(state.run, name, by="operator") for name in asked]
                return any(granted)
            case "person":
                return self._people.message(state.run, ANSWER, name=f"answer-{state.position}")
            case "doubt":
                settled = [self._settle(state, effect) for effect in doubts]
                return any(settled)
            case _:
                return False

    def _asked(self, state: State) -> tuple[Effect, ...]:
        """Return the doubts that only a person can settle, as the rules say."""
        doubted = [effect for effect in state.world.open.values() if effect.phase == "doubted"]
        if not doubted:
            return ()
        definition = law_named(self._store, state.definition, state.contract).definition
        return tuple(
            effect
            for effect in doubted
            if isinstance(ways.way_out(state, definition.tool(effect.tool), effect, state.at), ways.Ask)
        )

    def _settle(self, state: State, effect: Effect) -> bool:
        if not isinstance(self._world, CountingWorld):
            return False
        if self._world.did(effect.key):
            told = self._world.answered(effect.key)
            return self._people.settle(state.run, effect.key, "succeeded", by="operator", result=told)
        return self._people.settle(state.run, effect.key, "retry", by="operator")

    def waits(self) -> Counter[str]:
        """Return how often it was stopped, by reason."""
        return Counter(stop.why for stop in self.stops)
