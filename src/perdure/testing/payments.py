"""``python -m perdure.testing.payments BOOK``: a payment server that speaks MCP, counts what it paid, and fails on cue.

It is a real server on the official SDK, on its standard streams or on loopback HTTP. What it paid is in a file and
on disk before it answers, so whoever counts needs neither its word nor its life. It has no memory of references
and no keys: asked twice, it pays twice.
"""

import io
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal, cast, get_args

import anyio
import click
import msgspec
import uvicorn
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perdure.testing.payments_book import BookLine, PaymentBook, let_go
from perdure.values.digest import Json
from perdure.wire.reading import text_at

FLOOD_BYTES: Final = 32 << 20
"""What a flood brings: more than any buffer between two processes should hold."""
GARBAGE: Final = "%PDF-1.7 \x00\x01 this is no JSON {\n"
GONE: Final = 70
"""The status with which a server dies on cue."""
LOOK_SECONDS: Final = 0.01

MishapKind = Literal["delay", "hold", "die", "early", "garbage", "hang", "flood", "endless", "declined"]
Context = ServerRequestContext[dict[str, Json], object]


class PayMishap(msgspec.Struct, frozen=True):
    """What goes wrong with one request to pay. All but ``early`` and ``declined`` come after it was paid."""

    kind: MishapKind
    seconds: float = 0.0
    """of a ``delay``"""


def mishap_of(words: str) -> tuple[int, PayMishap]:
    """Return which request goes wrong, and how: ``2:delay=0.5`` is the second. Raises ``ValueError``."""
    number, _, told = words.partition(":")
    kind, _, seconds = told.partition("=")
    kinds: tuple[MishapKind, ...] = get_args(MishapKind)
    for known in kinds:
        if kind == known:
            return int(number), PayMishap(known, float(seconds or 0))
    raise ValueError(f"{kind} is none of {', '.join(kinds)}")


PAY: Final[dict[str, Json]] = {
    "type": "object",
    "properties": {
        "payee": {"type": "string"},
        "cents": {"type": "integer", "minimum": 1},
        "reference": {"type": "string"},
        "invoice": {"type": "string"},
    },
    "required": ["payee", "cents", "reference"],
    "additionalProperties": False,
}
REFUND: Final[dict[str, Json]] = {
    "type": "object",
    "properties": {"payment": {"type": "string"}},
    "required": ["payment"],
    "additionalProperties": False,
}
NOTHING: Final[dict[str, Json]] = {"type": "object", "properties": {}, "additionalProperties": False}
TOOLS: Final = (
    types.Tool(
        name="pay",
        description="Pay an amount to a payee. The reference is what the payee reads; the invoice is what is paid.",
        input_schema=dict(PAY),
        annotations=types.ToolAnnotations(read_only_hint=False, idempotent_hint=False),
    ),
    types.Tool(
        name="payments",
        description="List what was paid.",
        input_schema=dict(NOTHING),
        annotations=types.ToolAnnotations(read_only_hint=True),
    ),
    types.Tool(
        name="refund",
        description="Pay a payment back, once.",
        input_schema=dict(REFUND),
        annotations=types.ToolAnnotations(destructive_hint=True),
    ),
)


class PayOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `pay` is called with."""

    payee: str
    cents: Annotated[int, msgspec.Meta(ge=1)]
    reference: str
    invoice: str = ""


class Till:
    """Pays into a book, and lets go wrong what is planned; ``spoil`` is what becomes of the next answer's bytes."""

    def __init__(self, book: PaymentBook, mishaps: dict[int, PayMishap]) -> None:
        self.book = book
        self.spoil: Callable[[str], str] | None = None
        self._mishaps = mishaps

    def server(self) -> Server:
        """Return the server of this till."""
        return Server("payments", version="1", on_list_tools=self._listed, on_call_tool=self._called)

    async def _listed(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        del context, params
        return types.ListToolsResult(tools=list(TOOLS))

    async def _called(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        arguments = cast("dict[str, Json]", params.arguments or {})
        match params.name:
            case "pay":
                return await self._pay(context, arguments)
            case "refund":
                done = self.book.refund(text_at(arguments, "payment"), os.getpid())
                return _said({"refunded": done}, error=not done)
            case "payments":
                listed: list[Json] = [_shape(line) for line in self.book.paid()]
                return _said({"payments": listed})
            case unknown:
                return _said({"error": f"there is no tool {unknown}"}, error=True)

    async def _pay(self, context: Context, arguments: dict[str, Json]) -> types.CallToolResult:
        try:
            order = msgspec.convert(arguments, PayOrder)
        except msgspec.ValidationError as wrong:
            return _said({"error": f"nothing was paid: {wrong}"}, error=True)
        wish = BookLine(
            "asked",
            os.getpid(),
            payee=order.payee,
            cents=order.cents,
            reference=order.reference,
            invoice=order.invoice,
        )
        mishap = self._mishaps.get(self.book.asked(wish))
        if mishap is not None and mishap.kind == "early":
            os._exit(GONE)
        if mishap is not None and mishap.kind == "declined":
            return _said({"error": "the account is blocked; nothing was paid"}, error=True)
        payment = self.book.pay(wish)
        if mishap is not None:
            await self._gone_wrong(context, mishap)
        return _said(_shape(payment))

    async def _gone_wrong(self, context: Context, mishap: PayMishap) -> None:
        """Between the payment and its answer."""
        match mishap.kind:
            case "delay":
                await anyio.sleep(mishap.seconds)
            case "hold":
                await _until(let_go(self.book.path))
            case "die":
                os._exit(GONE)
            case "hang":
                await anyio.sleep_forever()
            case "garbage":
                self.spoil = lambda _: GARBAGE
            case "endless":
                self.spoil = lambda answer: answer.rstrip()[:-1] + " " * FLOOD_BYTES
            case "flood":
                words = "x" * (64 << 10)
                for _ in range(FLOOD_BYTES // len(words)):
                    await context.session.send_notification(_logged(words), context.request_id)
            case "early" | "declined":
                return

    def spoken(self, answer: str) -> str:
        """Return the bytes that go out in place of ``answer``: spoiled once, if that is due."""
        if self.spoil is None or '"result"' not in answer:
            return answer
        spoil, self.spoil = self.spoil, None
        return spoil(answer)


class Mouth(io.TextIOWrapper):
    """Standard output, as the till lets it speak."""

    till: Till

    def write(self, s: str, /) -> int:
        """Write an answer, or what has become of it."""
        return super().write(self.till.spoken(s))


def spoiling(app: ASGIApp, till: Till) -> ASGIApp:
    """Return ``app`` with its answers as the till lets them go out."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A spoilt answer has another length than was announced.
                heads = cast("list[tuple[bytes, bytes]]", message["headers"])
                message["headers"] = [head for head in heads if head[0].lower() != b"content-length"]
            elif body := cast("bytes", message.get("body", b"")):
                message["body"] = till.spoken(body.decode()).encode()
            await send(message)

        await app(scope, receive, sent)

    return served


async def on_streams(till: Till) -> None:
    """Serve one client on the standard streams, until it goes."""
    mouth = Mouth(os.fdopen(os.dup(1), "wb"), encoding="utf-8")
    mouth.till = till
    os.dup2(2, 1)  # whatever else prints is no part of the conversation
    async with stdio_server(stdout=anyio.wrap_file(mouth)) as (read, write):
        server = till.server()
        await server.run(read, write, server.create_initialization_options(NotificationOptions()))


def on_http(till: Till, port: int) -> None:
    """Serve on loopback, until a signal comes; the first line of output says where."""
    app = spoiling(till.server().streamable_http_app(), till)
    listener = socket.create_server(("127.0.0.1", port))
    click.echo(f"listening at http://127.0.0.1:{cast('tuple[str, int]', listener.getsockname())[1]}/mcp")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listener])


async def _until(file: Path) -> None:
    """Return when another process has made ``file``."""
    while True:
        if await anyio.Path(file).exists():
            return
        await anyio.sleep(LOOK_SECONDS)


def _shape(line: BookLine) -> dict[str, Json]:
    shape: dict[str, Json] = {
        "payment": line.payment,
        "payee": line.payee,
        "cents": line.cents,
        "reference": line.reference,
    }
    return shape | ({"invoice": line.invoice} if line.invoice else {})


def _said(value: dict[str, Json], *, error: bool = False) -> types.CallToolResult:
    text = msgspec.json.encode(value).decode()
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=text)]
    return types.CallToolResult(content=content, structured_content=value, is_error=error)


def _logged(words: str) -> types.LoggingMessageNotification:
    params = types.LoggingMessageNotificationParams(level="info", data=words)
    return types.LoggingMessageNotification(params=params)


@click.command()
@click.argument("book", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--http", "port", type=int, help="Serve streamable HTTP at this port; 0: any that is free.")
@click.option(
    "--mishap", "mishaps", multiple=True, metavar="N:KIND", help="Let the N-th request to pay go wrong."
)
def main(book: Path, port: int | None, mishaps: tuple[str, ...]) -> None:
    """Pay into BOOK, and answer on the standard streams."""
    try:
        planned = dict(mishap_of(words) for words in mishaps)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong)) from wrong
    till = Till(PaymentBook(book), planned)
    till.book.started(os.getpid())
    if port is None:
        anyio.run(on_streams, till)
    else:
        on_http(till, port)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
