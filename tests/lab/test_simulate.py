"""What a played session costs, written down by hand beside the simulator."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.page.caching import MINUTE_NS
from perdure.profile.policies import (
    AgeFifo,
    AppendOnly,
    Belady,
    Clearing,
    KeepLast,
    Lru,
    OneRule,
    PageCourse,
    Planned,
)
from perdure.profile.route import Route, Terms
from perdure.profile.simulate import RECALL_TOKENS, PagePolicy, play
from perdure.profile.simulate_ours import Ours
from tests.lab.stories import BARE, CLAUDE, GPT, HOUR, Story, stories, terms

READ, WRITE, PLAIN, OUTPUT = 1, 6, 5, 25
"""CLAUDE's prices"""


def one_result() -> tuple[Story, int]:
    """A front of 6,000, a result of 8,000, and three requests: at its coming, after a reply, and after another."""
    story = Story()
    story.put("user", 100)
    story.ask()
    page = story.result(8000)
    story.ask()
    story.put("user", 50)
    return story, page


def planned(route: Route, page: int, *, preview: bool = False, leaves: int = -1) -> Planned:
    return Planned([PageCourse(route.folios[page], preview, leaves)])


def test_append_only_costs_what_is_new_and_a_reading_of_the_rest():
    story, _ = one_result()
    story.ask()
    played = play(story.route(CLAUDE), AppendOnly(), "strict")
    assert played.costs == (
        6100 * WRITE,
        6100 * READ + 8100 * WRITE,
        14200 * READ + 150 * WRITE,
    )
    assert played.windows == (6100, 14200, 14350)


def test_a_page_that_leaves_after_use_has_what_follows_it_written_again():
    story, page = one_result()
    story.ask()
    route = story.route(CLAUDE)
    stub = route.folios[page].stub
    played = play(route, planned(route, page, leaves=2), "strict")
    # the reply of 100 stands before the page, behind the last mark that is the same
    assert played.costs[2] == 6100 * READ + (100 + stub + 100 + 50) * WRITE
    assert played.windows[2] == 14350 - 8000 + stub


def test_a_preview_keeps_the_rest_out_from_the_start():
    story, page = one_result()
    story.ask()
    route = story.route(CLAUDE)
    played = play(route, planned(route, page, preview=True), "strict")
    assert played.costs[1] == 6100 * READ + (100 + 800) * WRITE
    assert played.costs[2] == 7000 * READ + 150 * WRITE


@pytest.mark.parametrize(
    ("why", "charge", "faults"), [("strict", "strict", 1), ("quoted", "strict", 0), ("path", "loose", 1)]
)
def test_a_need_of_a_page_that_left_is_a_fault_by_the_charged_definition(why: str, charge: str, faults: int):
    story, page = one_result()
    story.ask(needs={page: "strict" if why == "strict" else "path" if why == "path" else "quoted"})
    route = story.route(CLAUDE)
    played = play(route, planned(route, page, leaves=2), "strict" if charge == "strict" else "loose")
    assert played.faulted == faults


def test_a_fault_is_a_call_more_over_the_whole_prefix_and_its_text_stays():
    story, page = one_result()
    story.ask(needs={page: "strict"})
    story.put("user", 50)
    story.ask(needs={page: "strict"})
    route = story.route(CLAUDE)
    stub = route.folios[page].stub
    window = 14350 - 8000 + stub
    played = play(route, planned(route, page, leaves=2), "strict")
    first = 6100 * READ + (100 + stub + 100 + 50) * WRITE
    recall = window * READ + (RECALL_TOKENS + 8000) * WRITE + RECALL_TOKENS * OUTPUT
    assert played.costs[2] == first + recall
    assert played.costs[3] == (window + RECALL_TOKENS + 8000) * READ + 150 * WRITE
    assert played.faulted == 1


def test_a_compaction_takes_the_recalled_text_along():
    story, page = one_result()
    story.ask(needs={page: "strict"})
    story.compact()
    story.ask()
    route = story.route(CLAUDE)
    played = play(route, planned(route, page, leaves=2), "strict")
    assert played.windows[-1] == 6500


def test_without_the_spare_mark_each_eviction_reads_only_what_stood_before_the_first():
    story = Story()
    story.put("user", 100)
    story.ask()
    pages: list[int] = []
    for _ in range(3):
        pages.append(story.result(8000))
        story.ask()
    story.put("user", 10)
    story.ask()
    route = story.route(CLAUDE)
    plan = [
        PageCourse(route.folios[page], preview=False, leaves=2 + index) for index, page in enumerate(pages)
    ]
    marked = play(route, Planned(plan), "strict")
    unmarked = play(route, Planned(plan), "strict", spare=False)
    assert unmarked.served[4].read == 6100
    assert marked.served[4].read > 6100


def test_a_result_that_is_recalled_from_a_long_page_comes_in_part():
    story = Story()
    page = story.result(40_000)
    story.ask()
    folio = story.route(CLAUDE).folios[page]
    assert folio.recall == -(-40_000 * 32_000 // 120_000)


def all_policies(route: Route) -> Iterable[PagePolicy]:
    return (
        AgeFifo(2), KeepLast(2), Clearing(4000, 1), Lru(route, 3000), Belady(route, strict=False),
        OneRule("admit", 500), OneRule("used", 500), OneRule("cold", 500), Ours(route), Ours(route, "nocache"),
        Ours(route, "room", 5000),
    )  # fmt: skip


@given(stories(requests_max=6, pages_max=6), terms)
def test_what_is_read_written_and_plain_is_what_was_sent(story: Story, at: Terms):
    route = story.route(at)
    for policy in all_policies(route):
        played = play(route, policy, "none")
        for served, window in zip(played.served, played.windows, strict=True):
            assert served.read + served.written + served.plain == window


@given(stories(requests_max=6, pages_max=6), terms)
def test_faults_are_never_free(story: Story, at: Terms):
    route = story.route(at)
    for make in (lambda: AgeFifo(1), lambda: OneRule("admit", 500), lambda: KeepLast(1)):
        free = play(route, make(), "none")
        for charge in ("strict", "loose"):
            played = play(route, make(), charge)
            assert played.cost >= free.cost
            assert (played.cost > free.cost) == (played.faulted > 0)


def test_every_fault_is_counted_once_for_its_page():
    story, page = one_result()
    for _ in range(5):
        story.ask(needs={page: "quoted"})
        story.put("user", 10)
    route = story.route(CLAUDE)
    played = play(route, planned(route, page, leaves=2), "loose")
    assert (played.moved, played.faulted) == (1, 1)


def test_ours_moves_nothing_where_it_only_watches():
    story, _ = one_result()
    story.ask(pause=7 * MINUTE_NS)
    route = story.route(CLAUDE)
    assert play(route, Ours(route, "observe"), "strict").costs == play(route, AppendOnly(), "strict").costs


@given(st.sampled_from([CLAUDE, HOUR, GPT, BARE]))
def test_ours_admits_each_page_once_in_its_events(at: Terms):
    story = Story()
    pages = [story.result(3000) for _ in range(4)]
    for _ in range(5):
        story.put("user", 10)
        story.ask()
    route = story.route(at)
    ours = Ours(route)
    play(route, ours, "strict")
    talk = ours.state.live.conversation
    assert talk is not None
    assert (len(ours.state.live.pages), talk.requests) == (len(pages), 5)
