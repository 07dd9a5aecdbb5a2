"""Deeds that servers do: the ``Tools`` port over links, with what is known of each outcome.

Invariants:
- An answer of the server is an answer, also one that reports an error: ``Done``. A JSON-RPC error says that the call
  never ran: ``Undone``. All else (no answer in time, a connection that broke, a server that died) is ``InDoubt``.
- A deed goes to the link of the client that asked for it, where that is still open, else to a link of its own.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, cast

import msgspec
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
    URL_ELICITATION_REQUIRED,
)

from perdure.driver.port import Deed, Done, Finding, InDoubt, Outcome, Undone
from perdure.mcp.effects import Effects, KeyPlace
from perdure.mcp.link import Link, Object
from perdure.mcp.servers import SEPARATOR
from perdure.values.digest import Json, canonical
from perdure.values.limits import MCP_CALL_SECONDS

_NEVER_RAN: Final = frozenset(
    {INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, URL_ELICITATION_REQUIRED}
)
CALL: Final = "tools/call"
TOOL_USE: Final = "claudecode/toolUseId"
"""The field of ``_meta`` in which Claude Code says which of its model's calls this is."""


class Calling:
    """A client's call of a tool, while it is under way."""

    def __init__(self, link: Link, tool: str, params: Object) -> None:
        """Hold the server's own name of the ``tool`` within ``params``, as the client sent them."""
        self.link: Link = link
        self.tool: str = tool
        self.params: Object = params
        self.error: MCPError | None = None
        """the server's own words, where it refused"""
        self._task: asyncio.Task[Object] | None = None
        self._cancelled: bool = False

    @property
    def begun(self) -> bool:
        """Whether it was sent."""
        return self._task is not None

    @property
    def unwanted(self) -> bool:
        """Whether the client cancelled it."""
        return self._cancelled

    async def sent(self, request: Coroutine[None, None, Object]) -> Object:
        """Return what the server answers to ``request``."""
        self._task = asyncio.get_running_loop().create_task(request)
        return await self._task

    @property
    def name(self) -> str:
        """What the tool is called in the run."""
        return self.link.server.tool(self.tool)

    @property
    def arguments(self) -> Object:
        """What it is called with."""
        given = self.params.get("arguments")
        return cast("Object", given) if isinstance(given, dict) else {}

    @property
    def use(self) -> str:
        """The model's own id of the call, where the client says it; empty elsewhere."""
        meta = self.params.get("_meta")
        return str(cast("Object", meta).get(TOOL_USE) or "") if isinstance(meta, dict) else ""

    def cancel(self) -> None:
        """The client wants it no more: the server is told, and whether it was done is not known."""
        self._cancelled = True
        self.stop()

    def stop(self) -> None:
        """Wait for the answer no longer."""
        if self._task is not None:
            self._task.cancel()


