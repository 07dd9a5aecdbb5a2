"""The bound lies below the optimum, and the optimum below every policy; every course of a small session says so."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.page.caching import MINUTE_NS
from perdure.profile.bound_below import bound, plan
from perdure.profile.bound_exact import optimum
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
from perdure.profile.route import Folio, Route, Terms
from perdure.profile.simulate import Charge, PagePolicy, Prospect, Shift, play
from perdure.profile.simulate_ours import Ours
from tests.lab.stories import CLAUDE, GPT, Story, stories, terms

charges: st.SearchStrategy[Charge] = st.sampled_from(["strict", "loose"])


def policies(route: Route, charge: Charge) -> Iterator[PagePolicy]:
    yield AppendOnly()
    yield AgeFifo(1)
    yield AgeFifo(3)
    yield KeepLast(1)
    yield Clearing(5_000, 1)
    yield Lru(route, 2_500)
    yield Belady(route, strict=charge == "strict")
    yield OneRule("admit", 1_000)
    yield OneRule("used", 100)
    yield OneRule("cold", 100)
    yield Planned(plan(route, charge))
    for mode in ("safe", "room", "nocache"):
        yield Ours(route, mode, 4_000)


def every_course(route: Route) -> Iterator[tuple[PageCourse, ...]]:
    """Yield all that can be done with all pages, without a thought about what it costs."""
    pages: dict[int, tuple[Folio, set[int]]] = {}
    for number, leg in enumerate(route.legs):
        for place in range(leg.first, leg.last):
            folio = route.folios.get(place)
            if folio is not None and folio.movable:
                pages.setdefault(folio.page, (folio, set()))[1].add(number)
    choices = [
        [
            PageCourse(folio, preview, leaves)
            for preview in ((False, True) if folio.preview else (False,))
            for leaves in (-1, *sorted(seen - {min(seen)}))
        ]
        for folio, seen in pages.values()
    ]
    yield from product(*choices)


@settings(max_examples=60)
@given(stories(requests_max=4), terms, charges)
def test_the_optimum_is_the_cheapest_of_all_courses(story: Story, at: Terms, charge: Charge):
    route = story.route(at)
    best = min(play(route, Planned(courses), charge).cost for courses in every_course(route))
    found = optimum(route, charge, 100_000)
    assert found is not None
    assert found.cost == best
    assert bound(route, charge) <= best


@settings(max_examples=150)
@given(stories(requests_max=7, pages_max=5), terms, charges)
def test_no_policy_beats_the_bound(story: Story, at: Terms, charge: Charge):
    route = story.route(at)
    below = bound(route, charge)
    for policy in policies(route, charge):
        assert below <= play(route, policy, charge).cost


@settings(max_examples=40)
@given(stories(requests_max=6, pages_max=4), terms, charges)
def test_no_policy_beats_the_optimum(story: Story, at: Terms, charge: Charge):
    route = story.route(at)
    found = optimum(route, charge, 20_000)
    if found is None:
        return
    assert found.below <= found.cost
    for policy in policies(route, charge):
        assert found.cost <= play(route, policy, charge).cost


def test_without_a_cache_the_bound_is_the_optimum():
    story = Story()
    pages = [story.result(4000), story.result(3000)]
    for number in range(6):
        story.put("user", 20)
        story.ask(needs={pages[number % 2]: "strict"} if number < 4 else None)
    route = story.route(
        CLAUDE._replace(rule=GPT.rule._replace(kind="none"), rates=GPT.rates._replace(read=10))
    )
    found = optimum(route, "strict", 100_000)
    assert found is not None
    assert found.below == found.cost


def needy() -> Route:
    story = Story()
    story.put("user", 20)
    story.ask()
    for number in range(12):
        page = story.result(9000)
        story.ask()
        story.put("user", 20 + number)
        story.ask(needs={page: "strict"})
        story.ask(needs={page: "strict"})
    return story.route(CLAUDE)


def test_a_lab_that_forgets_faults_is_caught_by_the_bound():
    route = needy()
    below = bound(route, "strict")
    greedy = OneRule("admit", 1000)
    assert play(route, greedy, "strict").cost >= below
    assert play(route, greedy, "none").cost < below


class Restoring(AppendOnly):
    """A broken policy: it takes its moves back, as if that were free."""

    def shifts(self, prospect: Prospect) -> Iterator[Shift]:
        for folio in prospect.folios.values():
            if folio.page in prospect.shown:
                yield Shift(folio.page, folio.tokens)
            elif folio.came < prospect.number:
                yield Shift(folio.page, folio.stub)


class Vanishing(AppendOnly):
    """A broken policy: nothing at all stands in a page's place."""

    def shifts(self, prospect: Prospect) -> Iterator[Shift]:
        for folio in prospect.folios.values():
            if folio.page not in prospect.shown:
                yield Shift(folio.page, 0)


@pytest.mark.parametrize("cheat", [Restoring(), Vanishing()])
def test_a_policy_that_cheats_is_stopped(cheat: PagePolicy):
    with pytest.raises(Exception, match="a page gets smaller"):
        play(needy(), cheat, "strict")


def test_a_bound_that_charges_a_break_to_each_page_is_caught():
    """Moved together, pages share one break: a bound that lets each pay for it lies above the optimum."""
    story = Story()
    story.put("user", 20)
    pages = [story.result(3000) for _ in range(3)]
    story.ask()
    story.put("user", 4000)
    story.ask(needs=dict.fromkeys(pages, "strict"))
    for _ in range(30):
        story.put("user", 10)
        story.ask()
    route = story.route(CLAUDE)
    found = optimum(route, "strict", 100_000)
    assert found is not None
    assert found.cost < play(route, AppendOnly(), "strict").cost
    assert sum(course.leaves >= 0 for course in found.courses) == 3
    assert len({course.leaves for course in found.courses}) == 1
    assert found.below <= found.cost


def test_a_pause_makes_moves_free():
    story = Story()
    story.put("user", 20)
    page = story.result(9000)
    story.ask()
    story.ask(needs={page: "strict"})
    story.put("user", 20)
    story.ask(pause=6 * MINUTE_NS)
    for _ in range(3):
        story.put("user", 20)
        story.ask()
    found = optimum(story.route(CLAUDE), "strict", 10_000)
    assert found is not None
    assert [course.leaves for course in found.courses] == [2]
    assert found.below == pytest.approx(found.cost, rel=0.001)
