"""LangGraph on SQLite: an agent's loop of two nodes, each checkpointed before the next begins.

- One graph invocation is one run; `model` and `tool` alternate, as in LangGraph's own agent.
- `durability="sync"`: a node's checkpoint is committed before the next node starts.
- Variants: `stock` keeps messages with `add_messages`, as the documentation does, which writes the whole list
  into each checkpoint; `delta` keeps them in the DeltaChannel (beta), which writes what is new.
- Runs are threads over one saver and one connection: faster here than AsyncSqliteSaver under asyncio, and no
  slower than a connection for each thread.
"""

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

import meter
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

ABOUT = meter.About(
    peer="langgraph_sqlite",
    package="langgraph",
    variants=("stock", "delta"),
    concurrency="a thread for each run, one SqliteSaver",
)


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

    def __init__(self, ask: meter.Ask, witness: meter.Witness, texts: meter.Texts) -> None:
        self._texts = texts
        self._connection = sqlite3.connect(ask.store, check_same_thread=False)
        witness.watch(self._connection)
        graph = StateGraph(Delta if ask.variant == "delta" else Whole)
        graph.add_node("model", self._model)
        graph.add_node("tool", self._tool)
        graph.add_edge(START, "model")
        graph.add_edge("model", "tool")
        graph.add_conditional_edges("tool", self._next, ["model", END])
        self._graph = graph.compile(checkpointer=SqliteSaver(self._connection))

    def go(self, course: meter.Course, runs: Sequence[str]) -> None:
        with ThreadPoolExecutor(len(runs)) as threads:
            for _ in threads.map(lambda run: self._run(course, run), runs):
                pass

    def close(self) -> None:
        self._connection.close()

    def _run(self, course: meter.Course, run: str) -> None:
        config: RunnableConfig = {
            "configurable": {"thread_id": run, "course": course},
            "recursion_limit": 1_000_000_000,
        }
        self._graph.invoke({"messages": []}, config, durability="sync")
        course.done(run)

    def _model(self, state: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        course, run = _place(config)
        course.turn(run)
        call = {"name": "act", "args": {}, "id": f"call-{len(state['messages'])}"}
        return {"messages": [AIMessage(content=self._texts.fresh(), tool_calls=[call])]}

    def _tool(self, state: dict[str, Any]) -> dict[str, Any]:
        call = state["messages"][-1].tool_calls[0]["id"]
        return {"messages": [ToolMessage(content=self._texts.fresh(), tool_call_id=call)]}

    def _next(self, _state: dict[str, Any], config: RunnableConfig) -> str:
        course, run = _place(config)
        return "model" if course.more(run) else END


def _place(config: RunnableConfig) -> tuple[meter.Course, str]:
    here = config["configurable"]
    return here["course"], here["thread_id"]


if __name__ == "__main__":
    meter.main(ABOUT, LangGraph)
