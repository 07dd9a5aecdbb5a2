"""Which pages move when a request goes on, occasion by occasion, each against a provider that counts."""

import pytest
from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.page.breaker import ALARM, tripped
from perdure.page.cache import Block
from perdure.page.handles import stub
from perdure.page.policy import moves
from perdure.projection.evolve import evolve
from tests.page.kit import SUBSCRIBED, TARIFF, UNCACHED, Result, Talk

LONG = replace(TARIFF, write=6_000_000)
"""What writing for an hour costs."""
SMALL = Result(150)
LARGE = Result(6_000)


def grown(talk: Talk, requests: int = 200) -> Talk:
    """Let the conversation go on for a while with results that are too short to move."""
    for _ in range(requests):
        talk.ask(SMALL)
    return talk


def newest_preview(talk: Talk) -> tuple[str, ...]:
    """Return the page that came as a preview with the newest request, if one did."""
    name = f"p-{talk.number}-0"
    return (name,) if talk.page(name).shape == "preview" else ()


def kinds(decided: list[e.Body]) -> list[str]:
    """Return what was decided, in a word each."""
    found: list[str] = []
    for body in decided:
        match body:
            case e.PageAdmitted():
                found.append(body.shape)
            case e.PageEvicted():
                found.append(body.why)
            case _:
                found.append(e.KIND_OF[type(body)])
    return found


def test_a_large_result_leaves_right_after_its_first_use():
    talk = grown(Talk())
    assert kinds(talk.ask(LARGE)) == ["whole"]
    decided = talk.ask()
    assert kinds(decided) == ["used"]
    [evicted] = decided
    assert isinstance(evicted, e.PageEvicted)
    assert evicted.shown is not None
    assert evicted.shown.text == stub(talk.page(evicted.page))
    assert evicted.saves_microusd > 0


def test_what_leaves_after_its_first_use_pays():
    talk = grown(Talk())
    talk.ask(LARGE)
    for _ in range(30):
        talk.ask(SMALL)
    assert talk.talk.evicted == 1
    assert talk.cost < talk.alone_cost


def test_a_large_result_enters_as_the_preview_that_was_made_ahead():
    talk = grown(Talk(tariff=LONG), 100)
    [admitted] = talk.ask(Result(5_000, preview=400))
    assert isinstance(admitted, e.PageAdmitted)
    assert admitted.shape == "preview"
    assert admitted.shown is not None
    assert admitted.shown.text == f"a preview of {admitted.page}"


def test_previews_that_were_needed_whole_are_not_made_of_that_tools_results_again():
    def outcomes(needed: bool) -> list[str]:
        talk = grown(Talk(tariff=SUBSCRIBED), 20)
        found: list[str] = []
        for _ in range(12):
            asked = talk.ask(
                Result(4_000, preview=500, tool="Fetch", about=""),
                needs=lambda talk: newest_preview(talk) if needed else (),
            )
            found += kinds(asked)
        return found

    assert outcomes(needed=False) == ["preview"] * 12
    assert outcomes(needed=True)[-1] == "whole"


def test_on_a_cold_cache_what_was_used_leaves_at_once():
    talk = grown(Talk(), 90)
    for _ in range(12):
        talk.ask(Result(900))
        grown(talk, 2)
    decided = talk.ask(wait=3_600)
    assert set(kinds(decided)) == {"cold"}
    assert talk.cost < talk.alone_cost


def test_nothing_leaves_by_its_age_while_the_cache_is_warm():
    talk = Talk()
    talk.ask(Result(700))
    grown(talk, 300)
    assert talk.talk.evicted == 0


