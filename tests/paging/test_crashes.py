"""Wherever the program dies, rewinds or forks, the model is asked with the same bytes as before."""

from collections import defaultdict
from itertools import pairwise

import pytest
from msgspec import Raw, json

from perdure import Paging, wait
from perdure.driver.books import text_of
from perdure.driver.prompting import Prompter
from perdure.log import events as e
from perdure.log.port import Post
from perdure.page.handles import RECALL_NAME
from perdure.testing import call
from perdure.testing.lives import run_until_rest
from perdure.testing.witness import law_named
from tests.paging.kit import (
    DONE,
    NOCACHE,
    TARIFF,
    PagingBench,
    answers,
    fetch,
    fetches,
    long_text,
    recalled,
    spelled,
)

ROOM = Paging("room", room=9_000, tariff=TARIFF)


def asked(bench: PagingBench) -> dict[int, set[bytes]]:
    """Return the prompts that the model was asked with, by how many entries they hold."""
    found: dict[int, set[bytes]] = defaultdict(set)
    for prompt in bench.prompts:
        found[len(prompt.entries)].add(spelled(prompt))
    return found


@pytest.mark.parametrize("paging", [ROOM, NOCACHE], ids=["room", "nocache"])
def test_after_every_death_the_model_is_asked_with_the_same_bytes(paging: Paging):
    script = [*fetches(6), recalled(0), *fetches(1), DONE]
    with PagingBench(script, paging=paging) as bench:
        bench.start()
        alone, moments = asked(bench), len(bench.history.course.moments)
    assert moments > 60
    for kill in range(0, moments, 3):
        with PagingBench(script, paging=paging) as bench:
            bench.kill_at(kill)
            assert run_until_rest(bench.history, "Go.").state("run").status == "finished"
            assert all(len(prompts) == 1 for prompts in asked(bench).values()), f"killed at {kill}"
            assert asked(bench).keys() == alone.keys()
            assert answers(bench.prompts[-1]).count(long_text("part0")) == 1


def test_a_cold_cache_is_noticed_after_a_wait_and_after_a_restart_alike():
    script = [*fetches(6), call("wait", seconds=3600), *fetches(1), DONE]
    paging = Paging("room", room=10**6, tariff=TARIFF)
    with PagingBench(script, paging=paging, tools=(fetch, wait)) as bench:
        bench.kill("store.append", "after", "timer.set")
        bench.start()
        bench.resume()
        idle = [event.at for event in bench.events() if isinstance(event.body, e.RequestForwarded)]
        assert max(after - before for before, after in pairwise(idle)) >= 3600 * 10**9
        assert all(len(prompts) == 1 for prompts in asked(bench).values())


def test_after_a_rewind_what_was_sent_stays_as_it_was_sent_and_a_death_changes_nothing():
    with PagingBench([*fetches(9), DONE], paging=ROOM) as bench:
        bench.start()
        assert bench.bodies(e.PageEvicted)
        last, before = bench.prompts[-1], len(bench.prompts)
        to = bench.position("model.requested", 8)
        bench.kill("model.ask", "after")
        bench.people.rewind("run", to, by="operator")
        bench.resume()
        first, again = bench.prompts[before : before + 2]
        assert len(bench.history.course.deaths) == 1
        assert spelled(first) == spelled(again)
        assert first.entries[:15] == last.entries[:15]


def test_a_fork_shows_what_the_run_showed_and_gives_back_what_left_in_it():
    with PagingBench([*fetches(8), recalled(0), DONE], paging=NOCACHE) as bench:
        bench.start()
        at = bench.position("model.requested", 9)
        fork = bench.fork(at)
        assert fork.live.pages.keys() == bench.state().live.pages.keys()
        assert bench.resume("fork").status == "finished"
        assert answers(bench.prompts[-1])[-1] == long_text("part0")


def test_paging_that_is_switched_off_keeps_what_was_moved_where_it_is_and_recall_with_it():
    with PagingBench([*fetches(8), recalled(0), *fetches(2), DONE], paging=NOCACHE) as bench:
        bench.kill("model.ask", "after", RECALL_NAME)
        bench.start()
        bench.paging = "off"
        assert bench.resume().status == "finished"
        assert [(each.mode, each.by) for each in bench.bodies(e.PagingSet)] == [("observe", "definition")]
        off = bench.position("paging.set")
        assert all(event.position < off for event in bench.events() if event.kind == "page.evicted")
        assert long_text("part0") in answers(bench.prompts[-1])
        assert bench.prompts[-1].tools[-1].name == RECALL_NAME


class Forgetful(Prompter):
    """A prompter that renders a page once and never looks at it again."""

    def _follow(self, pages: object, law: object) -> None:
        del pages, law


def test_a_prompter_that_misses_moves_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("perdure.driver.work.Prompter", Forgetful)
    bench = PagingBench([*fetches(12), DONE], paging=ROOM)
    with pytest.raises(AssertionError, match="not what the log says"), bench:
        bench.start()


def test_what_stands_in_a_pages_place_is_looked_up_and_never_made_again():
    with PagingBench([*fetches(8), DONE], paging=NOCACHE) as bench:
        bench.start()
        state = bench.state()
        shown = {
            page.page: text_of(bench.store, page.shown) for page in state.live.pages.values() if page.shown
        }
        prompt = Prompter(bench.store).prompt(state, law_named(bench.store, state.definition, state.contract))
        assert set(shown.values()) <= set(answers(prompt))


def test_paging_that_a_person_freezes_moves_nothing_more_and_takes_nothing_back():
    with PagingBench([*fetches(16), DONE], paging=NOCACHE) as bench:
        bench.kill("store.append", "after", "page.evicted")
        bench.start()
        moved = [event.position for event in bench.events() if event.kind == "page.evicted"]
        body = e.PagingSet("nocache", frozen=True, why="enough", by="me")
        bench.store.post("run", Post("freeze-1", "paging.set", Raw(json.encode(body)), bench.clock.now()))
        assert bench.resume().status == "finished"
        assert [event.position for event in bench.events() if event.kind == "page.evicted"] == moved
        stubs = [text for text in answers(bench.prompts[-1]) if "left the window" in text]
        assert len(stubs) == len(moved) > 0
