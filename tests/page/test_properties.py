"""What holds of every conversation: decisions repeat, pages only shrink, what is exempt stays, losses are capped."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from perdure.log import events as e
from perdure.page import worth
from perdure.page.policy import moves, pins
from perdure.page.worth import LOSS_MAX, Stakes, stakes_of
from perdure.projection.evolve import evolve
from perdure.projection.state import State
from tests.page.adversary import Needs, at_once, one_by_one, out, turns
from tests.page.kit import TARIFF, UNCACHED, Result, Talk

Turns = list[tuple[list[Result], int, int, int]]
MODES = st.sampled_from(["observe", "safe", "room", "nocache"])
TARIFFS = st.sampled_from([TARIFF, replace(TARIFF, subscription=True), UNCACHED, e.Tariff()])
MANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def held(plan: Turns, mode: str = "safe", tariff: e.Tariff = TARIFF, *, before: int = 0) -> Talk:
    """Hold a conversation as planned, after ``before`` requests of small talk."""
    talk = Talk(mode=mode, tariff=tariff, room=40_000)
    for _ in range(before):
        talk.ask(Result(200))
    for found, wait, said, needed in plan:
        talk.ask(*found, wait=wait, said=said, needs=lambda talk, count=needed: tuple(out(talk)[:count]))
    return talk


@MANY
@given(turns(), MODES, TARIFFS, st.sampled_from([0, 0, 0, 120]))
def test_the_same_events_decide_the_same(plan: Turns, mode: str, tariff: e.Tariff, before: int):
    assert differs(held(plan, mode, tariff, before=before)) == []


def differs(talk: Talk) -> list[int]:
    """Return the requests for which, decided again from the log, something else follows."""
    found: list[int] = []
    state, due, decided, number = State(), list[e.Body](), list[e.Body](), 0
    for event in talk.events:
        match event.body:
            case e.PageAdmitted() | e.PageEvicted() | e.PagePinned() | e.PageUnpinned() | e.PagingSet():
                decided.append(event.body)
            case _:
                found += [number] * (decided != due)
                due, decided = [], []
        state = evolve(state, event)
        match event.body:
            case e.RequestForwarded():
                due, number = list(moves(state, event.body, event.at)), event.body.number
            case e.PageFaulted():
                due = list(pins(state, event.body))
            case _:
                pass
    assert state == talk.state
    return found


@MANY
@given(turns(), MODES, TARIFFS, st.sampled_from([0, 0, 0, 120]))
def test_pages_only_shrink_and_only_those_that_may(plan: Turns, mode: str, tariff: e.Tariff, before: int):
    talk = held(plan, mode, tariff, before=before)
    assert broken_rules(talk) == []


def broken_rules(talk: Talk) -> list[str]:
    """Return what of the rules of moving was broken in a conversation."""
    found: list[str] = []
    state, shown = State(), dict[str, tuple[str, e.Content | None]]()
    number = 0
    for event in talk.events:
        body = event.body
        match body:
            case e.RequestForwarded():
                number = body.number
            case e.PageAdmitted():
                found += [f"{body.page} came twice"] * (body.page in shown)
                found += [f"{body.page} is exempt"] * (
                    body.shape != "whole" and bool(body.exempt or not body.call)
                )
                shown[body.page] = (body.shape, body.shown)
            case e.PageEvicted():
                page = state.live.pages[body.page]
                found += [f"{body.page} left twice"] * (shown[body.page][0] == "evicted")
                found += [f"{body.page} is exempt"] * bool(page.exempt or not page.call)
                found += [f"{body.page} was not seen"] * (page.number >= number)
                found += [f"{body.page} is pinned"] * (page.pinned_until > number)
                found += [f"{body.page} grew"] * (body.tokens > page.shown_tokens)
                shown[body.page] = ("evicted", body.shown)
            case _:
                pass
        state = evolve(state, event)
    stands = {page.page: (page.shape, page.shown) for page in state.live.pages.values()}
    return found + [
        f"{name} stands as {stands[name]}" for name, last in shown.items() if stands[name] != last
    ]


@MANY
@given(turns(), TARIFFS)
def test_observing_moves_nothing_and_costs_nothing(plan: Turns, tariff: e.Tariff):
    talk = held(plan, "observe", tariff)
    assert all(page.shape == "whole" for page in talk.state.live.pages.values())
    assert talk.cost == talk.alone_cost
    assert talk.talk.saved_microusd == 0


def test_a_policy_that_evicts_what_is_exempt_is_caught():
    def greedy(state: State, body: e.RequestForwarded, at: int) -> tuple[e.Body, ...]:
        gone = (
            e.PageEvicted(page.page, "age", e.Content(4, "gone"), 2)
            for page in state.live.pages.values()
            if page.shape == "whole"
        )
        return (*moves(state, body, at), *gone)

    talk = Talk(moves=greedy)
    talk.ask(Result(5_000, exempt="error", name="p-a"))
    talk.ask()
    assert broken_rules(talk) == ["p-a is exempt"]


def test_a_policy_that_decides_by_what_it_remembers_is_caught():
    calls: list[int] = []

    def moody(state: State, body: e.RequestForwarded, at: int) -> tuple[e.Body, ...]:
        calls.append(at)
        decided = moves(state, body, at)
        return (*decided, e.PagePinned("p-1-0", 99)) if len(calls) % 2 else decided

    assert differs(held([([Result(5_000)], 5, 50, 0)] * 4)) == []
    talk = Talk(moves=moody)
    for _ in range(4):
        talk.ask(Result(5_000))
    assert differs(talk) == [1, 3]


# -- losses ---------------------------------------------------------------------------------------------


def loss(
    needs: Needs, *, requests: int, size: int, about: str = "make", wait: int = 5, after: int = 0
) -> float:
    """Return the worst share of append-only that was lost after any request from ``after`` on."""
    talk, worst = Talk(), 0.0
    for number in range(requests):
        new = (Result(size, about=about, preview=min(400, size // 4)),) if number % 3 == 0 else (Result(200),)
        talk.ask(*new, needs=needs, wait=wait if number % 11 else 400)
        if number >= after:
            worst = max(worst, (talk.cost - talk.alone_cost) / talk.alone_cost)
    return worst


def no_bets(self: Stakes, worth: float, fault: float) -> bool:
    del self, worth, fault
    return False


@pytest.mark.parametrize("needs", [at_once, one_by_one])
@pytest.mark.parametrize("size", [2_000, 5_000, 15_000])
@pytest.mark.parametrize("about", ["make", "src/a.py"])
def test_losses_stay_under_the_cap_whatever_is_asked_for(
    needs: Needs, size: int, about: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Stakes, "dares", no_bets)
    assert loss(needs, requests=120, size=size, about=about) <= LOSS_MAX


@pytest.mark.parametrize("needs", [at_once, one_by_one])
@pytest.mark.parametrize("size", [2_000, 5_000, 15_000])
@pytest.mark.parametrize("about", ["make", "src/a.py"])
def test_good_bets_that_all_fail_cost_no_more_than_the_cap_in_a_hundred_requests(
    needs: Needs, size: int, about: str
):
    assert loss(needs, requests=160, size=size, about=about, after=100) <= LOSS_MAX


def test_no_bet_is_made_while_moves_have_lost_on_the_whole():
    talk, dared = Talk(), list[tuple[bool, bool]]()
    for number in range(60):
        new = Result(2_000, about="make", preview=400) if number % 3 == 0 else Result(200)
        talk.ask(new, needs=at_once, wait=5 if number % 11 else 400)
        stakes = stakes_of(talk.talk, uncached=False)
        assert stakes is not None
        dared.append((talk.talk.saved_microusd < 0, stakes.dares(1e30, 1.0)))
    assert {bet for behind, bet in dared if behind} == {False}
    assert {bet for behind, bet in dared if not behind} == {True}


def test_a_policy_that_risks_what_it_has_not_is_caught(monkeypatch: pytest.MonkeyPatch):
    def careless(self: Stakes, whole: int, about: str, age: int, spared: float = 0.0) -> float:
        del self, whole, about, age, spared
        return 0.0

    monkeypatch.setattr(Stakes, "at_risk", careless)
    monkeypatch.setattr(Stakes, "dares", no_bets)
    monkeypatch.setattr(worth, "LOSS_MAX", 1.0)
    assert loss(at_once, requests=120, size=5_000) > LOSS_MAX
