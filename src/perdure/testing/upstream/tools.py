"""Which of a client's tools runs commands and which reads files, and how each wants to be called."""

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
COMMANDS: Final = ("command", "cmd", "script", "commands", "input")
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
