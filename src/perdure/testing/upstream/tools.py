"""Which of a client's tools runs commands and which reads files, and how each wants to be called."""

import re
import shlex
from typing import Final

from perdure.testing.upstream.question import Offer, ToolCall
from perdure.testing.upstream.schemas import filled, fits
from perdure.values.digest import Json
from perdure.values.errors import require
from perdure.wire.reading import dict_at, text_raw

SHELLS: Final = [
    "Bash",
    "bash",
    "shell_command",
    "exec_command",
    "shell",
    "local_shell",
    "run_shell_command",
    "execute_command",
    "execute_bash",
    "terminal",
    "run_command",
    "run_terminal_cmd",
    "run_bash",
    "exec",
]
READERS: Final = ("Read", "read", "read_file", "view_file")
WRITERS: Final = ("Write", "write", "write_file", "create_file")
PATCHERS: Final = ("apply_patch",)
SEARCHERS: Final = ("ToolSearch", "tool_search")
COMMANDS: Final = ("command", "cmd", "script", "commands", "input")
TEXTS: Final = ("content", "contents", "text", "file_text")
PATHS: Final = ("file_path", "filePath", "path", "absolute_path", "filename")


def shell(offers: tuple[Offer, ...]) -> Offer | None:
    """Return the tool that runs commands."""
    return _first(offers, SHELLS)


def reading(offers: tuple[Offer, ...]) -> Offer | None:
    """Return the tool that reads files."""
    found = _first(offers, READERS)
    return found if found is not None and _named(found, PATHS) else None


def told_to_run(offer: Offer, command: str, name: str) -> ToolCall:
    """Return a call that runs ``command``, as the tool's schema has it."""
    if offer.manner == "custom":
        return ToolCall(name, offer, {}, free=command)
    if offer.manner == "local_shell":
        return ToolCall(name, offer, {"command": ["bash", "-lc", command]})
    field = _named(offer, COMMANDS)
    wanted = text_raw(dict_at(dict_at(offer.schema, "properties"), field), "type")
    value: Json = ["bash", "-lc", command] if wanted == "array" else command
    return _fitting(offer, {field: value}, name)


def told_to_read(offer: Offer, path: str, name: str) -> ToolCall:
    """Return a call that reads the file at ``path``."""
    return _fitting(offer, {_named(offer, PATHS): path}, name)


def told_to_write(offers: tuple[Offer, ...], hands: Offer, path: str, text: str, name: str) -> ToolCall:
    """Return a call that makes a new file of ``text``, by the client's own tool for it, else by its shell."""
    pen = _first(offers, WRITERS)
    if pen is not None and _named(pen, PATHS) and _named(pen, TEXTS):
        return _fitting(pen, {_named(pen, PATHS): path, _named(pen, TEXTS): text}, name)
    patcher = _first(offers, PATCHERS)
    if patcher is not None and patcher.manner == "custom":
        lines = "".join(f"+{line}\n" for line in text.splitlines())
        return ToolCall(
            name, patcher, {}, free=f"*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch\n"
        )
    return told_to_run(hands, f"printf '%s' {shlex.quote(text)} > {shlex.quote(path)}", name)


def named(offers: tuple[Offer, ...], tool: str) -> Offer | None:
    """Return the tool whose name is, or ends with, ``tool``; None where it isn't offered yet."""
    ends = re.compile(rf"(?:.*[._])?{re.escape(tool)}")
    return next((offer for offer in offers if ends.fullmatch(offer.name)), None)


def searching(offers: tuple[Offer, ...]) -> Offer | None:
    """Return the tool by which tools that were kept back are found."""
    kept = next((offer for offer in offers if offer.manner == "tool_search"), None)
    return kept or _first(offers, SEARCHERS)


def told_to_search(offer: Offer, tool: str, name: str) -> ToolCall:
    """Return a call that looks for ``tool``."""
    if offer.manner == "tool_search":
        return ToolCall(name, offer, {"query": tool})
    return _fitting(offer, {"query": tool}, name)


def told_to_use(offer: Offer, arguments: dict[str, Json], name: str) -> ToolCall:
    """Return a call of ``offer`` with exactly ``arguments``."""
    require(fits(offer.schema, arguments), f"{sorted(arguments)} does not fit the schema of {offer.name}")
    return ToolCall(name, offer, arguments)


def _fitting(offer: Offer, arguments: dict[str, Json], name: str) -> ToolCall:
    """The model's own side of strictness: it never calls a tool against the schema that it was given."""
    base = filled(offer.schema, "a step of the run")
    whole: dict[str, Json] = {**(base if isinstance(base, dict) else {}), **arguments}
    require(fits(offer.schema, whole), f"a call of {offer.name} with {sorted(whole)} does not fit its schema")
    return ToolCall(name, offer, whole)


def _first(offers: tuple[Offer, ...], names: tuple[str, ...] | list[str]) -> Offer | None:
    by_name = {offer.name: offer for offer in reversed(offers)}
    return next((by_name[name] for name in names if name in by_name), None)


def _named(offer: Offer, names: tuple[str, ...]) -> str:
    properties = dict_at(offer.schema, "properties")
    return next((name for name in names if name in properties), "")
