"""Money that was spent stays spent: through rewinds, forks, and runs side by side."""

import asyncio

from perdure import Agent, Context, Contract, NotDone, tool
from perdure.adapters.memory import MemoryStore
from perdure.adapters.tools.tool import AnyTool
from perdure.assembly.house import House
from perdure.contract import Budget, Rule, ToolRules
from perdure.driver.books import read_state
from perdure.testing import ScriptedModel, SimClock, World, call, say
from tests.orchestrator.bench import Bench, Tools

DAY_NS = 24 * 3600 * 10**9

SPENDS = {"pay": ToolRules(amount="args.amount")}
HUNDRED_IN_ALL = Contract(
    tools=SPENDS, rules=(Rule(name="hundred", tools=("pay",), require="state.spent + args.amount <= 100"),)
)
HUNDRED_A_DAY = Contract(
    tools=SPENDS, budgets=(Budget(name="daily", of="spend", max=100, per="tenant", every="day"),)
)
TWO_AN_HOUR = Contract(budgets=(Budget(name="rate", of="calls", max=2, per="lineage", every="hour"),))


def payer(world: World) -> AnyTool:
    """Return a tool that pays ``amount`` under a name."""

    @tool(effect="idempotent", identity=("name",))
    async def pay(ctx: Context, name: str, amount: int) -> str:
        await asyncio.sleep(1)
        world.honour(name, key=ctx.key)
        return f"paid {amount}"

    return pay


def payers(world: World) -> Tools:
    return (payer(world),)


def paying(name: str, amount: int = 60):
    return call("pay", name=name, amount=amount)


def rewrite(bench: Bench, *names: str) -> None:
    """Let the model pay these from now on, whatever the conversation is."""
    bench.script = [*(paying(name) for name in names), say("done")]


def test_what_was_spent_before_a_rewind_is_spent_after_it():
    with Bench(payers, [paying("a"), say("done")], contract=HUNDRED_IN_ALL) as bench:
        bench.start()
        rewrite(bench, "b")
        assert bench.rewind(bench.position("message.received")).status == "finished"
        assert [refusal.rule for refusal in bench.refusals()] == ["rules.hundred"]
        assert bench.world.counts() == {"a": 1}


def test_what_was_spent_after_the_fork_point_is_spent_for_the_fork():
    with Bench(payers, [paying("a"), say("done")], contract=HUNDRED_IN_ALL) as bench:
        bench.start()
        bench.fork(bench.position("message.received"))
        rewrite(bench, "b")
        assert bench.resume("fork").status == "finished"
        assert [refusal.rule for refusal in bench.refusals("fork")] == ["rules.hundred"]
        assert bench.world.counts() == {"a": 1}


def test_what_a_run_spends_after_its_fork_was_made_is_spent_for_the_fork():
    with Bench(payers, [say("nothing yet")], contract=HUNDRED_IN_ALL) as bench:
        bench.start()
        at = bench.position("message.received")
        bench.fork(at)
        rewrite(bench, "a")
        assert bench.rewind(at).status == "finished"
        rewrite(bench, "b")
        assert bench.resume("fork").status == "finished"
        assert [refusal.rule for refusal in bench.refusals("fork")] == ["rules.hundred"]
        assert bench.world.counts() == {"a": 1}


def test_what_is_known_not_done_is_given_back():
    with Bench(payers, [paying("a"), paying("b"), say("done")], contract=HUNDRED_IN_ALL) as bench:
        bench.world.plan("a", "refuse")
        assert bench.start().status == "finished"
        assert bench.refusals() == []
        assert bench.world.counts() == {"b": 1}


def test_a_rate_counts_through_a_rewind_and_begins_anew_with_its_hour():
    with Bench(payers, [paying("a"), paying("b"), say("done")], contract=TWO_AN_HOUR) as bench:
        bench.start()
        rewrite(bench, "c")
        start = bench.position("message.received")
        bench.rewind(start)
        assert [refusal.rule for refusal in bench.refusals()] == ["budgets.rate"]
        bench.history.course.clock.pass_ns(3600 * 10**9)
        bench.rewind(start)
        assert bench.world.counts() == {"a": 1, "b": 1, "c": 1}


def spending_side_by_side(runs: int) -> tuple[World, list[str], SimClock]:
    """Let runs of one tenant pay 30 each, three times, all at once; return what the world counts."""
    store, clock, names = MemoryStore(), SimClock(), iter(range(10**6))
    house = House(store, clock, name=lambda: f"writer-{next(names)}")
    world = World()

    def agent(run: int) -> Agent:
        script = [*(paying(f"{run}-{number}", 30) for number in range(3)), say("done")]
        model = ScriptedModel(script)
        return Agent(name="a", instructions="i", tools=[payer(world)], model=model, contract=HUNDRED_A_DAY)

    async def all_at_once() -> None:
        starts = (house.start(agent(run), "Pay.", run=f"run-{run}") for run in range(runs))
        await asyncio.gather(*starts)

    clock.run(all_at_once())
    return world, [read_state(store, f"run-{run}").state.status for run in range(runs)], clock


def test_a_budget_of_a_day_holds_while_eight_runs_spend_side_by_side():
    world, statuses, _ = spending_side_by_side(8)
    assert set(statuses) == {"finished"}
    assert sum(world.counts().values()) == 3
    world.close()


def test_a_budget_of_a_day_begins_anew_with_the_day():
    with Bench(payers, [paying("a"), paying("b"), say("done")], contract=HUNDRED_A_DAY) as bench:
        bench.start()
        assert bench.world.counts() == {"a": 1}
        bench.history.course.clock.pass_ns(DAY_NS)
        rewrite(bench, "b")
        bench.rewind(bench.position("message.received"))
        assert bench.world.counts() == {"a": 1, "b": 1}


def test_what_another_run_gave_back_can_be_spent():
    refused: list[str] = []

    def failing(world: World) -> Tools:
        @tool(effect="idempotent", identity=("name",))
        async def pay(ctx: Context, name: str, amount: int) -> str:
            if name == "bad":
                refused.append(name)
                raise NotDone("no such account")
            world.honour(name, key=ctx.key)
            return f"paid {amount}"

        return (pay,)

    with Bench(failing, [paying("bad"), say("done")], contract=HUNDRED_A_DAY) as bench:
        bench.start()
        rewrite(bench, "good")
        bench.start(run="other")
        assert refused == ["bad"]
        assert bench.world.counts() == {"good": 1}