def test_a_cache_that_was_read_after_a_longer_pause_is_not_cold_after_a_shorter_one():
    talk = grown(Talk(), 3)
    told = e.Usage(40_000, 0, 39_800, 200)
    for number, wait in ((4, 900), (5, 5), (6, 800)):
        at = talk.at + wait * 1_000_000_000
        talk.at = at
        for body in (
            e.RequestForwarded(number, tokens=11_000),
            e.RequestAnswered(number, told, told),
        ):
            talk.state = evolve(talk.state, Event("r", talk.state.position + 1, at, 1, 0, body))
    assert talk.talk.trail.longest == 900 * 1_000_000_000


def test_a_batch_leaves_only_where_it_pays_several_times():
    talk = Talk(tariff=replace(TARIFF, write=TARIFF.read * 2, input=TARIFF.read * 2))
    for _ in range(6):
        talk.ask(Result(6_000))
    grown(talk, 200)
    dear = Talk()
    for _ in range(6):
        dear.ask(Result(900))
    grown(dear, 200)
    whys = [event.body.why for event in talk.events if isinstance(event.body, e.PageEvicted)]
    assert whys
    assert set(whys) <= {"batch", "used"}
    assert dear.talk.evicted == 0


@pytest.mark.parametrize("why", ["recall", "error", "media", "short"])
def test_exempt_pages_stay(why: str):
    talk = grown(Talk())
    talk.ask(Result(20_000, preview=500, exempt=why))
    talk.ask()
    talk.ask(wait=7_200)
    assert talk.talk.evicted == 0


def test_results_without_a_call_stay():
    talk = grown(Talk())
    talk.ask(Result(20_000, preview=500, call=""))
    talk.ask(wait=7_200)
    assert talk.talk.evicted == 0


def test_what_the_model_has_not_seen_stays_on_a_cold_cache_too():
    talk = grown(Talk())
    assert kinds(talk.ask(LARGE, wait=7_200)) == ["whole"]


def test_a_request_that_was_never_answered_has_not_been_seen():
    talk = grown(Talk())
    answered = talk.state
    talk.ask(LARGE)
    fact = next(event for event in reversed(talk.events) if isinstance(event.body, e.RequestForwarded))
    state = evolve(answered, fact)
    assert isinstance(fact.body, e.RequestForwarded)
    for move in moves(state, fact.body, fact.at):
        state = evolve(state, fact._replace(position=state.position + 1, body=move))
    retried = e.RequestForwarded(talk.number + 1, tokens=talk.whole())
    state = evolve(state, Event("r", state.position + 1, fact.at, 1, 0, retried))
    assert moves(state, retried, fact.at) == ()


@pytest.mark.parametrize("mode", ["observe", "safe", "room", "nocache"])
def test_observing_or_frozen_everything_comes_whole_and_nothing_leaves(mode: str):
    talk = grown(Talk(mode=mode, room=20_000))
    if mode != "observe":
        frozen = e.PagingSet(mode, frozen=True)
        talk.state = evolve(talk.state, Event("r", talk.state.position + 1, talk.at, 1, 0, frozen))
    for _ in range(5):
        assert set(kinds(talk.ask(Result(20_000, preview=500)))) <= {"whole"}
    assert kinds(talk.ask(wait=7_200)) == []


@pytest.mark.parametrize("purpose", ["side", "compaction"])
def test_side_calls_and_compactions_move_nothing(purpose: str):
    talk = grown(Talk())
    talk.ask(LARGE)
    assert kinds(talk.ask(purpose=purpose, wait=7_200)) == []


@pytest.mark.parametrize("mode", ["safe", "nocache"])
def test_without_a_price_nothing_is_decided_by_money(mode: str):
    talk = grown(Talk(mode=mode, tariff=e.Tariff(ttl=TARIFF.ttl)))
    talk.ask(Result(20_000, preview=500))
    talk.ask()
    talk.ask(wait=7_200)
    assert talk.talk.evicted == 0


def test_without_a_price_room_is_still_kept():
    talk = Talk(mode="room", room=60_000, tariff=e.Tariff(ttl=TARIFF.ttl))
    for _ in range(40):
        talk.ask(Result(4_000), said=50)
    assert max(talk.windows) < 65_000
    assert talk.whole() > 150_000


