"""What stands in the window of an agent of ours, why, and what the model gets when it asks for what left."""

import json
from collections import Counter

import pytest
from msgspec.structs import replace

from perdure import Agent, Contract, Paging, PerdureError
from perdure.driver.books import text_of
from perdure.log import events as e
from perdure.page.handles import RECALL_NAME, handles_in
from perdure.page.ledger import ledger
from perdure.testing import ScriptedModel, call, say
from tests.paging.kit import (
    DONE,
    NOCACHE,
    PAGING,
    TARIFF,
    PagingBench,
    answers,
    fetch,
    fetches,
    long_text,
    recalled,
    spelled,
)

ROOM = Paging("room", room=12_000, tariff=TARIFF)


def test_what_stands_in_the_window_is_what_the_page_table_says():
    with PagingBench([*fetches(20), DONE], paging=ROOM) as bench:
        assert bench.start().status == "finished"
        shapes = Counter(page.shape for page in bench.state().live.pages.values())
        assert shapes["preview"] + shapes["evicted"] > shapes["whole"]
        last = answers(bench.prompts[-1])
        pages = bench.state().live.pages
        for text, page in zip(last, pages.values(), strict=True):
            whole = json.dumps(long_text(page.about.removeprefix("name=")))
            assert text == (text_of(bench.store, page.shown) if page.shape != "whole" else whole)
            assert (handles_in(text) == ()) == (page.shape == "whole")
        assert len(spelled(bench.prompts[-1])) * 100 // 300 < 3 * ROOM.room


def test_a_move_is_on_disk_before_the_model_is_asked_with_it():
    with PagingBench([*fetches(12), DONE], paging=ROOM) as bench:
        bench.start()
        kinds = bench.kinds()
        for place, kind in enumerate(kinds):
            if kind in ("page.evicted", "page.admitted"):
                behind = next(
                    later for later in kinds[place:] if later in ("model.requested", "model.replied")
                )
                assert behind == "model.requested"


def test_recall_gives_the_text_that_the_tool_gave_byte_for_byte_and_no_effect_stands_behind_it():
    with PagingBench(
        [*fetches(8), recalled(0), recalled(1, line=150, lines=5), DONE], paging=NOCACHE
    ) as bench:
        assert bench.start().status == "finished"
        whole, part = answers(bench.prompts[-1])[-2:]
        assert whole == long_text("part0")
        assert part.partition("\n")[2] == "".join(long_text("part1").splitlines(keepends=True)[149:154])
        faulted = bench.bodies(e.PageFaulted)
        assert [fault.start for fault in faulted] == [
            0,
            len("".join(long_text("part1").splitlines(keepends=True)[:149])),
        ]
        assert faulted[0].size == len(long_text("part0"))
        assert [effect.tool for effect in bench.bodies(e.EffectStarted)] == ["fetch"] * 8
        assert len(bench.bodies(e.RecallAnswered)) == 2


def test_what_was_recalled_stays_and_is_no_page():
    with PagingBench([*fetches(8), recalled(0), *fetches(8), DONE], paging=NOCACHE) as bench:
        bench.start()
        assert long_text("part0") in answers(bench.prompts[-1])
        assert all(page.tool == "fetch" for page in bench.state().live.pages.values())
        assert bench.bodies(e.PagePinned)[0].page == bench.bodies(e.PageFaulted)[0].page


def test_a_result_that_is_no_text_comes_back_as_the_json_that_stood_there():
    script = [call("count", upto=400), *fetches(6), recalled(0), recalled(0, find='"square":144}'), DONE]
    with PagingBench(script, paging=NOCACHE) as bench:
        bench.start()
        whole, found = answers(bench.prompts[-1])[-2:]
        assert json.loads(whole) == [{"number": number, "square": number * number} for number in range(400)]
        (settled,) = (effect.result for effect in bench.bodies(e.EffectSettled)[:1])
        assert whole == text_of(bench.store, settled)
        assert '"number":12,' in found


def test_a_wrong_call_of_recall_is_answered_with_the_cure_and_lists_are_no_faults():
    script = [
        *fetches(8),
        call(RECALL_NAME, page="p-zzzzzzzzzz"),
        call(RECALL_NAME, line=3),
        call(RECALL_NAME),
        DONE,
    ]
    with PagingBench(script, paging=NOCACHE) as bench:
        bench.start()
        unknown, alone, listed = answers(bench.prompts[-1])[-3:]
        assert "No page of this conversation" in unknown
        assert "belong to one `page`" in alone
        assert set(handles_in(listed)) == set(bench.state().live.pages)
        assert bench.bodies(e.PageFaulted) == []