class Performer:
    """The tools of all servers, as a run knows them."""

    def __init__(self, effects: Effects, alone: Callable[[str], Awaitable[Link]], patience: float) -> None:
        """Hold ``alone``, which opens a link for a deed that no client waits for."""
        self.patience: float = patience
        self.seconds: dict[str, float] = {}
        """how long each tool may take"""
        self.reads: frozenset[str] = frozenset()
        """tools that change nothing: what they failed at didn't happen"""
        self._effects: Effects = effects
        self._alone: Callable[[str], Awaitable[Link]] = alone
        self._callings: dict[tuple[str, bytes], list[Calling]] = defaultdict(list)

    def expect(self, calling: Calling) -> None:
        """The run is about to be asked for this call."""
        self._callings[_place(calling.name, calling.arguments)].append(calling)

    def forget(self, calling: Calling) -> None:
        """The run has answered it, or nobody waits."""
        place = _place(calling.name, calling.arguments)
        held = self._callings.get(place, [])
        if calling in held:
            held.remove(calling)
        if not held:
            self._callings.pop(place, None)

    async def perform(self, deed: Deed) -> Outcome:
        """Have the server do the deed; never raises for what it does."""
        server, _, tool = deed.tool.partition(SEPARATOR)
        calling = self._taken(deed)
        if calling is None:
            try:
                calling = Calling(
                    await self._alone(server), tool, {"name": tool, "arguments": deed.arguments}
                )
            except MCPError as error:
                return Undone(f"not sent: {error.error.message}")
        with calling.link.busy():
            return await self._done(calling, deed)

    async def look(self, deed: Deed) -> Finding:
        """A server can't be asked whether it did something."""
        return Finding("unknown", f"{deed.tool} can't be asked")

    async def poll(self, deed: Deed) -> Outcome:
        """Nothing of a server's is pending in the run: it answers, or it is in doubt."""
        return InDoubt(f"{deed.tool} has no operation that could be asked after", ended=False)

    # -- inside --------------------------------------------------------------------------------------

    def _taken(self, deed: Deed) -> Calling | None:
        """Return the waiting call that the deed is for: of equal ones, the first that has not begun."""
        held = self._callings.get(_place(deed.tool, deed.arguments), [])
        return next((each for each in held if not each.begun), None)

    async def _done(self, calling: Calling, deed: Deed) -> Outcome:
        link, seconds = calling.link, self.seconds.get(deed.tool, MCP_CALL_SECONDS)
        if calling.unwanted:
            self.forget(calling)
            return Undone("not sent: the client cancelled it before")
        if not link.open:
            return Undone(f"not sent: {link.gone()}")
        params = self._keyed(calling, deed)
        lost = asyncio.get_running_loop().create_task(self._lost(calling))
        try:
            result = await calling.sent(link.request(CALL, params, {"timeout": seconds}))
        except MCPError as error:
            return _failed(calling, error, seconds, reads=deed.tool in self.reads)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                calling.stop()
                raise
            why = "the client cancelled it, and the server was told"
            if lost.done() and not lost.cancelled():
                why = f"{link.server.name} sent what no message could be read from, and no answer after it"
            return Undone(why) if deed.tool in self.reads else InDoubt(why, ended=False)
        except Exception as error:  # noqa: BLE001 - it was sent: whatever broke, the server may have done it
            return InDoubt(f"{link.server.name}: {error}", ended=not link.open)
        finally:
            lost.cancel()
        return Done(
            msgspec.json.encode(result).decode(), partial="task" in result and "content" not in result
        )

    async def _lost(self, calling: Calling) -> None:
        """Stop waiting for an answer that is likely to have been garbled; servers also print what is no message."""
        calling.link.garbled.clear()
        await calling.link.garbled.wait()
        await asyncio.sleep(self.patience)
        calling.stop()

    def _keyed(self, calling: Calling, deed: Deed) -> Object:
        """Return the client's own parameters, with our key where the other side wants to see it."""
        params: Object = {**calling.params, "name": calling.tool, "arguments": deed.arguments}
        place = self._effects.of(calling.link.server.name, calling.tool).key or KeyPlace()
        if place.argument:
            params["arguments"] = {**deed.arguments, place.argument: deed.key}
        if place.meta:
            meta = params.get("_meta")
            params["_meta"] = {
                **(cast("Object", meta) if isinstance(meta, dict) else {}),
                place.meta: deed.key,
            }
        if "arguments" not in calling.params and not params["arguments"]:
            del params["arguments"]
        return params


def _failed(calling: Calling, error: MCPError, seconds: float, *, reads: bool) -> Outcome:
    code, words = error.error.code, error.error.message
    server = calling.link.server.name
    if code == REQUEST_TIMEOUT:
        late = f"{server} gave no answer within {seconds:g} s"
        return Undone(late) if reads else InDoubt(late, ended=False)
    if code == CONNECTION_CLOSED and not calling.link.open:
        return InDoubt(
            f"{calling.link.gone()}, before it answered", ended=calling.link.server.kind == "stdio"
        )
    calling.error = error
    if reads or code in _NEVER_RAN:
        return Undone(f"{server} refused the call: {words}")
    return InDoubt(f"{server} answered with error {code}: {words}", ended=False)


def _place(tool: str, arguments: dict[str, Json]) -> tuple[str, bytes]:
    return tool, canonical(arguments)
