"""LangGraph on PostgreSQL: an agent's loop of two nodes, each checkpointed before the next begins.

- One graph invocation is one run; `model` and `tool` alternate, as in LangGraph's own agent.
- `durability="sync"`: a node's checkpoint is committed before the next node starts. What is durable: a node's writes
  and the checkpoint after it; that a node *begins* is not written apart from the checkpoint before it, which names it.
- Variants: `threads` is PostgresSaver with a thread for each run, `tasks` is AsyncPostgresSaver with an asyncio task
  for each; both keep messages with `add_messages`, as the documentation does, which writes the whole list for each
  checkpoint. `threads-delta` and `tasks-delta` keep them in the DeltaChannel (beta), which writes what is new.
- Both savers hold a lock while they write, so more than a few connections don't help them.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

import meter
import postgres_meter
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

ABOUT = meter.About(
    peer="langgraph_postgres",
    package="langgraph-checkpoint-postgres",
    variants=("threads", "tasks", "threads-delta", "tasks-delta"),
    concurrency="a thread or a task for each run, one saver over a pool",
)
POOL_MAX = 4
# As the savers' own `from_conn_string` makes its connection.
CONNECTED = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}


def extend(messages: Sequence[AnyMessage], writes: Sequence[list[AnyMessage]]) -> list[AnyMessage]:
    return [*messages, *(message for write in writes for message in write)]


class Whole(TypedDict):
    """The documented state of an agent."""

    messages: Annotated[list[AnyMessage], add_messages]


class Delta(TypedDict):
    """The same list, of which a checkpoint keeps the news."""

    messages: Annotated[list[AnyMessage], DeltaChannel(extend)]


class LangGraph:
    """Two nodes over one saver; the course in hand tells the graph's edge when a run has gone far enough."""

    def __init__(self, ask: postgres_meter.Ask, texts: meter.Texts, tally: postgres_meter.Tally) -> None:
        self._texts, self._tally, self._ask = texts, tally, ask
        graph = StateGraph(Delta if ask.variant.endswith("delta") else Whole)
        graph.add_node("model", self._model)
        graph.add_node("tool", self._tool)
        graph.add_edge(START, "model")
        graph.add_edge("model", "tool")
        graph.add_conditional_edges("tool", self._next, ["model", END])
        self._made = graph
        self._loop = asyncio.new_event_loop()
        self._pool = ConnectionPool(ask.dsn, min_size=1, max_size=POOL_MAX, kwargs=CONNECTED, open=True)
        saver = PostgresSaver(self._pool)
        saver.setup()
        self._graph = graph.compile(checkpointer=saver)
        self._async_pool = AsyncConnectionPool(
            ask.dsn, min_size=1, max_size=POOL_MAX, kwargs=CONNECTED, open=False
        )
        if ask.variant.startswith("tasks"):
            self._loop.run_until_complete(self._opened())

    async def _opened(self) -> None:
        await self._async_pool.open()
        self._graph = self._made.compile(checkpointer=AsyncPostgresSaver(self._async_pool))

    def go(self, course: meter.Course, runs: Sequence[str]) -> None:
        if self._ask.variant.startswith("tasks"):
            self._loop.run_until_complete(self._all_at_once(course, runs))
            return
        with ThreadPoolExecutor(len(runs)) as threads:
            for _ in threads.map(lambda run: self._run(course, run), runs):
                pass

    def close(self) -> None:
        self._loop.run_until_complete(self._async_pool.close())
        self._loop.close()
        self._pool.close()

    def _run(self, course: meter.Course, run: str) -> None:
        self._graph.invoke({"messages": []}, _config(course, run), durability="sync")
        course.done(run)

    async def _all_at_once(self, course: meter.Course, runs: Sequence[str]) -> None:
        async def one(run: str) -> None:
            await self._graph.ainvoke({"messages": []}, _config(course, run), durability="sync")
            course.done(run)

        async with asyncio.TaskGroup() as tasks:
            for run in runs:
                tasks.create_task(one(run))

    def _model(self, state: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        course, run = _place(config)
        course.turn(run)
        self._tally.reply()
        call = {"name": "act", "args": {}, "id": f"call-{len(state['messages'])}"}
        return {"messages": [AIMessage(content=self._texts.fresh(), tool_calls=[call])]}

    def _tool(self, state: dict[str, Any]) -> dict[str, Any]:
        self._tally.effect()
        call = state["messages"][-1].tool_calls[0]["id"]
        return {"messages": [ToolMessage(content=self._texts.fresh(), tool_call_id=call)]}

    def _next(self, _state: dict[str, Any], config: RunnableConfig) -> str:
        course, run = _place(config)
        return "model" if course.more(run) else END


def _config(course: meter.Course, run: str) -> RunnableConfig:
    return {"configurable": {"thread_id": run, "course": course}, "recursion_limit": 1_000_000_000}


def _place(config: RunnableConfig) -> tuple[meter.Course, str]:
    here = config["configurable"]
    return here["course"], here["thread_id"]


if __name__ == "__main__":
    postgres_meter.main(ABOUT, LangGraph)
