"""Hooks that a client posts to its session's gateway, without a process for each."""

import asyncio
import http.client
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from perdure.assembly.foreign.gateways import GatewaySettings
from perdure.assembly.foreign.sessions import Session
from perdure.gateway.sessions import SessionGateway
from perdure.values.digest import Json
from perdure.values.limits import HOOK_LINE_BYTES_MAX
from perdure.wrap.hooks.posted import heard_posted
from perdure.wrap.hooks.snippets import hooks_of
from tests.hooks.kit import kinds, post, pre, wrapped
from tests.hooks.test_judging import NO_REMOVING
from tests.sessions.ground import played

TOKEN = "a-token-of-this-session"


@asynccontextmanager
async def gateway(session: Session, store: Path, *, hears: bool = True) -> AsyncGenerator[int]:
    """Yield the port of the session's gateway."""

    async def heard(client: str, body: bytes) -> bytes:
        return await heard_posted(session, client, body, reply=None, patience=0)

    settings = GatewaySettings(store, port=0, token=TOKEN)
    served = SessionGateway(settings, session, hears=heard if hears else None)
    await served.open()
    try:
        yield served.port
    finally:
        await served.close()


def posted(port: int, path: str, body: bytes, method: str = "POST") -> tuple[int, Json]:
    """Return status and document of an answer."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        line.request(method, path, body, {"content-type": "application/json"})
        answer = line.getresponse()
        said = answer.read()
    finally:
        line.close()
    return answer.status, json.loads(said) if said.startswith(b"{") else said.decode()


async def says(port: int, event: Json, token: str = TOKEN) -> tuple[int, Json]:
    path = f"/-/{token}/perdure/hook/claude-code"
    return await asyncio.to_thread(partial(posted, port, path, json.dumps(event).encode()))


def test_a_posted_hook_is_judged_and_answered_in_its_clients_words(tmp_path: Path):
    async def story() -> None:
        async with (
            wrapped(tmp_path, contract=NO_REMOVING) as session,
            gateway(session, tmp_path / "store") as port,
        ):
            assert await says(port, pre("Bash", {"command": "ls"}, "c1")) == (200, {})
            status, said = await says(port, pre("Bash", {"command": "rm -rf /"}, "c2"))
            assert status == 200
            assert isinstance(said, dict)
            specific = said["hookSpecificOutput"]
            assert isinstance(specific, dict)
            assert specific["permissionDecision"] == "deny"
            assert "nothing is removed by rm -rf" in str(specific["permissionDecisionReason"])
            assert await says(port, post("Bash", {"command": "ls"}, "a.py", "c1")) == (200, {})
            assert kinds(session)[-1] == "call.answered"

    played(story())


def test_nobody_else_is_heard_and_nothing_senseless_stops_a_client(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session, gateway(session, tmp_path / "store") as port:
            end = session.state.position
            status, _ = await says(port, pre("Bash", {"command": "ls"}), token="of-somebody-else")
            assert status == 401
            path = f"/-/{TOKEN}/perdure/hook/claude-code"
            assert (await asyncio.to_thread(posted, port, path, b"", "GET"))[0] == 404
            for body in (b"", b"{not json", b"[1]", b"x" * (HOOK_LINE_BYTES_MAX + 1)):
                status, said = await asyncio.to_thread(posted, port, path, body)
                assert status == 200
                assert isinstance(said, dict)
                assert "permissionDecision" not in json.dumps(said)
            assert session.state.position == end
        async with wrapped(tmp_path) as session, gateway(session, tmp_path / "store", hears=False) as port:
            assert (await says(port, pre("Bash", {"command": "ls"})))[0] == 404

    played(story())


def test_a_wrap_posts_where_its_client_can_and_starts_processes_where_it_can_not():
    base = f"http://127.0.0.1:1/-/{TOKEN}"
    assert '"type": "http"' in json.dumps(hooks_of("claude-code", base))
    assert f"{base}/perdure/hook/claude-code" in json.dumps(hooks_of("claude-code", base))
    for client in ("codex", "gemini-cli", "qwen-code"):
        assert '"type": "command"' in json.dumps(hooks_of(client, base))
    assert hooks_of("aider", base) == {}
