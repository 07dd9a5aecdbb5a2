"""What the tests of hooks share: a session with a client's own tools, a keeper's door, and events as clients send them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from perdure.assembly.foreign.replies import LastReply
from perdure.assembly.foreign.sessions import Foreign, Session
from perdure.assembly.store import open_store
from perdure.contract import Contract
from perdure.log import events as e
from perdure.values.digest import Json
from perdure.values.limits import HOOK_LINE_BYTES_MAX, HOOK_PATIENCE_SECONDS
from perdure.wrap.hooks.builtins import builtins_of
from perdure.wrap.hooks.heard import heard
from tests.sessions.ground import PAY, Bank

CLAUDE_SESSION = "72cc8c6c-5bc9-476c-bff2-6e8b3aeb41ab"
NOTHING_SECRET: dict[str, str] = {}


@asynccontextmanager
async def wrapped(
    place: Path,
    *,
    contract: Contract | None = None,
    client: str = "claude-code",
    run: str = "one",
) -> AsyncGenerator[Session]:
    """Yield the session of a wrapped client whose hooks are on, in a workspace of its own."""
    root = place / "workspace"
    root.mkdir(parents=True, exist_ok=True)
    store = await asyncio.to_thread(open_store, place / "store")
    try:
        foreign = Foreign(f"wrap:{client}", (PAY, *builtins_of(client)), contract or Contract(), root)
        session = await Session.open(store, run, foreign, Bank())
        try:
            await session.attached(f"{client}/1")
            # What comes by itself has come: positions then move for what a test does.
            assert await session.recorded(60)
            yield session
        finally:
            await session.close()
    finally:
        await asyncio.to_thread(store.close)


def pre(tool: str, arguments: Json, call: str = "toolu_1", **more: Json) -> dict[str, Json]:
    """Return what Claude Code says before a tool runs."""
    return {
        "session_id": CLAUDE_SESSION,
        "cwd": "/",
        "permission_mode": "default",
        "hook_event_name": "PreToolUse",
        "tool_name": tool,
        "tool_input": arguments,
        "tool_use_id": call,
        **more,
    }


def post(tool: str, arguments: Json, result: Json, call: str = "toolu_1", **more: Json) -> dict[str, Json]:
    """Return what Claude Code says after a tool has run."""
    return {**pre(tool, arguments, call), "hook_event_name": "PostToolUse", "tool_response": result, **more}


def failed(tool: str, arguments: Json, error: str, call: str = "toolu_1", **more: Json) -> dict[str, Json]:
    """Return what Claude Code says after a tool has failed."""
    return {**pre(tool, arguments, call), "hook_event_name": "PostToolUseFailure", "error": error, **more}


async def hears(
    session: Session,
    event: dict[str, Json],
    *,
    patience: float = HOOK_PATIENCE_SECONDS,
    reply: LastReply | None = None,
) -> dict[str, Json]:
    """Have the keeper hear an event."""
    words: dict[str, Json] = {"want": "hook", "client": "claude-code", "event": event}
    return await heard(session, words, reply=reply, environment=NOTHING_SECRET, patience=patience)


def kinds(session: Session, *, after: int = 0) -> list[str]:
    """Return what the session's run holds past ``after``, by kind."""
    return [event.kind for event in session.store.events(session.run, after)]


def bodies(session: Session, kind: type[e.Body]) -> list[e.Body]:
    """Return the bodies of that kind, oldest first."""
    return [event.body for event in session.store.events(session.run) if isinstance(event.body, kind)]


@asynccontextmanager
async def door(session: Session, place: Path) -> AsyncGenerator[Path]:
    """Yield the address of a socket at which hooks are heard, as a keeper's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = json.loads(await reader.readline())
        reply = await heard(session, words, environment=NOTHING_SECRET)
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, path=place, limit=HOOK_LINE_BYTES_MAX)
    try:
        yield place
    finally:
        server.close()


def told(
    event: object, *, socket: Path | None, strict: bool = False, raw: bytes | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the process that a client starts for a hook, and return how it ended."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    if socket is not None:
        environment["PERDURE_SOCKET"] = str(socket)
    given = json.dumps(event) if raw is None else raw.decode(errors="surrogateescape")
    words = [sys.executable, "-I", "-m", "perdure.wrap.hooks.telling", "claude-code"]
    return subprocess.run(
        [*words, "--strict"] if strict else words,
        input=given,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def until(fact: Callable[[], object]) -> None:
    """Return once ``fact`` holds."""
    while not fact():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)


def questions(session: Session) -> list[str]:
    """Return the questions to people that are open."""
    return [each.id for each in session.state.world.approvals.values() if each.phase == "asked"]
