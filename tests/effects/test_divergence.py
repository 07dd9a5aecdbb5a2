"""The same business act with other arguments: asked about, refused or allowed, and never beside a doubt."""

from typing import Literal

from perdure import Context, tool
from perdure.adapters.tools.tool import AnyTool
from perdure.intention.reply import Reply
from perdure.testing import World, call, say
from perdure.wire.prompt import Prompt, Said
from tests.orchestrator.bench import Bench, Tools


def payments(policy: Literal["allow", "ask", "refuse"]):
    """Return the maker of a tool that pays an invoice, which is one act whatever the amount is."""

    def make(world: World) -> Tools:
        @tool(effect="once", identity=("invoice",), on_divergence=policy)
        async def pay(ctx: Context, invoice: str, amount: int) -> str:
            world.apply(f"{invoice} {amount}", key=ctx.key)
            return "paid"

        found: AnyTool = pay
        return (found,)

    return make


AMOUNTS = (100, 120, 130)


def higher_each_time(prompt: Prompt) -> Reply:
    """Pay the invoice with the next amount, as often as there are amounts."""
    said = sum(isinstance(entry, Said) for entry in prompt.entries)
    return call("pay", invoice="i7", amount=AMOUNTS[said]) if said < len(AMOUNTS) else say("done")


def test_an_equal_act_with_another_amount_is_refused_where_the_tool_says_so():
    with Bench(payments("refuse"), higher_each_time) as bench:
        assert bench.start().status == "finished"
        assert bench.world.counts() == {"i7 100": 1}
        assert [refusal.rule for refusal in bench.refusals()] == ["divergence", "divergence"]


def test_an_equal_act_with_another_amount_is_asked_about_and_then_done_once():
    with Bench(payments("ask"), higher_each_time) as bench:
        state = bench.start()
        for amount in AMOUNTS[1:]:
            assert state.wait == "approval"
            assert f"amount={amount}" in state.wait_text or "invoice=i7" in state.wait_text
            for approval in state.world.approvals.values():
                if approval.phase == "asked":
                    bench.people.approve("run", approval.id, by="operator")
            state = bench.resume()
        assert state.status == "finished"
        assert bench.world.counts() == {"i7 100": 1, "i7 120": 1, "i7 130": 1}


def test_a_divergence_in_doubt_blocks_every_other_of_the_same_identity():
    with Bench(payments("allow"), higher_each_time) as bench:
        bench.world.plan("i7 120", "lose")
        assert bench.start().wait == "doubt"
        bench.model.script = [call("pay", invoice="i7", amount=130), say("done")]
        bench.script = bench.model.script
        state = bench.rewind(bench.position("message.received"))
        assert state.wait == "doubt"
        assert bench.world.counts() == {"i7 100": 1, "i7 120": 1}
        (key,) = state.world.open
        bench.people.settle("run", key, "succeeded", by="operator", result="paid")
        assert bench.resume().status == "finished"
        assert bench.world.count("i7 130") == 1
