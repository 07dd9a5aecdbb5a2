"""eventsourcing on SQLite: one aggregate for a run, two events and two saves for a turn.

- An event holds the new message only. The aggregate stays in memory between turns; reading it back from the
  store each turn, as a stateless service would, was 15 to 35 times slower over 500 turns.
- The store is in WAL mode, as the library makes it.
- The library is synchronous. Runs are asyncio tasks that save inline and yield where the model and the tool
  would be awaited: one run's sync holds up the others, and it is still faster here than threads, which
  contend for the library's writer lock and the interpreter's.
"""

# eventsourcing lives in an environment of its own, so here its decorators and bases have no types.
# pyright: reportUntypedFunctionDecorator=false, reportUntypedBaseClass=false

import asyncio
import sys
from collections.abc import Sequence
from uuid import UUID

import meter
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

ABOUT = meter.About(
    peer="eventsourcing_sqlite",
    package="eventsourcing",
    variants=("stock",),
    concurrency="an asyncio task for each run, saving inline",
)


class Run(Aggregate):
    """An agent's run: its state is the list of its messages."""

    @event("Opened")
    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []

    @event("ModelReplied")
    def model_replied(self, content: str, call: str) -> None:
        self.messages.append({"role": "assistant", "content": content, "call": call})

    @event("ToolReturned")
    def tool_returned(self, content: str, call: str) -> None:
        self.messages.append({"role": "tool", "content": content, "call": call})


class EventSourcing:
    """An application over one SQLite store."""

    def __init__(self, ask: meter.Ask, witness: meter.Witness, texts: meter.Texts) -> None:
        self._texts = texts

        self._witness = witness
        self._announced: list[meter.Connection] = []

        # The library's pool opens connections by itself and has no hook; Python announces each one, a moment
        # before it can be used.
        def announced(name: str, arguments: tuple[object, ...]) -> None:
            if name == "sqlite3.connect/handle" and isinstance(arguments[0], meter.Connection):
                self._announced.append(arguments[0])

        sys.addaudithook(announced)
        self._application: Application[UUID] = Application(
            {
                "PERSISTENCE_MODULE": "eventsourcing.sqlite",
                "SQLITE_DBNAME": str(ask.store),
                "SQLITE_LOCK_TIMEOUT": "60",
            }
        )

    def go(self, course: meter.Course, runs: Sequence[str]) -> None:
        async def all_at_once() -> None:
            async with asyncio.TaskGroup() as tasks:
                for run in runs:
                    tasks.create_task(self._run(course, run))

        self._watch_announced()
        asyncio.run(all_at_once())
        self._watch_announced()

    def close(self) -> None:
        self._application.close()

    def _watch_announced(self) -> None:
        while self._announced:
            self._witness.watch(self._announced.pop())

    async def _run(self, course: meter.Course, name: str) -> None:
        run = Run()
        self._application.save(run)
        while course.more(name):
            course.turn(name)
            call = f"call-{len(run.messages)}"
            run.model_replied(self._texts.fresh(), call)
            self._application.save(run)
            await asyncio.sleep(0)
            run.tool_returned(self._texts.fresh(), call)
            self._application.save(run)
            await asyncio.sleep(0)
        course.done(name)


if __name__ == "__main__":
    meter.main(ABOUT, EventSourcing)
