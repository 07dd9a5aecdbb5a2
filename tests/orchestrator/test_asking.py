"""What the model is asked with, and how often."""

import asyncio
from collections.abc import Callable

from perdure import Agent, Context, tool
from perdure.adapters.tools.tool import AnyTool
from perdure.intention.reply import Reply
from perdure.testing import World, call, say
from perdure.wire.prompt import ModelFailure, Prompt
from tests.orchestrator.bench import Bench, told


class Hesitant:
    """A model that fails once, and then takes ten seconds."""

    def __init__(self) -> None:
        self.asked: int = 0

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        self.asked += 1
        if self.asked == 1:
            raise ModelFailure("busy", retryable=True)
        await asyncio.sleep(10)
        return say("done")

    async def close(self) -> None: ...


def test_a_model_that_is_being_asked_again_is_not_asked_once_more_by_an_old_timer():
    with Bench(lambda world: (), []) as bench:
        model = Hesitant()
        bench.agent = lambda: Agent(name="clerk", instructions="Go on.", tools=[], model=model)
        bench.history.make_agent = bench.agent
        bench.kill("store.append", "after", "timer.set")
        bench.start()
        assert bench.kinds()[-1] == "timer.set"
        assert bench.resume().status == "finished"
        assert "timer.fired" in bench.kinds()
        assert model.asked == 2


def drifting(world: World) -> tuple[AnyTool, ...]:
    """Return a tool whose check sees that what was done is undone again."""

    def check(ctx: Context, receipt: str) -> str:
        return f"{receipt} is gone again"

    @tool(effect="once", check=check)
    async def put(ctx: Context, act: str) -> str:
        world.apply(act, key=ctx.key)
        return act

    return (put,)


def test_drift_reaches_the_model_with_the_result_that_it_belies():
    with Bench(drifting, [call("put", act="flag"), say("seen")]) as bench:
        assert bench.start().status == "finished"
        assert told(bench.prompts[1]) == [
            "Go.",
            '"flag"',
            "[perdure] The world is not as you believe: flag is gone again",
        ]
        assert len(bench.prompts) == 2
