"""The accounts of a conversation: what each request cost, what append-only would have, what each move did."""

import pytest
from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.page.alone import MILLION, alone
from perdure.page.ledger import ledger
from perdure.projection.evolve import evolve
from perdure.projection.state import State
from tests.page.kit import TARIFF, Result, Talk


def busy(talk: Talk, requests: int = 160) -> Talk:
    """Hold a conversation in which pages leave on every occasion, and some are asked for again."""
    for number in range(requests):
        new = (Result(4_000, preview=300, about=f"make {number}"),) if number % 4 == 0 else (Result(150),)
        wait = 900 if number % 40 == 39 else 5
        asked = number % 50 == 49
        talk.ask(*new, wait=wait, needs=lambda talk, asked=asked: oldest_out(talk)[:1] if asked else ())
    return talk


def oldest_out(talk: Talk) -> tuple[str, ...]:
    """Return the pages that are out and were not asked for, the oldest first."""
    pages = talk.state.live.pages.values()
    return tuple(page.page for page in pages if page.shape != "whole" and not page.faults)


def test_where_nothing_moves_append_only_is_exactly_what_was_paid():
    talk = busy(Talk(mode="observe"))
    accounts = ledger(talk.events)
    assert all(row.alone_microusd == row.cost_microusd for row in accounts.rows)
    assert accounts.moves == ()
    assert accounts.totals.saved_microusd == 0


def test_append_only_is_told_within_a_hundredth_of_what_it_would_have_cost():
    talk = busy(Talk())
    accounts = ledger(talk.events)
    assert accounts.totals.left > 20
    assert accounts.totals.faults > 0
    assert accounts.totals.alone_microusd == pytest.approx(talk.alone_cost / MILLION, rel=0.01)
    assert accounts.totals.cost_microusd == pytest.approx(talk.cost / MILLION, rel=0.001)


def test_an_append_only_that_forgets_what_a_cold_cache_would_have_cost_is_caught():
    talk = busy(Talk())
    wrong = sum(
        row.cost_microusd + (row.alone_tokens - row.window_tokens) * TARIFF.read // MILLION
        for row in ledger(talk.events).rows
    )
    assert wrong != pytest.approx(talk.alone_cost / MILLION, rel=0.01)


def test_what_requests_saved_and_what_moves_saved_is_the_same_sum():
    accounts = ledger(busy(Talk()).events)
    assert sum(move.saved_microusd for move in accounts.moves) == accounts.totals.saved_microusd
    assert accounts.totals.saved_microusd == sum(row.saved_microusd for row in accounts.rows)


def test_faults_are_counted_for_each_distinct_page():
    talk = busy(Talk())
    name = oldest_out(talk)[0]
    for _ in range(3):
        talk.ask(needs=lambda _: (name,))
    quoted = oldest_out(talk)[0]
    talk.ask(again=(quoted,))
    talk.ask(again=(quoted,))
    totals = ledger(talk.events).totals
    before = ledger(busy(Talk()).events).totals
    assert totals.faults == before.faults + 3
    assert totals.faulted == before.faulted + 1
    assert totals.needed == before.needed + 2


def test_breaks_by_the_client_are_counted_apart_from_ours():
    talk = busy(Talk(), 100)
    ours = ledger(talk.events).totals.our_breaks
    talk.ask(Result(150), broken="client")
    totals = ledger(talk.events).totals
    assert ours == sum(
        any(isinstance(body, e.PageEvicted) and body.why in ("used", "batch") for body in bodies)
        for bodies in by_request(talk)
    )
    assert (totals.our_breaks, totals.client_breaks) == (ours, 1)


def by_request(talk: Talk) -> list[list[e.Body]]:
    """Return what was written with each request."""
    found: list[list[e.Body]] = []
    for event in talk.events:
        if isinstance(event.body, e.RequestForwarded):
            found.append([])
        if found:
            found[-1].append(event.body)
    return found


def test_a_failed_request_and_a_freeze_are_told_with_their_reasons():
    talk = busy(Talk(), 20)
    for body in (
        e.RequestForwarded(21, tokens=talk.whole()),
        e.RequestFailed(21, 529, "overloaded"),
        e.PagingSet("safe", frozen=True, why="the provider's cache was read no more: 0 of 9"),
    ):
        talk.events.append(Event("r", len(talk.events) + 1, talk.at, 1, 0, body))
    accounts = ledger(talk.events)
    assert accounts.rows[-1].status == "failed"
    assert accounts.rows[-1].error == "overloaded"
    assert accounts.frozen == accounts.alarm != ""
    assert accounts.totals.failed == 1


@pytest.mark.parametrize("tokens", [1_000, 50_000])
def test_estimates_that_are_off_by_a_constant_share_don_t_matter(tokens: int):
    def told(scale: int) -> int:
        tariff = replace(TARIFF, read=1_000_000, write=1_000_000)
        state = State()
        for position, body in enumerate(
            (
                e.ConversationOpened("t", "messages", "m", tariff=tariff),
                e.RequestForwarded(1, tokens=4 * tokens * scale, moved=tokens * scale),
            ),
            1,
        ):
            state = evolve(state, Event("r", position, 1, 1, 0, body))
        return alone(state, e.Usage(3 * tokens, 0, 0, 3 * tokens, 3 * tokens))

    assert told(1) == told(2) == 4 * tokens
