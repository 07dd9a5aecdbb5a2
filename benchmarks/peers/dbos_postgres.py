"""DBOS on PostgreSQL: one workflow for a run, two steps for a turn.

- A step returns the new message only; the workflow keeps the list, which DBOS does not write.
- What is durable: each step's output, in a transaction of its own, before the next step begins; that a step *begins*
  is not written. The reply's step is committed before the tool's step runs, so the promise of the effect is.
- Variants: `threads` calls the workflow in a thread for each run, `tasks` in an asyncio task for each run. The pool is
  as large as the runs are, up to what the server allows.
"""

# DBOS lives in an environment of its own, so here its decorators have no types.
# pyright: reportUntypedFunctionDecorator=false

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import meter
import postgres_meter
from dbos import DBOS, SetWorkflowID

ABOUT = meter.About(
    peer="dbos_postgres",
    package="dbos",
    variants=("threads", "tasks"),
    concurrency="a thread or a task for each run",
)
POOL_MAX = 32
Message = dict[str, object]


class Words:
    """What the model and the tool say, each noted as it is said."""

    def __init__(self, texts: meter.Texts, tally: postgres_meter.Tally) -> None:
        self._texts, self._tally = texts, tally

    def replied(self, messages: list[Message]) -> Message:
        self._tally.reply()
        call = {"name": "act", "args": {}, "id": f"call-{len(messages)}"}
        return {"role": "assistant", "content": self._texts.fresh(), "tool_calls": [call]}

    def acted(self, messages: list[Message]) -> Message:
        self._tally.effect()
        return {"role": "tool", "content": self._texts.fresh(), "tool_call_id": f"call-{len(messages) - 1}"}


class Dbos:
    """DBOS keeps one instance for a process; its workflows and steps are registered before it is launched."""

    def __init__(self, ask: postgres_meter.Ask, texts: meter.Texts, tally: postgres_meter.Tally) -> None:
        self._courses: dict[str, meter.Course] = {}
        self._tasks = ask.variant == "tasks"
        DBOS(
            config={
                "name": "turns",
                "system_database_url": ask.dsn.replace("postgresql://", "postgresql+psycopg://"),
                "sys_db_pool_size": min(max(ask.runs, 4), POOL_MAX),
                "run_admin_server": False,
                "log_level": "ERROR",
            }
        )
        words = Words(texts, tally)
        self._agent = self._in_threads(words)
        self._agent_task = self._in_tasks(words)
        DBOS.launch()

    def _in_threads(self, words: Words) -> Callable[[str], None]:
        @DBOS.step()
        def model(messages: list[Message]) -> Message:
            return words.replied(messages)

        @DBOS.step()
        def tool(messages: list[Message]) -> Message:
            return words.acted(messages)

        @DBOS.workflow()
        def agent(run: str) -> None:
            course = self._courses[run]
            messages: list[Message] = []
            while course.more(run):
                course.turn(run)
                messages.append(model(messages))
                messages.append(tool(messages))
            course.done(run)

        return agent

    def _in_tasks(self, words: Words) -> Callable[[str], Awaitable[None]]:
        @DBOS.step()
        async def model(messages: list[Message]) -> Message:
            return words.replied(messages)

        @DBOS.step()
        async def tool(messages: list[Message]) -> Message:
            return words.acted(messages)

        @DBOS.workflow()
        async def agent_task(run: str) -> None:
            course = self._courses[run]
            messages: list[Message] = []
            while course.more(run):
                course.turn(run)
                messages.append(await model(messages))
                messages.append(await tool(messages))
            course.done(run)

        return agent_task

    def go(self, course: meter.Course, runs: Sequence[str]) -> None:
        self._courses = dict.fromkeys(runs, course)
        if self._tasks:
            asyncio.run(self._all_at_once(runs))
            return
        with ThreadPoolExecutor(len(runs)) as threads:
            for _ in threads.map(self._one, runs):
                pass

    def close(self) -> None:
        DBOS.destroy()

    def _one(self, run: str) -> None:
        with SetWorkflowID(run):
            self._agent(run)

    async def _all_at_once(self, runs: Sequence[str]) -> None:
        async def one(run: str) -> None:
            with SetWorkflowID(run):
                await self._agent_task(run)

        async with asyncio.TaskGroup() as tasks:
            for run in runs:
                tasks.create_task(one(run))


if __name__ == "__main__":
    postgres_meter.main(ABOUT, Dbos)
