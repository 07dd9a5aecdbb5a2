"""A wrapped client's gateway in this loop: its session's tools are a bank's, whose acts count."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from perdure.assembly.foreign.answering import Answer, Asked
from perdure.assembly.foreign.gateways import GatewaySettings, Mode, upstreams_of
from perdure.assembly.foreign.sessions import Session
from perdure.gateway.sessions import SessionGateway
from perdure.log import events as e
from perdure.log.envelope import Event
from tests.gateway.talking import Chat, Json, asker, bodies, call, text
from tests.sessions.ground import Bank, session

PATIENCE = 0.05
TOOLS = [
    {"name": name, "input_schema": {"type": "object", "properties": {}}}
    for name in ("Read", "mcp__bank__pay", "mcp__bank__send", "mcp__bank__look")
]


class Model:
    """Says what it is told to say, one reply after another; ``fine`` where it is told nothing."""

    def __init__(self) -> None:
        self.next: list[list[Json]] = []

    def __call__(self, request: Json) -> list[Json]:
        if not request.get("tools"):
            return [text("a title")]
        return self.next.pop(0) if self.next else [text("fine")]


class Wrapped:
    """A client of that gateway."""

    def __init__(self, session: Session, gateway: SessionGateway, bank: Bank) -> None:
        self.session = session
        self.gateway = gateway
        self.bank = bank
        self.calls = 0

    def chat(self, first: str = "Pay invoice 7.", **headers: str) -> Chat:
        """Return a client's main conversation."""
        chat = Chat(asker(self.gateway.port, **headers), first)
        chat.tools = list(TOOLS)
        return chat

    async def say(self, chat: Chat, **more: object) -> list[Json]:
        """Ask, and take the reply into the history."""
        return await asyncio.to_thread(lambda: chat.send(**more))

    async def ask(self, chat: Chat, **more: object) -> tuple[int, Json]:
        """Ask, and say how that went."""
        return await asyncio.to_thread(chat.ask, "/messages", chat.body(**more))

    async def carry_out(self, block: Json, *, named: bool = True) -> Answer:
        """The client makes the call that the model asked for, as an MCP client does."""
        self.calls += 1
        name, tool = f"conn.{self.calls}", str(block["name"]).removeprefix("mcp__")
        of = self.gateway.reply.position_of(name, tool, block["input"], block["id"] if named else "")
        return await self.session.call(Asked(name, tool, block["input"], of), patience=PATIENCE)

    def events(self) -> list[Event]:
        """The run's, so far."""
        return list(self.session.store.events(self.session.run))

    def facts(self, kind: type[e.Body]) -> list[e.Body]:
        """What the run's events of one kind say."""
        return bodies(self.events(), kind)


def result(block: Json, content: str) -> Json:
    """Return the client's message that tells what ``block`` came to."""
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": block["id"], "content": content}],
    }


def pay(number: int, reference: str, invoice: str = "7") -> list[Json]:
    """A reply in which the model pays."""
    return [text("I pay."), call("mcp__bank__pay", number, invoice=invoice, reference=reference)]


def send(number: int, reference: str) -> list[Json]:
    """A reply in which the model sends money, which names no identity."""
    return [text("I send."), call("mcp__bank__send", number, to="Ann", amount=5, reference=reference)]


def calls_in(blocks: Sequence[Json]) -> list[Json]:
    """Return the calls among ``blocks``."""
    return [block for block in blocks if block["type"] == "tool_use"]


@asynccontextmanager
async def wrapped(
    place: Path,
    upstream: str,
    bank: Bank,
    *,
    root: Path | None = None,
    mode: Mode = "safe",
    expects: Sequence[str] = (),
    attaches: bool = True,
    toolless: bool = False,
    token: str = "",
) -> AsyncGenerator[Wrapped]:
    """Yield a client of a gateway around the run ``one`` in the store at ``place``."""
    async with session(place, bank, root=root) as opened:
        if attaches:
            await opened.attached("tried/1")
        settings = GatewaySettings(place, port=0, upstreams=upstreams_of([upstream]), mode=mode, token=token)
        gateway = SessionGateway(settings, opened, expects=expects, toolless=toolless)
        await gateway.open()
        try:
            yield Wrapped(opened, gateway, bank)
        finally:
            await gateway.close()