def test_room_keeps_the_window_near_its_target():
    talk = Talk(mode="room", room=80_000)
    for _ in range(60):
        talk.ask(Result(4_000), said=50)
    assert max(talk.windows[10:]) < 100_000
    assert talk.whole() > 240_000
    assert talk.cost < talk.alone_cost


def test_a_subscription_moves_what_spares_its_limits_and_rewrites_nothing():
    talk = grown(Talk(tariff=SUBSCRIBED))
    assert kinds(talk.ask(Result(20_000, preview=500))) == ["preview"]
    talk.ask(LARGE)
    assert kinds(talk.ask()) == []
    assert kinds(talk.ask(wait=7_200)) == ["cold"]


def test_nocache_is_safe_while_the_provider_reads_from_a_cache():
    cached, safe = Talk(mode="nocache"), Talk(mode="safe")
    for talk in (cached, safe):
        for number in range(80):
            talk.ask(Result(4_000 if number % 4 == 0 else 150))
    of = [[event.body for event in talk.events[2:]] for talk in (cached, safe)]
    assert of[0] == of[1]


def test_nocache_pages_early_where_nothing_is_ever_cached():
    talk = Talk(mode="nocache", tariff=UNCACHED)
    for number in range(60):
        talk.ask(Result(4_000 if number % 4 == 0 else 150))
    assert talk.talk.evicted > 8
    assert talk.cost < talk.alone_cost * 0.8


def test_collapsed_cache_reads_freeze_with_the_reason():
    talk = grown(Talk())
    for _ in range(3):
        talk.forget()
        talk.ask(SMALL)
    decided = talk.ask(SMALL)
    [frozen, *_] = decided
    assert isinstance(frozen, e.PagingSet)
    assert frozen.frozen
    assert frozen.why.startswith(ALARM)


def test_a_break_by_the_client_is_no_collapse():
    talk = grown(Talk())
    for index in range(6):
        talk.blocks[0] = Block(f"system {index}", 30_000)
        talk.ask(SMALL, broken="client")
    assert talk.talk.trail.collapsed == 0
    assert tripped(talk.talk) == ""


def test_a_fault_pins_its_page_each_time_for_longer():
    talk = grown(Talk())
    talk.ask(LARGE)
    talk.ask()
    [name] = [page.page for page in talk.state.live.pages.values() if page.shape == "evicted"]
    spans: list[int] = []
    for _ in range(3):
        talk.ask(needs=lambda _: (name,))
        spans.append(talk.page(name).pinned_until - talk.number)
        grown(talk, 1)
    assert spans[0] < spans[1] < spans[2]


def test_a_new_version_of_what_was_just_needed_is_pinned_and_leaves_when_that_is_over():
    talk = Talk(tariff=SUBSCRIBED)
    talk.ask(Result(8_000, about="src/a.py", name="p-first"))
    assert kinds(talk.ask(wait=7_200)) == ["cold"]
    talk.ask(needs=lambda _: ("p-first",))
    decided = talk.ask(Result(8_000, about="src/a.py", preview=500, name="p-second"))
    assert kinds(decided) == ["whole", "page.pinned"]
    until = talk.page("p-second").pinned_until
    assert until > talk.number
    while talk.number < until - 1:
        assert kinds(talk.ask(wait=7_200)) == []
    assert kinds(talk.ask(wait=7_200)) == ["cold"]


def test_pages_that_the_client_left_out_are_not_moved():
    talk = grown(Talk())
    talk.ask(Result(20_000, name="p-kept"))
    gone = e.RequestForwarded(
        talk.number + 1, tokens=talk.whole() - 20_000, broken="client", gone=("p-kept",)
    )
    state = evolve(talk.state, Event("r", talk.state.position + 1, talk.at + 1, 1, 0, gone))
    assert moves(state, gone, talk.at + 1) == ()
    assert state.live.pages["p-kept"].gone
