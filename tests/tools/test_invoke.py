"""Tools are called without holding up the loop, and can't end our process."""

import asyncio
import contextvars
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from perdure.adapters.tools.context import Context
from perdure.adapters.tools.invoke import consult, in_thread, invoke
from perdure.adapters.tools.outcomes import Found, NotDone, Pending, Unknown
from perdure.adapters.tools.tool import AnyTool, tool
from perdure.adapters.tools.transactions import SQLiteDatabase
from perdure.values.digest import Json

CTX = Context(key="k", send=1)


def called(made: AnyTool, arguments: dict[str, Json], ctx: Context = CTX) -> object:
    return asyncio.run(invoke(made, ctx, made.bind(arguments), time_limit=5))


def test_sync_and_async_tools_get_their_context_and_typed_arguments():
    @tool(effect="read")
    def sync(ctx: Context, n: int) -> str:
        return f"{ctx.key}{n}{threading.current_thread().name}"

    @tool(effect="read")
    async def later(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    assert called(sync, {"n": 1}) == "k1perdure-tool"
    assert called(later, {"n": 1}) == 2


def test_the_loop_goes_on_while_a_sync_tool_blocks():
    free, went_on = threading.Event(), threading.Event()

    @tool(effect="read")
    def blocked() -> bool:
        free.wait(10)
        return went_on.is_set()

    async def main() -> object:
        working = asyncio.create_task(invoke(blocked, CTX, {}, time_limit=5))
        await asyncio.sleep(0)
        went_on.set()
        free.set()
        return await working

    assert asyncio.run(main()) is True


def test_a_sync_tool_that_is_given_up_on_holds_up_neither_the_loop_nor_the_exit():
    forever = threading.Event()

    async def main() -> None:
        async with asyncio.timeout(0.05):
            await in_thread(forever.wait)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    hanging = [thread for thread in threading.enumerate() if thread.name == "perdure-tool"]
    assert all(thread.daemon for thread in hanging)
    forever.set()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("sync", [True, False])
def test_a_tool_that_tries_to_end_the_process_has_an_outcome_that_is_not_known(
    kind: type[BaseException], sync: bool
):
    @tool(effect="read")
    def leave() -> None:
        raise kind

    @tool(effect="read")
    async def leave_later() -> None:
        raise kind

    with pytest.raises(Unknown, match=kind.__name__):
        called(leave if sync else leave_later, {})


def test_what_a_tool_raises_comes_out_as_it_is():
    @tool(effect="once")
    def refused() -> None:
        raise NotDone("no money")

    @tool(effect="once")
    def stopped() -> None:
        raise StopIteration

    with pytest.raises(NotDone, match="no money"):
        called(refused, {})
    with pytest.raises(Unknown, match="StopIteration"):
        called(stopped, {})


def test_a_sync_tool_sees_the_context_variables_of_its_caller():
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

    async def main() -> str:
        name.set("caller")
        return await in_thread(name.get)

    assert asyncio.run(main()) == "caller"


def test_a_sync_function_may_return_something_to_await():
    async def inner() -> str:
        return "awaited"

    @tool(effect="read")
    def outer() -> object:
        return inner()

    assert called(outer, {}) == "awaited"


def test_companions_are_consulted_sync_or_async():
    async def probe(ctx: Context, n: int) -> Found:
        return Found(f"{ctx.key}{n}")

    def undo(ctx: Context, receipt: object, **arguments: object) -> str:
        return f"{ctx.key}{receipt}{arguments}"

    @tool(effect="probeable", probe=probe, undo=undo)
    def act(n: int, m: int = 0) -> int:
        return n + m

    async def main() -> list[object]:
        assert act.probe is not None
        assert act.undo is not None
        return [
            await consult(act.probe, CTX, bound={"n": 1, "m": 2}),
            await consult(act.undo, CTX, "r", bound={"n": 1, "m": 2}),
        ]

    assert asyncio.run(main()) == [Found("k1"), "kr{'n': 1, 'm': 2}"]


def test_transactional_tools_sync_and_async_write_through_their_transaction(tmp_path: Path):
    database = SQLiteDatabase(tmp_path / "a.db")

    @tool(effect="transactional", database=database)
    def make(ctx: Context) -> None:
        ctx.transaction.execute("CREATE TABLE t (n INTEGER)")

    @tool(effect="transactional", database=database)
    async def add(ctx: Context, n: int) -> dict[str, int]:
        await asyncio.sleep(0)
        ctx.transaction.execute("INSERT INTO t VALUES (?)", (n,))
        return {"rows": len(list(ctx.transaction.execute("SELECT n FROM t")))}

    assert called(make, {}, Context(key="make")) is None
    assert called(add, {"n": 5}, Context(key="add")) == {"rows": 1}
    assert called(add, {"n": 5}, Context(key="add", send=2)) == {"rows": 1}
    assert called(add, {"n": 5}, Context(key="other")) == {"rows": 2}
    assert database.resolve("add", 2) == Found({"rows": 1})


def test_a_transactional_tool_that_is_pending_is_rolled_back(tmp_path: Path):
    database = SQLiteDatabase(tmp_path / "a.db")

    @tool(effect="transactional", database=database)
    def wait(ctx: Context) -> Pending:
        ctx.transaction.execute("CREATE TABLE t (n INTEGER)")
        return Pending("later")

    with pytest.raises(NotDone, match="Pending"):
        called(wait, {})
    with closing(sqlite3.connect(tmp_path / "a.db")) as plain:
        assert plain.execute("SELECT name FROM sqlite_master WHERE name = 't'").fetchall() == []
