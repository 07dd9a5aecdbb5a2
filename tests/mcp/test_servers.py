"""Which servers a file names, in the forms that clients have, and what several of them look like as one."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from perdure.assembly.foreign.sessions import Session
from perdure.intention.declaration import Declaration
from perdure.mcp.servers import Server, name_of, servers_in, servers_of
from perdure.values.errors import BadInput
from tests.mcp.talking import plain, said, standing

CLAUDE: dict[str, Any] = {
    "mcpServers": {"pay": {"command": "python", "args": ["-m", "pay"], "env": {"KEY": "${SECRET}"}}}
}
VSCODE: dict[str, Any] = {
    "servers": {"web": {"type": "http", "url": "https://x/${REGION:-eu}", "headers": {"A": "b"}}}
}
OPENCODE: dict[str, Any] = {
    "mcp": {"pay": {"type": "local", "command": ["python", "-m", "pay"], "environment": {"A": "b"}}}
}
PLAIN: dict[str, Any] = {"pay": {"command": "pay"}, "off": {"command": "x", "disabled": True}}


def test_the_forms_of_several_clients_are_read():
    held = {"SECRET": "s3"}
    assert servers_in(CLAUDE, "f", held) == (Server("pay", "stdio", ("python", "-m", "pay"), {"KEY": "s3"}),)
    assert servers_in(VSCODE, "f", held) == (Server("web", "http", url="https://x/eu", headers={"A": "b"}),)
    assert servers_in(OPENCODE, "f", held) == (Server("pay", "stdio", ("python", "-m", "pay"), {"A": "b"}),)
    assert servers_in(PLAIN, "f", held) == (Server("pay", "stdio", ("pay",)),)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"mcpServers": {"pay": {}}}, "needs either a command or a url"),
        ({"mcpServers": {"pay": {"command": "x", "url": "http://y"}}}, "needs either a command or a url"),
        ({"mcpServers": {"pay": {"command": 1}}}, "server 'pay'"),
        ({"mcpServers": {"a__b": {"command": "x"}}}, "can't be called 'a__b'"),
        ({"mcpServers": {"pay": {"url": "http://y", "type": "carrier-pigeon"}}}, "unknown type"),
        ({"mcpServers": {"pay": {"command": "${NOWHERE_SET}"}}}, "NOWHERE_SET isn't set"),
        ({"mcpServers": []}, "are no object"),
        ({}, "names no server"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(tmp_path: Path, content: Any, words: str):
    file = tmp_path / "servers.json"
    file.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=words) as caught:
        servers_of(file)
    assert str(file) in str(caught.value) or "can't be called" in str(caught.value)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("npx", "-y", "@modelcontextprotocol/server-filesystem", "."), "server-filesystem"),
        (("python3.11", "tools/payments.py"), "payments"),
        (("/usr/bin/python3", "-m", "acme.payments"), "payments"),
        (("uvx", "mcp-server-git"), "mcp-server-git"),
        (("./run__me.sh",), "run_me"),
    ],
)
def test_a_server_without_a_name_is_called_after_its_program(command: tuple[str, ...], name: str):
    assert name_of(command, "") == name


def test_a_server_at_an_address_is_called_after_its_host():
    assert name_of((), "https://mcp.example.com:8443/mcp") == "mcp.example.com-8443"


@pytest.mark.anyio
async def test_several_servers_look_like_one_with_their_names_before_their_tools(tmp_path: Path):
    left, right = plain(tmp_path / "left", "left"), plain(tmp_path / "right", "right")
    async with standing(tmp_path, left, right) as house, house.client() as client:
        answer = await client.hello()
        assert answer["instructions"] == "left: be plain with left\n\nright: be plain with right"
        names = {tool["name"] for tool in (await client.ask("tools/list"))["tools"]}
        assert {"left__pay", "right__pay"} <= names
        assert len(names) == 20
        assert said(await client.call("right__pay", {"invoice": "1"})) == "paid 1"
        assert said(await client.call("right__pay", {"invoice": "2"})) == "paid 2"
        assert said(await client.call("left__pay", {"invoice": "1"})) == "paid 1"
        listed = (await client.ask("resources/list"))["resources"]
        assert [one["uri"] for one in listed] == ["plain://left", "plain://right"]
        read = await client.ask("resources/read", {"uri": "plain://right"})
        assert read == {"method": "resources/read", "params": {"uri": "plain://right"}}
        prompt = await client.ask("prompts/get", {"name": "left__greet"})
        assert prompt["params"] == {"name": "greet"}
        ref = {"type": "ref/prompt", "name": "right__greet"}
        done = await client.ask("completion/complete", {"ref": ref, "argument": {"name": "a", "value": "b"}})
        assert done["params"]["ref"] == {"type": "ref/prompt", "name": "greet"}
        assert await client.ask("logging/setLevel", {"level": "debug"}) == {}
        with pytest.raises(MCPError, match="Unknown tool: middle__pay"):
            await client.call("middle__pay")


@pytest.mark.anyio
async def test_two_servers_may_choose_the_same_progress_token(tmp_path: Path):
    left, right = plain(tmp_path / "left", "left"), plain(tmp_path / "right", "right")
    tokens: list[Any] = []

    async def sampled(params: Any) -> dict[str, Any]:
        tokens.append(params["_meta"]["progressToken"])
        await client.line.notify(
            "notifications/progress", {"progressToken": tokens[-1], "progress": len(tokens)}
        )
        return {"role": "assistant", "content": {"type": "text", "text": "ok"}, "model": "m"}

    async with standing(tmp_path, left, right) as house, house.client() as client:
        client.answers["sampling/createMessage"] = sampled
        await client.hello()
        for name in ("left", "right"):
            assert "ok" in said(await client.call(f"{name}__sample"))
    assert len(set(tokens)) == 2


@pytest.mark.anyio
async def test_a_server_that_fails_leaves_the_others(tmp_path: Path):
    broken = Server("broken", "stdio", ("false",))
    async with standing(tmp_path, broken, plain(tmp_path / "book")) as house, house.client() as client:
        await client.hello()
        names = {tool["name"] for tool in (await client.ask("tools/list"))["tools"]}
        assert all(name.startswith("plain__") for name in names)
        assert any("broken" in words for words in house.words)


@pytest.mark.anyio
async def test_a_server_by_its_name_alone_is_not_prefixed(tmp_path: Path):
    left, right = plain(tmp_path / "left", "left"), plain(tmp_path / "right", "right")
    async with standing(tmp_path, left, right) as house, house.client(server="right") as client:
        await client.hello()
        assert said(await client.call("pay", {"invoice": "1"})) == "paid 1"
        assert not (tmp_path / "left").exists()
        assert {tool.name.partition("__")[0] for tool in house.hub.declarations()} == {"right"}


@pytest.mark.anyio
async def test_a_call_waits_until_its_tool_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A server's tools are listed in the background; who calls one of them meanwhile is not told that there is none."""
    adopt = Session.adopt

    async def at_leisure(session: Session, tools: Sequence[Declaration]) -> None:
        await asyncio.sleep(0.3)
        await adopt(session, tools)

    monkeypatch.setattr(Session, "adopt", at_leisure)
    async with standing(tmp_path, plain(tmp_path / "left", "left")) as house, house.client() as client:
        await client.hello()
        listing = asyncio.create_task(client.ask("tools/list"))
        await asyncio.sleep(0.1)
        assert said(await client.call("pay", {"invoice": "1"})) == "paid 1"
        await listing
