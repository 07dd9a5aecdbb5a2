"""An agent's tools behind the driver's port: every ending of a tool becomes an outcome.

Invariants:
- ``NotDone`` and arguments that don't fit are known not done; all other exceptions and timeouts
  are doubts. A plain exception of a ``read`` is its answer, since nothing hangs on it.
- No secret that a tool was given is in a result, an error or a finding.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import cast

import msgspec

from perdure.adapters.tools.context import Context
from perdure.adapters.tools.convert import plain
from perdure.adapters.tools.desk import Desk
from perdure.adapters.tools.invoke import consult, in_thread, invoke
from perdure.adapters.tools.outcomes import Found, Never, NotDone, Partial, Pending, Unknown
from perdure.adapters.tools.secret import Secrets, SecretSource, no_secrets, scrub, scrubbed
from perdure.adapters.tools.tool import AnyTool
from perdure.driver.port import Deed, Done, Finding, InDoubt, Outcome, Underway, Undone
from perdure.values.digest import Json
from perdure.values.errors import BadInput, BadTool
from perdure.values.limits import PROBE_SECONDS_MAX, TOOL_RESULT_BYTES_MAX

_encode = msgspec.json.Encoder().encode


def silent(text: str) -> None:
    """Hear ``text`` and do nothing with it."""
    del text


class Toolbox:
    """The tools of one agent, called for one run."""

    def __init__(
        self,
        tools: Mapping[str, AnyTool],
        *,
        secrets: SecretSource = no_secrets,
        workspace: Path | None = None,
        desk: Desk | None = None,
        on_log: Callable[[str], None] = silent,
    ) -> None:
        """Serve ``tools`` by name."""
        self._tools: Mapping[str, AnyTool] = tools
        self._secrets: SecretSource = secrets
        self._workspace: Path | None = workspace
        self._desk: Desk | None = desk
        self._on_log: Callable[[str], None] = on_log

    async def perform(self, deed: Deed) -> Outcome:
        """Do the deed, or undo it if it carries a receipt."""
        tool = self._tools.get(deed.tool)
        if tool is None:
            return InDoubt(f"the agent has no tool {deed.tool!r}", ended=True)
        limit = tool.declaration.timeout / 1e9
        ctx = self._context(deed, limit)
        try:
            bound = tool.bind(deed.arguments)
        except BadInput as error:
            return Undone(f"the arguments don't fit: {error}")
        undoing = deed.receipt is not None
        work = self._undo(tool, ctx, deed, bound) if undoing else self._do(tool, ctx, bound, limit)
        outcome = await self._bounded(work, tool, ctx, limit)
        if isinstance(outcome, Done) and not outcome.partial and not undoing:
            return outcome._replace(drift=await self._drift(tool, ctx, bound, outcome.result))
        return outcome

    async def check(self, deed: Deed, result: str) -> str:
        """Return what the tool's check finds to be otherwise than ``result`` (JSON text) says; empty if nothing."""
        tool = self._tools.get(deed.tool)
        if tool is None or tool.check is None:
            return ""
        ctx = self._context(deed, PROBE_SECONDS_MAX)
        return await self._drift(tool, ctx, tool.bind(deed.arguments), result)

    async def look(self, deed: Deed) -> Finding:
        """Ask the probe, or read the database of a transactional tool."""
        tool = self._tools.get(deed.tool)
        if tool is None:
            return Finding("unknown", f"the agent has no tool {deed.tool!r}")
        ctx = self._context(deed, PROBE_SECONDS_MAX)
        try:
            async with asyncio.timeout(PROBE_SECONDS_MAX):
                said = await self._said(tool, ctx, deed)
        except Exception as error:  # noqa: BLE001 - a probe that fails has seen nothing
            return Finding("unknown", scrub(_named(error), ctx.secret_values()))
        match said:
            case Found(result):
                return Finding("found", "", self._text(result, ctx))
            case Never(barred):
                return Finding("barred" if barred else "never")
            case Unknown(why=why):
                return Finding("unknown", scrub(why, ctx.secret_values()))
            case _:
                wrong = f"the probe returned {type(said).__name__}, not Found, Never or Unknown"
                return Finding("unknown", wrong)

    async def poll(self, deed: Deed) -> Outcome:
        """Ask after the pending operation."""
        tool = self._tools.get(deed.tool)
        if tool is None or tool.poll is None:
            return InDoubt(f"nothing polls {deed.tool!r}; settle it from outside", ended=True)
        ctx = self._context(deed, PROBE_SECONDS_MAX)

        poll = tool.poll

        async def ask() -> Outcome:
            return self._outcome(await consult(poll, ctx, deed.reference, bound={}), ctx)

        return await self._bounded(ask(), tool, ctx, PROBE_SECONDS_MAX)

    def _context(self, deed: Deed, limit: float) -> Context:
        return Context(
            run=deed.run,
            key=deed.key,
            attempt=deed.attempt,
            send=deed.send,
            position=deed.position,
            deadline_ns=time.time_ns() + int(limit * 1e9),
            workspace=self._workspace,
            desk=self._desk,
            secrets=Secrets(self._secrets),
            on_log=self._on_log,
        )

    async def _do(self, tool: AnyTool, ctx: Context, bound: dict[str, object], limit: float) -> Outcome:
        return self._outcome(await invoke(tool, ctx, bound, time_limit=limit), ctx)

    async def _undo(self, tool: AnyTool, ctx: Context, deed: Deed, bound: dict[str, object]) -> Outcome:
        if tool.undo is None:
            return Undone(f"the tool {deed.tool!r} has no undo")
        receipt = cast("Json", msgspec.json.decode(deed.receipt or "null"))
        return self._outcome(await consult(tool.undo, ctx, receipt, bound=bound), ctx)

    async def _bounded(
        self, work: Coroutine[object, object, Outcome], tool: AnyTool, ctx: Context, limit: float
    ) -> Outcome:
        """Return how ``work`` ends within ``limit`` seconds, as an outcome and never as an exception."""
        reading = tool.declaration.effect == "read"
        bound = asyncio.timeout(limit)
        try:
            async with bound:
                return await work
        except NotDone as error:
            return Undone(scrub(error.reason, ctx.secret_values()))
        except Exception as error:  # noqa: BLE001 - what a tool raises is data
            late = bound.expired() and isinstance(error, TimeoutError)
            why = f"no answer within {limit:g} s" if late else scrub(_named(error), ctx.secret_values())
            if reading:
                return Undone(why)
            return InDoubt(why, ended=tool.is_async or not late)

    async def _drift(self, tool: AnyTool, ctx: Context, bound: dict[str, object], result: str) -> str:
        """Return what the check says; one that fails says that it couldn't look."""
        if tool.check is None:
            return ""
        receipt = cast("Json", msgspec.json.decode(result))
        try:
            async with asyncio.timeout(PROBE_SECONDS_MAX):
                said = await consult(tool.check, ctx, receipt, bound=bound)
        except Exception as error:  # noqa: BLE001 - the deed stands whatever its check does
            said = f"the check of {tool.declaration.name} could not look: {_named(error)}"
        match said:
            case None | True:
                return ""
            case str():
                return scrub(said, ctx.secret_values())
            case _:
                return f"the check of {tool.declaration.name} did not hold"

    async def _said(self, tool: AnyTool, ctx: Context, deed: Deed) -> object:
        database = tool.database
        if database is not None:
            return await in_thread(lambda: database.resolve(deed.key, deed.send))
        if tool.probe is None:
            return Unknown(f"the tool {deed.tool!r} has no probe")
        return await consult(tool.probe, ctx, bound=tool.bind(deed.arguments))

    def _outcome(self, said: object, ctx: Context) -> Outcome:
        match said:
            case Partial(done, undone):
                result = self._text({"done": plain(done), "undone": plain(undone)}, ctx)
                return Done(result, partial=True)
            case Pending(reference, poll_seconds, give_up_seconds):
                kept = scrubbed(plain(reference), ctx.secret_values())
                return Underway(kept, int(poll_seconds * 1e9), int(give_up_seconds * 1e9))
            case _:
                return Done(self._text(said, ctx))

    def _text(self, result: object, ctx: Context) -> str:
        """Return ``result`` as JSON text without secrets, cut to what a log should hold."""
        text = _encode(scrubbed(_plain(result), ctx.secret_values())).decode()
        if len(text) <= TOOL_RESULT_BYTES_MAX:
            return text
        cut = text[: TOOL_RESULT_BYTES_MAX - 1024]
        return _encode({"cut": cut, "bytes": len(text), "kept": len(cut)}).decode()


def _plain(result: object) -> Json:
    """Return the result as JSON; what has no JSON form is told by name: the deed was done."""
    try:
        return plain(result)
    except BadTool as error:
        return {"result_without_json_form": str(error)}


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
