"""``perdure mcp`` over HTTP, ``perdure mcp init``, and what is said of wrong words."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse

from perdure.cli.mcp import mcp
from perdure.mcp.effects import effects_of
from perdure.mcp.listening import Listening
from perdure.values.limits import MCP_SESSIONS_MAX
from tests.mcp.talking import PLAIN, paid

SECONDS = 60


def ran(at: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "perdure.cli", "mcp", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=at, timeout=SECONDS, check=False)


@contextmanager
def listening(at: Path, *words: str) -> Generator[tuple[str, subprocess.Popen[bytes]]]:
    command = [
        sys.executable,
        "-m",
        "perdure.cli",
        "mcp",
        "--listen",
        "0",
        "--json",
        "--store",
        str(at / "store"),
    ]
    process = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, cwd=at)
    assert process.stdout is not None
    try:
        yield str(json.loads(process.stdout.readline())["listening"]), process
    finally:
        process.kill()
        process.wait(SECONDS)
        process.stdout.close()


async def pays(url: str, invoice: str) -> str:
    async with (
        streamable_http_client(url) as streams,
        ClientSession(streams[0], streams[1]) as client,
    ):
        await client.initialize()
        result = await client.call_tool("pay", {"invoice": invoice})
        return str(getattr(result.content[0], "text", ""))


def test_clients_over_http_have_servers_of_their_own_and_one_run(tmp_path: Path):
    book = tmp_path / "book"
    behind = ["--", sys.executable, str(PLAIN), str(book)]

    async def both(url: str) -> list[str]:
        return sorted(await asyncio.gather(pays(url, "1"), pays(url, "2")))

    with listening(tmp_path, "--name", "plain", *behind) as (url, process):
        assert asyncio.run(both(url)) == ["paid 1", "paid 2"]
        asyncio.run(a_stranger_is_turned_away(url))
        # A gateway before a gateway: what one says over HTTP the other reads.
        with listening(tmp_path / "..", "--store", str(tmp_path / "other"), "--url", url) as (outer, _):
            assert asyncio.run(pays(outer, "3")) == "paid 3"
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert len(paid(book)) == 3


async def a_stranger_is_turned_away(url: str) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
    accept = {"accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient() as web:
        foreign = await web.post(url, json=hello, headers={**accept, "host": "evil.example"})
        assert foreign.status_code == 421
        newer = await web.post(url, json=hello, headers={**accept, "mcp-protocol-version": "2026-07-28"})
        assert (newer.status_code, newer.json()["error"]["code"]) == (400, -32601)
        gone = await web.post(url, json=hello, headers={**accept, "mcp-session-id": "unknown"})
        assert gone.status_code == 404


def test_a_draft_is_written_beside_the_file_and_never_over_another(tmp_path: Path):
    server = {"command": sys.executable, "args": [str(PLAIN), str(tmp_path / "book")]}
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"plain": server}}))
    done = ran(tmp_path, "init", "--config", ".mcp.json", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["file"], said["tools"]) == ("perdure.effects.yaml", 10)
    read = effects_of(tmp_path / "perdure.effects.yaml")
    assert read.of("plain", "pay").effect == "once"
    assert [words.partition(":")[0] for words in read.undecided()] == [
        words.partition(":")[0] for words in said["decide"]
    ]
    again = ran(tmp_path, "init", "--config", ".mcp.json")
    assert again.returncode == 2
    assert "is there already" in again.stderr


async def many_come(count: int) -> tuple[list[int], set[str]]:
    """Have ``count`` clients say hello and never be heard of again; return what they were answered, and who is open."""
    served: set[str] = set()

    async def serve(read: Any, write: Any, name: str) -> None:
        served.add(name)
        try:
            async for message in read:
                said = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "serverInfo": {"name": "x", "version": "1"},
                }
                answer = JSONRPCResponse(jsonrpc="2.0", id=message.message.id, result=said)
                await write.send(SessionMessage(answer))
        finally:
            served.discard(name)

    async def vanished(name: str) -> None:
        raise AssertionError(f"{name} had its answer")

    front = Listening("127.0.0.1", 0, "", serve, vanished)
    await front.open()
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}}  # fmt: skip
    accept = {"accept": "application/json, text/event-stream"}
    try:
        async with httpx2.AsyncClient() as web:
            url = f"http://127.0.0.1:{front.port}/mcp"
            codes = [(await web.post(url, json=hello, headers=accept)).status_code for _ in range(count)]
        return codes, set(served)
    finally:
        await front.close()


def test_clients_that_went_without_a_word_make_way_for_new_ones():
    codes, served = asyncio.run(many_come(MCP_SESSIONS_MAX + 6))
    assert set(codes) == {200}
    assert len(served) <= MCP_SESSIONS_MAX


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "no server is named"),
        (["python", "server.py"], "stands after --"),
        (["--url", "ftp://x"], "no http address"),
        (["--url", "http://x", "--", "y"], "named in two ways"),
        (["--listen", "http", "--", "python"], "is no port"),
        (["--patience", "0", "--", "python"], "is no time"),
        (["--header", "Nothing", "--url", "http://x"], "has no value"),
        (["--listen", "0.0.0.0:0", "--", "python"], "no --token keeps them out"),
    ],
)
def test_wrong_words_are_told_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], complaint: str
):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(mcp, words)
    assert complaint in f"{done.exception} {getattr(done.exception, 'hint', '')} {done.output}"
    assert done.exit_code != 0
    assert not (tmp_path / ".perdure").exists()


def test_without_a_client_it_says_what_it_is_for(tmp_path: Path):
    (tmp_path / "in").touch()
    with (tmp_path / "in").open() as into, (tmp_path / "out").open("w") as out:
        command = [sys.executable, "-m", "perdure.cli", "mcp", "--", sys.executable]
        done = subprocess.run(
            command,
            stdin=into,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 2
    assert "put it into its settings" in done.stderr
