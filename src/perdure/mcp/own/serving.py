"""Our MCP server on the wire: tools as the official SDK speaks them, and what is naturally a resource as one."""

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, unquote

import anyio
import mcp_types as types
import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage

from perdure.mcp.own.offers import OFFERS, Said, answered, offers_of
from perdure.mcp.own.view import View
from perdure.values.digest import Json
from perdure.values.errors import PerdureError

NAME: Final = "perdure"
SCHEME: Final = "perdure://"
INSTRUCTIONS: Final = (
    "perdure keeps this run's durable log. Look here for what was really done, for results that left the window, for "
    "files as they were, and for what is in doubt. Positions are places in the log, from 1."
)

_JSON: Final = "application/json"
_Context = ServerRequestContext[dict[str, object]]


def own_server(view: View, version: str) -> Server[dict[str, object]]:
    """Return the server that shows ``view``."""
    shown = _Shown(view)
    return Server(
        NAME,
        version=version,
        title="perdure",
        instructions=INSTRUCTIONS,
        on_list_tools=shown.list_tools,
        on_call_tool=shown.call_tool,
        on_list_resources=shown.list_resources,
        on_list_resource_templates=shown.list_templates,
        on_read_resource=shown.read_resource,
    )


class _Shown:
    """Answers what the SDK passes on."""

    def __init__(self, view: View) -> None:
        self._view: View = view

    async def list_tools(
        self, ctx: _Context, asked: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        del ctx, asked
        bound = bool(self._view.bound)
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=name,
                    description=offer.words,
                    input_schema={**offer.schema(bound)},
                    annotations=types.ToolAnnotations(
                        read_only_hint=not offer.changes, destructive_hint=False, open_world_hint=False
                    ),
                )
                for name, offer in offers_of(self._view).items()
            ]
        )

    async def call_tool(self, ctx: _Context, asked: types.CallToolRequestParams) -> types.CallToolResult:
        del ctx
        given = msgspec.convert(asked.arguments or {}, dict[str, Json])
        try:
            said = await asyncio.to_thread(answered, self._view, asked.name, given)
        except PerdureError as error:
            said = Said(None, f"{error}. {error.hint}", wrong=True)
        content: list[types.ContentBlock] = [types.TextContent(text=self._spelled(said))]
        return types.CallToolResult(content=content, is_error=said.wrong)

    async def list_resources(
        self, ctx: _Context, asked: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        del ctx, asked
        named = ("status", "log", "receipts", "cost") if self._view.bound else ()
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    name=name, uri=f"{SCHEME}{name}", description=OFFERS[name].words, mime_type=_JSON
                )
                for name in named
            ]
        )

    async def list_templates(
        self, ctx: _Context, asked: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        del ctx, asked
        templates = _TEMPLATES.items() if self._view.bound else ()
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(name=name, uri_template=f"{SCHEME}{template}", description=words)
                for name, (template, words) in templates
            ]
        )

    async def read_resource(
        self, ctx: _Context, asked: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        del ctx
        name, given = _meant(asked.uri)
        try:
            said = await asyncio.to_thread(answered, self._view, name, given)
        except PerdureError as error:
            raise MCPError(types.INVALID_PARAMS, f"{error}. {error.hint}") from error
        if said.wrong:
            raise MCPError(types.INVALID_PARAMS, said.text)
        # A file, and a page, is its own text.
        document = self._view.hushed(said.document)
        text = document.get("text") if name == "file" and isinstance(document, dict) else None
        spelled = text if isinstance(text, str) else self._spelled(said)
        kind = "text/plain" if name in ("file", "recall") else _JSON
        contents = types.TextResourceContents(uri=asked.uri, mime_type=kind, text=spelled)
        return types.ReadResourceResult(contents=[contents])

    def _spelled(self, said: Said) -> str:
        if said.text:
            text = self._view.hushed(said.text)
            return text if isinstance(text, str) else ""
        return msgspec.json.encode(self._view.hushed(said.document)).decode()


async def serve_own(
    view: View,
    read: ReadStream[SessionMessage | Exception],
    write: WriteStream[SessionMessage],
    *,
    version: str,
) -> None:
    """Serve ``view`` over a pair of streams, until the peer goes away."""
    server = own_server(view, version)
    await server.run(read, write, server.create_initialization_options())


def serve_stdio(view: View, *, version: str, ready: Callable[[], None]) -> None:
    """Serve ``view`` on the standard streams until they end; ``ready`` is called first."""

    async def served() -> None:
        async with stdio_server() as (read, write):
            ready()
            await serve_own(view, read, write, version=version)

    anyio.run(served)


_TEMPLATES: Final = {
    "file": ("file/{position}/{+path}", "A file of the workspace as it was at a position."),
    "page": ("page/{handle}", "A result that left the window, byte for byte, by its handle."),
    "event": ("event/{position}", "One event of the log in full."),
}


def _meant(uri: str) -> tuple[str, dict[str, Json]]:
    """Return the tool that gives the resource, and what it is asked. Raises ``MCPError``."""
    kind, _, rest = uri.removeprefix(SCHEME).partition("/")
    place, _, path = rest.partition("/")
    match kind:
        case "status" | "log" | "receipts" | "cost" if not rest:
            return kind, {}
        case "page" if rest:
            return "recall", {"page": unquote(rest)}
        case "event" if rest.isdecimal():
            return "event", {"position": int(rest)}
        case "file" if place.isdecimal() and path:
            return "file", {"position": int(place), "path": unquote(path)}
        case _:
            known = ", ".join(template for template, _ in _TEMPLATES.values())
            raise MCPError(
                types.INVALID_PARAMS, f"there is no resource {quote(uri, safe=':/')!r}; there are {known}"
            )