def test_a_contract_that_allows_few_tools_and_calls_does_not_stand_in_the_way_of_recall():
    contract = Contract(allow=("fetch",))
    bench = PagingBench([*fetches(8), recalled(0), DONE], paging=NOCACHE, tools=(fetch,))
    with bench:
        agent = bench.agent
        bench.history.make_agent = lambda: Agent(
            name="clerk",
            instructions="Go.",
            tools=[fetch],
            model=agent().model,
            contract=contract,
            context=NOCACHE,
        )
        assert bench.start().status == "finished"
        assert answers(bench.prompts[-1])[-1] == long_text("part0")
        assert bench.refusals() == []


def test_observing_counts_pages_and_moves_nothing():
    with PagingBench([*fetches(10), DONE], paging=replace(PAGING, mode="observe")) as watching:
        watching.start()
    with PagingBench([*fetches(10), DONE], paging="off") as off:
        off.start()
    assert [spelled(prompt) for prompt in watching.prompts] == [spelled(prompt) for prompt in off.prompts]
    assert len(watching.bodies(e.PageAdmitted)) == 10
    assert {page.shape for page in watching.bodies(e.PageAdmitted)} == {"whole"}
    assert not any(kind.startswith(("page.", "request.", "conversation.")) for kind in off.kinds())


def test_by_default_nothing_is_paged_where_the_price_of_the_model_is_not_known():
    agent = Agent(name="clerk", instructions="Go.", tools=[fetch], model=ScriptedModel([]))
    assert agent.definition().paging is None


def test_by_default_a_model_whose_price_is_known_is_paged_by_money():
    pytest.importorskip("genai_prices")
    agent = Agent(name="clerk", instructions="Go.", tools=[fetch], model="anthropic:claude-sonnet-4-5")
    paging = agent.definition().paging
    assert paging is not None
    assert (paging.mode, paging.density) == ("safe", 290)
    assert 0 < paging.tariff.read < paging.tariff.input < paging.tariff.write
    assert paging.tariff.ttl == 5 * 60 * 10**9


@pytest.mark.parametrize("context", ["tight", Paging("loose"), Paging("room")])
def test_a_way_that_there_is_not_is_refused_when_the_agent_is_made_ready(context: Paging | str):
    agent = Agent(name="clerk", instructions="Go.", model=ScriptedModel([]), context=context)  # pyright: ignore[reportArgumentType]
    with pytest.raises(PerdureError) as refused:
        agent.rules()
    assert refused.value.code == "P505"


def test_a_tool_may_not_take_the_name_of_recall():
    async def perdure_recall(page: str) -> str:
        """Take its place."""
        return page

    with pytest.raises(PerdureError, match="perdure's own"):
        Agent(name="clerk", instructions="Go.", tools=[perdure_recall], model=ScriptedModel([]))


def test_short_results_and_failures_are_no_pages():
    script = [call("count", upto=3), call("count", upto="many"), *fetches(2), DONE]
    with PagingBench(script, paging=NOCACHE) as bench:
        bench.start()
        assert [page.tool for page in bench.bodies(e.PageAdmitted)] == ["fetch", "fetch"]


def test_the_same_call_made_again_is_a_new_version_and_counts_as_needed_again():
    again = call("fetch", name="part0")
    with PagingBench([*fetches(8), again, say("done")], paging=NOCACHE) as bench:
        bench.start()
        first = bench.bodies(e.PageAdmitted)[0].page
        assert [body.again for body in bench.bodies(e.RequestForwarded)][-1] == (first,)
        pages = [page for page in bench.state().live.pages.values() if page.about == "name=part0"]
        assert len({page.page for page in pages}) == 2


def test_the_ledger_of_an_own_run_adds_up_to_what_its_replies_cost():
    with PagingBench([*fetches(10), recalled(0), DONE], paging=NOCACHE) as bench:
        state = bench.start()
        book = ledger(bench.events())
        replies = [body.usage for body in bench.bodies(e.ModelReplied)]
        assert book.totals.requests == len(replies) == 12
        assert book.totals.cost_microusd == sum(usage.cost_microusd for usage in replies)
        assert state.world.cost_microusd == book.totals.cost_microusd
        assert state.world.turns == 12
        assert book.totals.saved_microusd > 0
        assert book.totals.faults == 1


def test_a_window_is_smaller_and_cheaper_for_it_and_nothing_is_lost():
    with PagingBench([*fetches(30), DONE], paging="off") as plain:
        alone = plain.start()
    with PagingBench([*fetches(30), DONE], paging=ROOM) as paged:
        state = paged.start()
    assert max(map(len, map(spelled, paged.prompts))) * 2 < max(map(len, map(spelled, plain.prompts)))
    assert state.world.cost_microusd < alone.world.cost_microusd
    assert [paged.answer(), state.status] == [plain.answer(), alone.status] == ["done", "finished"]
