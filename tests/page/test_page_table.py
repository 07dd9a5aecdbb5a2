"""The page table against plain dicts: moves in any order, told of any page, and what the fold makes of them."""

from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.evolve import evolve
from perdure.projection.snapshot import Freezer, thaw
from perdure.projection.state import State

NAMES = st.sampled_from([f"p-{letter}" for letter in "abcdef"])
STEPS = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


class TableMachine(RuleBasedStateMachine):
    """What each page is, as a dict would hold it; subclasses break it."""

    loses_stubs: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.number = 1
        self.shapes: dict[str, str] = {}
        self.shown: dict[str, e.Content | None] = {}
        self.kept_out: dict[str, int] = {}
        self.faults: dict[str, int] = {}
        self.pins: dict[str, int] = {}
        self.out: set[str] = set()
        """pages that left and were not needed since"""
        self.left: set[str] = set()
        self.gone: set[str] = set()

    def told(self, body: e.Body) -> None:
        event = Event("r", self.state.position + 1, self.number, 1, 0, body)
        self.state = evolve(self.state, event)

    @initialize()
    def open(self) -> None:
        self.told(e.ConversationOpened("test", "messages", "m"))
        self.told(e.RequestForwarded(1))

    @rule(name=NAMES, preview=st.booleans(), tokens=st.integers(10, 5_000))
    def admit(self, name: str, preview: bool, tokens: int) -> None:
        if name in self.shapes:
            return
        shown = e.Content(tokens // 2, f"some of {name}") if preview else None
        shape = "preview" if preview else "whole"
        self.told(
            e.PageAdmitted(
                name, e.Content(tokens * 2, None, name), tokens, shape, shown, call="c", number=self.number
            )
        )
        self.shapes[name], self.shown[name] = shape, shown
        self.kept_out[name] = tokens - -(-(tokens // 2) * tokens // (tokens * 2)) if preview else 0
        if preview:
            self.out.add(name)
            self.left.add(name)

    @rule(name=NAMES, words=st.sampled_from(["gone", "away"]))
    def evict(self, name: str, words: str) -> None:
        stub = e.Content(len(words), words)
        self.told(e.PageEvicted(name, "cold", stub, 5))
        if self.shapes.get(name, "evicted") == "evicted":
            return
        if self.shapes[name] == "whole" and name not in self.gone:
            self.out.add(name)
        self.left.add(name)
        self.shapes[name] = "evicted"
        self.shown[name] = None if self.loses_stubs else stub
        self.kept_out[name] = self.state.live.pages[name].tokens - 5

    @rule(name=NAMES)
    def fault(self, name: str) -> None:
        self.told(e.PageFaulted(name, 0, 10, 10, self.number))
        if name in self.shapes:
            self.faults[name] = self.faults.get(name, 0) + 1
            self.out.discard(name)

    @rule(name=NAMES, span=st.integers(1, 9))
    def pin(self, name: str, span: int) -> None:
        self.told(e.PagePinned(name, self.number + span))
        if name in self.shapes:
            self.pins[name] = self.number + span

    @rule(name=NAMES)
    def unpin(self, name: str) -> None:
        self.told(e.PageUnpinned(name))
        self.pins.pop(name, None)

    @rule(again=st.lists(NAMES, max_size=2), gone=st.lists(NAMES, max_size=1))
    def forward(self, again: list[str], gone: list[str]) -> None:
        self.number += 1
        self.told(
            e.RequestForwarded(
                self.number, again=tuple(again), gone=tuple(gone), broken="client" if gone else ""
            )
        )
        for name in gone:
            if name in self.shapes:
                self.gone.add(name)
                self.out.discard(name)
        for name in again:
            if name not in self.gone:
                self.out.discard(name)

    @rule()
    def answer(self) -> None:
        self.told(e.RequestAnswered(self.number))

    @rule()
    def restart(self) -> None:
        snapshot = Freezer().freeze(self.state, b"head")
        chunks = dict(snapshot.chunks)
        thawed = thaw(snapshot.manifest, chunks.get)
        assert thawed is not None
        self.state = thawed.state

    @invariant()
    def the_table_is_the_dict(self) -> None:
        pages = self.state.live.pages
        assert {name: page.shape for name, page in pages.items()} == self.shapes
        assert {name: page.shown for name, page in pages.items()} == self.shown
        assert {name: page.faults for name, page in pages.items() if page.faults} == self.faults
        assert {name: page.pinned_until for name, page in pages.items() if page.pinned_until} == self.pins
        assert {name for name, page in pages.items() if page.gone} == self.gone

    @invariant()
    def the_conversation_counts_what_the_table_holds(self) -> None:
        talk = self.state.live.conversation
        if talk is None:
            return
        pages = self.state.live.pages
        assert talk.moved == sum(self.kept_out.values())
        assert talk.evicted == len(self.left)
        assert talk.faulted == len(self.faults)
        assert talk.trail.out == len(self.out)
        assert talk.trail.out_tokens == sum(pages[name].tokens for name in self.out)


def test_moves_in_any_order_leave_what_a_dict_would_hold():
    run_state_machine_as_test(TableMachine, settings=STEPS)


def test_a_table_that_loses_what_stands_in_a_pages_place_is_caught():
    class Forgetful(TableMachine):
        loses_stubs = True

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Forgetful, settings=replace_settings())


def replace_settings() -> settings:
    """Return steps that keep no failing example: this one is meant to fail."""
    return settings(STEPS, database=None, print_blob=False)
