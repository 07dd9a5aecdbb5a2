"""The clients that have a profile: how each is installed, settled as its user would, and called without a person."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from perdure.wrap.profiles.dressing import roots_own
from tests.clients.kinds import CLIENTS_KNOWN, Argv, Client
from tests.clients.place import CLIENTS, KEY, Place

Servers = dict[str, list[str]]
"""The commands of MCP servers, by name."""


class Wrapped(msgspec.Struct, frozen=True):
    """A client as its user has it: pointed at a provider, which is not the gateway, and with servers of its own."""

    client: Client
    profile: str
    told: Callable[[Place, Servers], None]
    """writes the user's servers into the user's settings"""
    project: Callable[[Place, Servers], None] | None = None
    """writes servers into the settings of the project, where the client has such"""
    tool: str = ""
    """how its model is offered the tool of a server; empty: it finds that out by a search of its own"""
    resumes: bool = True
    """whether a session that was killed goes on; else it is begun anew over the files as they are"""
    cuts: bool = False
    """whether its sessions can be cut at a turn"""
    owned: bool = False
    """it takes settings beside its user's only from root, so elsewhere its servers aren't stood in for"""
    talks: bool = False
    """it calls no tools: its model says what files are to be, and it runs one command after each change"""

    @property
    def name(self) -> str:
        return self.client.name

    def covered(self, store: Path) -> bool:
        """Whether its servers can be stood in for here."""
        return not self.owned or roots_own(store)


def _client(name: str) -> Client:
    return next(each for each in CLIENTS_KNOWN if each.name == name)


def _no_servers(place: Place, servers: Servers) -> None:
    """The client has none."""


def _entries(servers: Servers) -> dict[str, Any]:
    return {name: {"command": argv[0], "args": argv[1:]} for name, argv in servers.items()}


def _merged(path: Path, more: dict[str, Any]) -> None:
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**before, **more}, indent=1), encoding="utf-8")


# -- Claude Code -------------------------------------------------------------------------------------


def _claude(place: Place) -> list[str]:
    program = CLIENTS / "claude-code/node_modules/@anthropic-ai/claude-code-linux-x64/claude"
    tools = ["--allowedTools", "Bash,Read,Write,mcp__bank"]
    return [str(program), "-p", place.prompt, "--output-format", "stream-json", "--verbose", *tools]


def _claude_servers(place: Place, servers: Servers) -> None:
    entries = {name: {"type": "stdio", **entry} for name, entry in _entries(servers).items()}
    _merged(place.home / ".claude.json", {"mcpServers": entries})


def _claude_project(place: Place, servers: Servers) -> None:
    """A project's servers run once their user has said so."""
    entries = {name: {"type": "stdio", **entry} for name, entry in _entries(servers).items()}
    _merged(place.workspace / ".mcp.json", {"mcpServers": entries})
    approved = {"enabledMcpjsonServers": list(servers)}
    _merged(place.workspace / ".claude/settings.local.json", approved)


# -- Codex -------------------------------------------------------------------------------------------


def _codex(place: Place) -> list[str]:
    flags = ["--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    return [str(CLIENTS / "codex/node_modules/.bin/codex"), "exec", *flags, place.prompt]


def _codex_servers(place: Place, servers: Servers) -> None:
    _client("codex").argv(place)  # writes its provider
    path = place.home / ".codex/config.toml"
    tables = [
        f"[mcp_servers.{name}]\ncommand = {json.dumps(argv[0])}\nargs = {json.dumps(argv[1:])}\n"
        for name, argv in servers.items()
    ]
    path.write_text("\n".join([path.read_text(encoding="utf-8"), *tables]), encoding="utf-8")


# -- OpenCode ----------------------------------------------------------------------------------------


def _opencode(place: Place) -> list[str]:
    program = CLIENTS / "opencode/node_modules/.bin/opencode"
    return [str(program), "run", "--model", "strict/gpt-5.5", "--format", "json", place.prompt]


def _opencode_servers(place: Place, servers: Servers) -> None:
    _client("opencode").argv(place)  # writes its provider
    entries = {name: {"type": "local", "command": argv} for name, argv in servers.items()}
    _merged(place.home / "opencode.json", {"mcp": entries})


def _opencode_project(place: Place, servers: Servers) -> None:
    _client("opencode").argv(place)
    entries = {name: {"type": "local", "command": argv} for name, argv in servers.items()}
    _merged(place.workspace / "opencode.json", {"mcp": entries})


# -- Gemini CLI and Qwen Code ------------------------------------------------------------------------


def _gemini(place: Place) -> list[str]:
    program = CLIENTS / "gemini-cli/node_modules/.bin/gemini"
    return [str(program), "--skip-trust", "--yolo", "--output-format", "stream-json", "-p", place.prompt]


def _gemini_settings(place: Place) -> dict[str, str]:
    return {
        "GEMINI_API_KEY": KEY,
        "GOOGLE_GEMINI_BASE_URL": place.url,
        "GEMINI_MODEL": "gemini-2.5-pro",
        "GEMINI_TELEMETRY_ENABLED": "false",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }


def _gemini_servers(place: Place, servers: Servers) -> None:
    quiet = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "privacy": {"usageStatisticsEnabled": False},
    }
    _merged(place.home / ".gemini/settings.json", {**quiet, "mcpServers": _entries(servers)})


