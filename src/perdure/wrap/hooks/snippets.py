"""What a client's settings say so that its hooks come to us, as data: for a wrap's overlay, and for a person to copy."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from perdure.values.digest import Json
from perdure.values.errors import NoHooks
from perdure.values.limits import HOOK_SECONDS
from perdure.wrap.hooks.builtins import KITS

PLUGIN: Final = Path(__file__).with_name("opencode_plugin.js")
"""Where opencode finds our plugin: it has no hooks that are commands."""

_TELLING: Final = "perdure.wrap.hooks.telling"
_EVERY_TOOL: Final = "*"


class _Manner(NamedTuple):
    """How one client has hooks."""

    tools: tuple[str, ...]
    """events of tools, which have a matcher"""
    others: tuple[str, ...]
    where: str
    """where a person puts it"""
    note: str = ""
    milliseconds: bool = False
    """whether a time limit is in thousandths"""
    posts: bool = False
    """whether it can post a hook instead of starting a process"""


_CLAUDE_TOOLS: Final = ("PreToolUse", "PostToolUse", "PostToolUseFailure")
_SESSIONS: Final = ("SessionStart", "SessionEnd", "Stop", "SubagentStop")
_MANNERS: Final[Mapping[str, _Manner]] = {
    "claude-code": _Manner(
        (*_CLAUDE_TOOLS, "PermissionDenied"),
        (*_SESSIONS, "UserPromptSubmit"),
        "~/.claude/settings.json, or a project's .claude/settings.json",
        posts=True,
    ),
    "codex": _Manner(
        ("PreToolUse", "PostToolUse"),
        (*_SESSIONS, "UserPromptSubmit"),
        "~/.codex/hooks.json",
        "Codex runs no hook before its user has said so, once, in its `/hooks`.",
    ),
    "gemini-cli": _Manner(
        ("BeforeTool", "AfterTool"),
        ("SessionStart", "SessionEnd", "AfterAgent"),
        "~/.gemini/settings.json, or a project's .gemini/settings.json",
        milliseconds=True,
    ),
    "qwen-code": _Manner(
        _CLAUDE_TOOLS, _SESSIONS, "~/.qwen/settings.json, or a project's .qwen/settings.json"
    ),
    "opencode": _Manner((), (), "~/.config/opencode/opencode.json, or a project's opencode.json"),
}


class Snippet(NamedTuple):
    """What belongs into a client's settings."""

    client: str
    document: dict[str, Json]
    where: str
    note: str


def snippet_of(client: str, *, strict: bool = False, portable: bool = False) -> Snippet:
    """Return the snippet of ``client``.

    ``strict`` refuses a tool that nobody could judge. ``portable`` names the command by what is on ``PATH``, for
    settings that are shared between machines. Raises ``NoHooks``.
    """
    manner = _MANNERS.get(client)
    if manner is None:
        raise NoHooks(f"perdure knows no hooks of {client!r}; it knows those of {', '.join(KITS)}")
    if client == "opencode":
        options: Json = {"strict": True} if strict else {}
        plugin: Json = [PLUGIN.as_uri(), options] if strict else PLUGIN.as_uri()
        return Snippet(client, {"plugin": [plugin]}, manner.where, manner.note)
    words = ("perdure", "hooks", "tell", client) if portable else quick_command(client)
    command = shlex.join((*words, "--strict") if strict else words)
    seconds = HOOK_SECONDS * 1000 if manner.milliseconds else HOOK_SECONDS
    entry: dict[str, Json] = {"type": "command", "command": command, "timeout": seconds}
    events: dict[str, Json] = {name: [{"matcher": _EVERY_TOOL, "hooks": [entry]}] for name in manner.tools}
    events |= {name: [{"hooks": [entry]}] for name in manner.others}
    return Snippet(client, {"hooks": events}, manner.where, manner.note)


def hooks_of(client: str, gateway: str = "") -> dict[str, Json]:
    """Return the document that a wrap lays over the settings of ``client``; empty for a client without hooks.

    ``gateway`` is the address of the session's gateway, with its token: a client that can posts its hooks there, and
    starts no process for each.
    """
    if client not in _MANNERS:
        return {}
    manner = _MANNERS[client]
    if not manner.posts or not gateway:
        return snippet_of(client).document
    entry: dict[str, Json] = {
        "type": "http",
        "url": f"{gateway}/perdure/hook/{client}",
        "timeout": HOOK_SECONDS,
    }
    events: dict[str, Json] = {name: [{"matcher": _EVERY_TOOL, "hooks": [entry]}] for name in manner.tools}
    # Its first event is told by no such hook; nothing is lost by that, since nothing runs yet.
    events |= {name: [{"hooks": [entry]}] for name in manner.others if name != "SessionStart"}
    return {"hooks": events}


def quick_command(client: str) -> tuple[str, ...]:
    """Return the command of a hook that starts quickest: by this Python, and nothing of the directory it starts in."""
    return (sys.executable, "-I", "-m", _TELLING, client)


def spelled(snippet: Snippet) -> str:
    """Return the document as a person copies it."""
    return msgspec.json.format(msgspec.json.encode(snippet.document), indent=2).decode()
