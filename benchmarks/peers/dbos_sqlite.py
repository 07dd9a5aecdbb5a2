"""DBOS on SQLite: one workflow for a run, two steps for a turn.

- A step returns the new message only; the workflow keeps the list, which DBOS does not write.
- Variants: `stock` is the store as DBOS makes it (rollback journal: four syncs a commit); `wal` is the same
  store switched to a write-ahead log before DBOS opens it (one sync a commit), which its documentation does
  not ask for.
- Runs are threads that call the workflow: faster here than `DBOS.start_workflow`, and than async steps.
"""

# DBOS lives in an environment of its own, so here its decorators have no types.
# pyright: reportUntypedFunctionDecorator=false

import sqlite3
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, util

# From Python 3.12 on DBOS asks for `unixepoch('subsec')`, which SQLite has since 3.42. There, and only there,
# the lock brings a newer SQLite.
if sqlite3.sqlite_version_info < (3, 42, 0) and util.find_spec("pysqlite3"):
    sys.modules["sqlite3"] = import_module("pysqlite3")

import meter
from dbos import DBOS
from sqlalchemy import Engine, event

ABOUT = meter.About(
    peer="dbos_sqlite",
    package="dbos",
    variants=("stock", "wal"),
    concurrency="a thread for each run",
)
Message = dict[str, object]


class Dbos:
    """DBOS keeps one instance for a process; its workflows and steps are registered before it is launched."""

    def __init__(self, ask: meter.Ask, witness: meter.Witness, texts: meter.Texts) -> None:
        if ask.variant == "wal":
            _make_wal(ask)

        @event.listens_for(Engine, "connect")
        def watch(connection: meter.Connection, _record: object) -> None:
            witness.watch(connection)

        self._courses: dict[str, meter.Course] = {}
        DBOS(
            config={
                "name": "turns",
                "system_database_url": f"sqlite:///{ask.store}",
                "run_admin_server": False,
                "log_level": "ERROR",
            }
        )

        @DBOS.step()
        def model(messages: list[Message]) -> Message:
            call = {"name": "act", "args": {}, "id": f"call-{len(messages)}"}
            return {"role": "assistant", "content": texts.fresh(), "tool_calls": [call]}

        @DBOS.step()
        def tool(messages: list[Message]) -> Message:
            return {"role": "tool", "content": texts.fresh(), "tool_call_id": f"call-{len(messages) - 1}"}

        @DBOS.workflow()
        def agent(run: str) -> None:
            course = self._courses[run]
            messages: list[Message] = []
            while course.more(run):
                course.turn(run)
                messages.append(model(messages))
                messages.append(tool(messages))
            course.done(run)

        self._agent = agent
        DBOS.launch()

    def go(self, course: meter.Course, runs: Sequence[str]) -> None:
        self._courses = dict.fromkeys(runs, course)
        with ThreadPoolExecutor(len(runs)) as threads:
            for _ in threads.map(self._agent, runs):
                pass

    def close(self) -> None:
        DBOS.destroy()


def _make_wal(ask: meter.Ask) -> None:
    """A store that is in WAL mode stays in it, whoever opens it."""
    connection = meter.connect(ask.store)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


if __name__ == "__main__":
    meter.main(ABOUT, Dbos)
