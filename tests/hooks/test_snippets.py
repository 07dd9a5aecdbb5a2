"""What a client's settings say so that its hooks come to us."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from perdure.values.errors import NoHooks
from perdure.wrap.hooks.builtins import KITS, builtins_of
from perdure.wrap.hooks.snippets import hooks_of, snippet_of
from tests.hooks.kit import pre

COMMANDED = ("claude-code", "codex", "gemini-cli", "qwen-code")


def entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for groups in document["hooks"].values() for group in groups for entry in group["hooks"]]


def ran(*words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "perdure.cli", "hooks", *words]
    return subprocess.run(line, input=given, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("client", COMMANDED)
def test_the_command_of_a_snippet_runs_as_it_stands(client: str):
    document: dict[str, Any] = {**snippet_of(client).document}
    (command,) = {entry["command"] for entry in entries(document)}
    done = subprocess.run(
        shlex.split(command),
        input=json.dumps(pre("Bash", {"command": "ls"})),
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "isn't wrapped" in done.stderr
    assert all(entry["timeout"] in (120, 120_000) for entry in entries(document))
    # Before and after each tool, whatever it is.
    assert {"*"} == {
        group["matcher"] for name, groups in document["hooks"].items() if "Tool" in name for group in groups
    }


def test_opencode_is_given_a_plugin_that_is_there():
    document: dict[str, Any] = {**hooks_of("opencode")}
    (address,) = document["plugin"]
    plugin = Path(unquote(urlsplit(str(address)).path))
    assert "export const" in plugin.read_text(encoding="utf-8")


def test_strict_and_portable_are_said_in_the_command():
    document: dict[str, Any] = {**snippet_of("codex", strict=True, portable=True).document}
    assert {entry["command"] for entry in entries(document)} == {"perdure hooks tell codex --strict"}


def test_every_client_with_hooks_has_tools_that_contracts_can_speak_of():
    for client in KITS:
        tools = builtins_of(client)
        assert tools
        assert all(tool.builtin == "client" for tool in tools)
        for tool in tools:
            properties = tool.schema.get("properties", {})
            assert isinstance(properties, dict)
            assert {*tool.reads, *tool.writes, *tool.connects} <= set(properties)
    assert builtins_of("aider") == ()


def test_a_client_without_hooks_is_said_with_those_that_have_some():
    with pytest.raises(NoHooks, match="claude-code, codex"):
        snippet_of("aider")
    assert hooks_of("aider") == {}
    done = ran("print", "aider")
    assert done.returncode == 2
    assert "P605" in done.stderr


def test_the_command_line_prints_what_is_to_be_copied_and_nothing_else():
    done = ran("print", "gemini-cli", "--portable")
    assert json.loads(done.stdout) == snippet_of("gemini-cli", portable=True).document
    assert "settings.json" in done.stderr
    shown = json.loads(ran("print", "opencode", "--json").stdout)
    assert shown["document"] == hooks_of("opencode")


def test_the_command_line_tells_as_the_process_does():
    given = json.dumps(pre("Bash", {"command": "ls"}))
    assert ran("tell", "claude-code", given=given).returncode == 0
    assert ran("tell", "claude-code", "--strict", given=given).returncode == 2