def _gemini_project(place: Place, servers: Servers) -> None:
    _gemini_servers(place, {})
    _merged(place.workspace / ".gemini/settings.json", {"mcpServers": _entries(servers)})


def _qwen(place: Place) -> list[str]:
    program = CLIENTS / "qwen-code/node_modules/.bin/qwen"
    flags = ["--approval-mode", "yolo", "--output-format", "json", "--auth-type", "openai"]
    return [str(program), "-p", place.prompt, *flags]


def _qwen_servers(place: Place, servers: Servers) -> None:
    _merged(place.home / ".qwen/settings.json", {"mcpServers": _entries(servers)})


def _qwen_project(place: Place, servers: Servers) -> None:
    _merged(place.workspace / ".qwen/settings.json", {"mcpServers": _entries(servers)})


# -- Aider -------------------------------------------------------------------------------------------


def _aider(place: Place) -> list[str]:
    quiet = ["--no-check-update", "--no-analytics", "--no-show-model-warnings", "--no-pretty", "--no-stream"]
    ours = [
        "--no-git",
        "--yes-always",
        "--edit-format",
        "whole",
        "--map-tokens",
        "0",
        "--model",
        "openai/gpt-5.5",
    ]
    tests = ["--auto-test", "--test-cmd", "sh mark.sh"]
    program = str(CLIENTS / "aider/bin/aider")
    return [program, *quiet, *ours, *tests, "--message", place.prompt]


def _aider_settings(place: Place) -> dict[str, str]:
    return {
        "OPENAI_API_BASE": f"{place.url}/v1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "AIDER_ANALYTICS": "false",
    }


def _changed(client: Client, argv: Argv) -> Client:
    return msgspec.structs.replace(client, argv=argv)


GEMINI = Client(
    "gemini-cli",
    "gemini-cli",
    "0.61.0",
    "gemini",
    ("@google/gemini-cli@0.61.0",),
    _gemini,
    _gemini_settings,
    npm=True,
)
AIDER = Client(
    "aider", "aider", "0.86.2", "chat", ("aider-chat==0.86.2",), _aider, _aider_settings, resumes=False
)
WRAPPED: tuple[Wrapped, ...] = (
    Wrapped(
        _changed(_client("claude-code"), _claude),
        "claude-code",
        _claude_servers,
        _claude_project,
        tool="pay",
        cuts=True,
    ),
    Wrapped(_changed(_client("codex"), _codex), "codex", _codex_servers, tool="pay", cuts=True),
    Wrapped(
        _changed(_client("opencode"), _opencode), "opencode", _opencode_servers, _opencode_project, tool="pay"
    ),
    Wrapped(GEMINI, "gemini-cli", _gemini_servers, _gemini_project, tool="pay", owned=True),
    Wrapped(
        _changed(_client("qwen-code"), _qwen),
        "qwen-code",
        _qwen_servers,
        _qwen_project,
        tool="pay",
        cuts=True,
    ),
    Wrapped(_client("mini-swe-agent"), "mini-swe-agent", _no_servers, resumes=False),
    Wrapped(AIDER, "aider", _no_servers, resumes=False, talks=True),
)
