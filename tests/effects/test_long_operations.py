"""Operations that take longer than a program lives, that are done in part, or that drift."""

from perdure import Context, NotDone, Partial, Pending, tool
from perdure.log import events as e
from perdure.testing import World, call, say
from perdure.values.digest import Json
from tests.orchestrator.bench import Bench, Tools, told

MINUTE_NS = 60 * 10**9
SCRIPT = [call("deploy", act="d1"), say("deployed")]


def deploying(minutes: int, *, give_up: float = 7 * 24 * 3600, fails: bool = False) -> Bench:
    """Return a bench with a tool whose other side works for so long."""

    def make(world: World) -> Tools:
        async def look(ctx: Context, reference: Json) -> object:
            world.asked["poll"] += 1
            if bench.clock.passed_ns < minutes * MINUTE_NS:
                return Pending(reference, 30.0)
            if fails:
                raise NotDone("it was rolled back")
            world.asked["answered"] += 1
            return "deployed"

        @tool(effect="once", poll=look)
        async def deploy(ctx: Context, act: str) -> Pending:
            if not fails:
                world.apply(act, key=ctx.key)
            return Pending({"job": 7}, 30.0, give_up)

        return (deploy,)

    bench = Bench(make, SCRIPT)
    return bench


def test_an_effect_of_twenty_minutes_over_three_restarts_settles_once():
    with deploying(20) as bench:
        for minute in (5, 10, 15):
            bench.kill("tools.poll", "before", at=minute * MINUTE_NS)
        assert not bench.live(lambda house, agent: house.start(agent, "Go.", run="run"))
        assert bench.resume().status == "finished"
        assert bench.history.course.lives == 4
        assert bench.clock.passed_ns >= 20 * MINUTE_NS
        assert bench.world.counts() == {"d1": 1}
        assert bench.world.asked["answered"] == 1
        assert bench.kinds().count("effect.pending") == bench.kinds().count("effect.settled") == 1
        assert told(bench.prompts[-1])[-1] == '"deployed"'


def test_a_webhook_settles_what_a_program_would_have_polled():
    with deploying(60) as bench:
        bench.kill("tools.poll", "before", at=5 * MINUTE_NS)
        bench.live(lambda house, agent: house.start(agent, "Go.", run="run"))
        (key,) = bench.state().world.open
        bench.people.settle("run", key, "succeeded", by="webhook", result={"url": "https://d1"})
        assert bench.resume().status == "finished"
        assert told(bench.prompts[-1])[-1] == '{"url":"https://d1"}'
        assert bench.world.counts() == {"d1": 1}


def test_an_operation_that_fails_after_all_is_told_as_not_done():
    with deploying(2, fails=True) as bench:
        assert bench.start().status == "finished"
        assert "it was rolled back" in told(bench.prompts[-1])[-1]


def test_an_operation_that_never_ends_is_put_in_doubt():
    with deploying(10**6, give_up=3600) as bench:
        state = bench.start()
        assert state.wait == "doubt"
        assert 3600 <= bench.clock.passed_ns / 1e9 < 3700


def halves(world: World) -> Tools:
    @tool(effect="once")
    async def ship(ctx: Context, act: str) -> Partial:
        world.apply(f"{act} left", key=ctx.key)
        return Partial(done=["left"], undone=["right"])

    return (ship,)


def test_the_model_is_told_what_was_done_and_what_was_not():
    with Bench(halves, [call("ship", act="x"), say("half")]) as bench:
        assert bench.start().status == "finished"
        assert told(bench.prompts[-1])[-1] == 'Only a part was done: {"done":["left"],"undone":["right"]}'
        (settled,) = (event.body for event in bench.events() if isinstance(event.body, e.EffectSettled))
        assert settled.outcome == "partial"


def test_what_was_done_in_part_is_not_begun_anew_after_a_rewind():
    with Bench(halves, [call("ship", act="x"), say("half")]) as bench:
        bench.start()
        assert bench.rewind(bench.position("message.received")).status == "finished"
        assert bench.world.counts() == {"x left": 1}


def test_drift_is_found_at_a_restart_that_comes_between_the_deed_and_its_check():
    def checked(world: World) -> Tools:
        def gone(ctx: Context, receipt: Json) -> str:
            return "it is gone again"

        @tool(effect="idempotent", check=gone, identity=("act",))
        async def put(ctx: Context, act: str) -> Json:
            return world.honour(act, key=ctx.key)

        return (put,)

    with Bench(checked, [call("put", act="flag"), say("seen")]) as bench:
        bench.kill("world", "inside")
        bench.live(lambda house, agent: house.start(agent, "Go.", run="run"))
        assert bench.resume().status == "finished"
        assert bench.kinds().count("drift.found") == 1
        assert any("it is gone again" in text for text in told(bench.prompts[-1]))
        assert bench.world.counts() == {"flag": 1}
