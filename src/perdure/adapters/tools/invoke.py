"""Calling tools and their companions, sync or async, without holding up the loop.

Invariants:
- A sync function runs in a thread of its own; one that hangs holds up neither the loop nor the exit.
- Nothing that a tool does ends our process: an attempt to exit is an outcome that isn't known.
- A transactional tool runs inside its database's transaction; what it returns is committed with it.
"""

import asyncio
import contextvars
import dataclasses
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from perdure.adapters.tools.companion import Companion
from perdure.adapters.tools.context import Context, Transaction
from perdure.adapters.tools.convert import plain
from perdure.adapters.tools.database import Database
from perdure.adapters.tools.outcomes import Partial, Pending, Unknown
from perdure.adapters.tools.tool import AnyTool
from perdure.values.digest import Json
from perdure.values.errors import BadTool

T = TypeVar("T")


async def invoke(tool: AnyTool, ctx: Context, bound: dict[str, object], *, time_limit: float) -> object:
    """Return what the tool returns, within its transaction if it is transactional.

    ``time_limit`` (seconds) bounds the transaction; bounding the rest is the caller's.
    """
    if tool.database is not None:
        return await _transact(tool.database, tool, ctx, bound, time_limit)
    return await _called(lambda: tool.call(ctx, bound), is_async=tool.is_async)


async def consult(companion: Companion, *about: object, bound: dict[str, object]) -> object:
    """Return what a probe, undo, check or poll says."""
    return await _called(lambda: companion(*about, **bound), is_async=companion.is_async)


async def _called(work: Callable[[], object], *, is_async: bool) -> object:
    try:
        if is_async:
            return await cast("Awaitable[object]", work())
        found = await in_thread(work)
        return await cast("Awaitable[object]", found) if isinstance(found, Awaitable) else found
    except (SystemExit, KeyboardInterrupt) as error:
        raise Unknown(f"it tried to end the process ({type(error).__name__})") from error


async def _transact(
    database: Database, tool: AnyTool, ctx: Context, bound: dict[str, object], time_limit: float
) -> Json:
    loop = asyncio.get_running_loop()

    def body(transaction: Transaction) -> Json:
        inside = dataclasses.replace(ctx, transaction_open=transaction)
        result = tool.call(inside, bound)
        if tool.is_async:
            waiting = asyncio.run_coroutine_threadsafe(_awaited(cast("Awaitable[object]", result)), loop)
            try:
                result = waiting.result(time_limit)
            finally:
                waiting.cancel()
        if isinstance(result, Partial | Pending):
            raise BadTool(
                f"tool {tool.declaration.name} is transactional and returned {type(result).__name__}: "
                "a transaction is done or not",
                hint="return the result, or raise NotDone",
            )
        return plain(result)

    return await in_thread(lambda: database.perform(ctx.key, ctx.send, time_limit, body))


async def _awaited(awaitable: Awaitable[object]) -> object:
    return await awaitable


async def in_thread(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, run in a daemon thread; cancelling waits for nothing."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def tell(settle: Callable[[], None]) -> None:
        def unless_given_up() -> None:
            if not answer.done():
                settle()

        if not loop.is_closed():
            loop.call_soon_threadsafe(unless_given_up)

    def run() -> None:
        try:
            found = context.run(work)
        except (SystemExit, KeyboardInterrupt, StopIteration) as error:
            reason = Unknown(f"it raised {type(error).__name__}")
            tell(lambda: answer.set_exception(reason))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller judges it
            caught = error
            tell(lambda: answer.set_exception(caught))
        else:
            tell(lambda: answer.set_result(found))

    threading.Thread(target=run, name="perdure-tool", daemon=True).start()
    return await answer
