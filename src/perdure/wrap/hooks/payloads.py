"""What a hook says, whichever client it comes from: a tool is about to run, has run, or nothing runs any more.

Claude Code, Codex and Qwen Code use the same words, Gemini CLI has others for the same, and our plugin for opencode
speaks Claude Code's.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from perdure.values.digest import Json, canonical, digest
from perdure.values.limits import HOOK_CALL_CHARACTERS_MAX
from perdure.wrap.hooks.builtins import MCP_MARK

BEFORE: Final = frozenset({"PreToolUse", "BeforeTool"})
_AFTER: Final = frozenset({"PostToolUse", "AfterTool"})
_FAILED: Final = frozenset({"PostToolUseFailure", "PermissionDenied"})
_RESTS: Final = frozenset({"Stop", "SubagentStop", "UserPromptSubmit", "BeforeAgent", "AfterAgent"})
_ENDS: Final = frozenset({"SessionStart", "SessionEnd"})

_OTHERS: Final = re.compile(r"[^A-Za-z0-9]+")


class Intended(NamedTuple):
    """A client is about to run a tool of its own."""

    call: str
    tool: str
    arguments: dict[str, Json]
    standing: str
    """the directory that its shell stands in"""
    use: str
    """the provider's id of the call, where the client says it"""


class Happened(NamedTuple):
    """A client's tool has run."""

    before: Intended
    outcome: str
    """'succeeded', 'failed' or 'unknown', as the client has it"""
    result: Json
    error: str


class Rested(NamedTuple):
    """Nothing of this session runs any more whose end hasn't been told."""

    prefix: str
    """of the names of its calls"""


def read_payload(payload: Mapping[str, Json]) -> Intended | Happened | Rested | str | None:
    """Return what the hook says; None where it says nothing of tools; a sentence where it can't be understood."""
    event = payload.get("hook_event_name")
    if not isinstance(event, str):
        return "a hook's event has no hook_event_name"
    if event in _ENDS:
        return Rested(_prefix(payload, whole=True))
    if event in _RESTS:
        return Rested(_prefix(payload, whole=False))
    if event not in BEFORE | _AFTER | _FAILED:
        return None
    intended = _intended(payload)
    if isinstance(intended, str) or event in BEFORE:
        return intended
    if event in _AFTER:
        result = payload.get("tool_response")
        interrupted = isinstance(result, dict) and result.get("interrupted") is True
        error = _complaint(result)
        return Happened(
            intended, "unknown" if interrupted else "failed" if error else "succeeded", result, error
        )
    error = _text(payload, "error") or _text(payload, "reason") or "it failed"
    outcome = "unknown" if payload.get("is_interrupt") is True else "failed"
    return Happened(intended, outcome, None, error)


def served_as(tool: str, payload: Mapping[str, Json]) -> str:
    """Return the ``server_tool`` that a tool of an MCP server is known by among clients; empty for another one."""
    context = payload.get("mcp_context")
    if isinstance(context, dict):
        server, name = context.get("server_name"), context.get("tool_name")
        if isinstance(server, str) and isinstance(name, str):
            return flattened(f"{server}_{name}")
    return flattened(tool.removeprefix(MCP_MARK))


def flattened(name: str) -> str:
    """Return ``name`` as all clients would spell it: they differ in what joins its parts."""
    return _OTHERS.sub("_", name).strip("_").lower()


def _intended(payload: Mapping[str, Json]) -> Intended | str:
    tool = _text(payload, "tool_name")
    arguments = payload.get("tool_input")
    if not tool:
        return "a hook's event names no tool"
    # Some tools take a text instead of fields.
    fields: dict[str, Json] = dict(arguments) if isinstance(arguments, dict) else {}
    if not isinstance(arguments, dict) and arguments is not None:
        fields["input"] = arguments
    use = _text(payload, "tool_call_id") or _text(payload, "tool_use_id")
    # Where a client gives its calls no names, a call is known by what it asks.
    own = use or f"{tool}-{digest(canonical(fields))[:16]}"
    call = f"{_prefix(payload, whole=False)}{own}"[:HOOK_CALL_CHARACTERS_MAX]
    return Intended(call, tool, fields, _text(payload, "cwd"), use)


def _prefix(payload: Mapping[str, Json], *, whole: bool) -> str:
    session = _text(payload, "session_id") or "session"
    agent = "" if whole else f"{_text(payload, 'agent_id') or 'main'}."
    return f"hook.{session}.{agent}"


def _complaint(result: Json) -> str:
    """Return the error that a result tells of: Gemini CLI and our plugin put it beside what the model sees."""
    error = result.get("error") if isinstance(result, dict) else None
    if isinstance(error, dict):
        message = error.get("message")
        return message if isinstance(message, str) else ""
    return error if isinstance(error, str) else ""


def _text(payload: Mapping[str, Json], name: str) -> str:
    found = payload.get(name)
    return found if isinstance(found, str) else ""
