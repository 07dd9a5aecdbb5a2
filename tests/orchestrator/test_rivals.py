"""What other runs have done is learned, however much of it one reply meets."""

import pytest

from perdure import Context, tool
from perdure.testing import World, call, say, together
from perdure.testing.kit import mail_of
from tests.orchestrator.bench import Bench, Tools


def tenants(world: World) -> Tools:
    """Return a tool whose acts are told apart in the whole tenant."""

    @tool(effect="idempotent", identity=("act",), scope="tenant")
    async def order(ctx: Context, act: str) -> str:
        world.honour(act, key=ctx.key)
        return f"ordered {act}"

    return (order,)


@pytest.mark.parametrize("many", [2, 40, 120])
def test_a_reply_whose_acts_were_all_done_by_another_run_is_answered_with_receipts(many: int):
    script = [together(*(call("order", act=f"o{number}") for number in range(many))), say("done")]
    with Bench(tenants, script) as bench:
        assert bench.start(run="first").status == "finished"
        assert bench.start(run="second").status == "finished"
        assert bench.kinds("second").count("effect.replayed") == many
        assert bench.kinds("second").count("memory.learned") == 1
        assert set(bench.world.counts().values()) == {1}


def test_a_fork_learns_act_by_act_what_its_parent_went_on_to_do():
    script = [together(*(call("mail", act=f"m{number}") for number in range(5))), say("sent")]
    with Bench(lambda world: (mail_of(world),), script) as bench:
        bench.kill("store.append", "after", "message.received")
        bench.live(lambda house, agent: house.start(agent, "Go.", run="run"))
        bench.fork(bench.position("message.received"))
        assert bench.resume("run").status == "finished"
        assert bench.resume("fork").status == "finished"
        assert bench.world.counts() == {f"m{number}": 1 for number in range(5)}


def test_a_fork_of_a_fork_may_begin_within_what_its_parent_inherited():
    with Bench(lambda world: (mail_of(world),), [call("mail", act="m1"), say("sent")]) as bench:
        end = bench.start().position
        bench.fork(end - 1, new="fork")
        bench.resume("fork")
        bench.fork(bench.position("message.received"), run="fork", new="twig")
        assert bench.resume("twig").status == "finished"
        assert bench.world.counts() == {"m1": 1}
