"""The clients' own tools, as far as they are known: what each does, and which arguments are paths and addresses.

A schema names only what contracts want to speak of, and is never stricter than the client: a call that the client
would carry out is never refused here for its form alone.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from perdure.intention.declaration import Declaration, EffectClass
from perdure.values.digest import Json

TOUCHED: Final = "paths"
"""The argument that we add where a tool's paths stand within a text: those that it reads or writes."""

MCP_MARK: Final = "mcp__"
"""What clients put before the name of a tool of an MCP server."""


class Kit(NamedTuple):
    """One tool of a client, in short."""

    effect: EffectClass
    words: tuple[str, ...] = ()
    """arguments that are texts and always there"""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    connects: tuple[str, ...] = ()
    here: tuple[str, ...] = ()
    """paths that mean the workspace where they are left out"""


_SHELL: Final = Kit("once", words=("command",))
_PATCH: Final = Kit("workspace", writes=(TOUCHED,))
_FINDS: Final = Kit("read", words=("pattern",), reads=("path", TOUCHED), here=("path",))
_SEARCHES: Final = Kit("read", words=("pattern",), reads=("path",), here=("path",))
_LISTS: Final = Kit("read", reads=("path",), here=("path",))
_SAYS: Final = Kit("read")
"""changes nothing outside the client"""

_CLAUDE: Final[Mapping[str, Kit]] = {
    "Bash": _SHELL,
    "BashOutput": _SAYS,
    "Edit": Kit("workspace", writes=("file_path",)),
    "ExitPlanMode": _SAYS,
    "Glob": _FINDS,
    "Grep": _SEARCHES,
    "KillShell": Kit("once"),
    "LS": _LISTS,
    "MultiEdit": Kit("workspace", writes=("file_path",)),
    "NotebookEdit": Kit("workspace", writes=("notebook_path",)),
    "Read": Kit("read", reads=("file_path",)),
    "Task": _SAYS,
    "TodoWrite": _SAYS,
    "ToolSearch": _SAYS,
    "WebFetch": Kit("read", connects=("url",)),
    "WebSearch": Kit("read"),
    "Write": Kit("workspace", writes=("file_path",)),
}
_CODEX: Final[Mapping[str, Kit]] = {"Bash": _SHELL, "apply_patch": _PATCH}
_OPENCODE: Final[Mapping[str, Kit]] = {
    "apply_patch": _PATCH,
    "bash": _SHELL,
    "edit": Kit("workspace", writes=("filePath",)),
    "glob": _FINDS,
    "grep": _SEARCHES,
    "list": _LISTS,
    "patch": _PATCH,
    "read": Kit("read", reads=("filePath",)),
    "task": _SAYS,
    "todoread": _SAYS,
    "todowrite": _SAYS,
    "webfetch": Kit("read", connects=("url",)),
    "write": Kit("workspace", writes=("filePath",)),
}
_GEMINI: Final[Mapping[str, Kit]] = {
    "glob": Kit("read", words=("pattern",), reads=("dir_path", TOUCHED), here=("dir_path",)),
    "google_web_search": Kit("read"),
    "grep_search": Kit("read", words=("pattern",), reads=("dir_path",), here=("dir_path",)),
    "list_directory": Kit("read", reads=("dir_path",), here=("dir_path",)),
    "read_file": Kit("read", reads=("file_path",)),
    "replace": Kit("workspace", writes=("file_path",)),
    "run_shell_command": _SHELL,
    "search_file_content": Kit("read", words=("pattern",), reads=("dir_path",), here=("dir_path",)),
    "web_fetch": Kit("read"),
    "write_file": Kit("workspace", writes=("file_path",)),
    "write_todos": _SAYS,
}
_QWEN: Final[Mapping[str, Kit]] = {
    "edit": Kit("workspace", writes=("file_path",)),
    "glob": _FINDS,
    "grep_search": _SEARCHES,
    "list_directory": _LISTS,
    "read_file": Kit("read", reads=("file_path",)),
    "run_shell_command": _SHELL,
    "todo_write": _SAYS,
    "web_fetch": Kit("read", connects=("url",)),
    "write_file": Kit("workspace", writes=("file_path",)),
}

KITS: Final[Mapping[str, Mapping[str, Kit]]] = {
    "claude-code": _CLAUDE,
    "codex": _CODEX,
    "gemini-cli": _GEMINI,
    "opencode": _OPENCODE,
    "qwen-code": _QWEN,
}
"""By client; the clients that have hooks."""


def builtins_of(client: str) -> tuple[Declaration, ...]:
    """Return the known tools of ``client``, as its run declares them; none of a client without hooks."""
    return tuple(_declared(name, kit) for name, kit in KITS.get(client, {}).items())


def unknown_tool(name: str) -> Declaration:
    """Return how a client's tool is declared of which nothing is known: it may do anything."""
    return Declaration(name=name, effect="once", builtin="client")


def _declared(name: str, kit: Kit) -> Declaration:
    properties: dict[str, Json] = {word: {"type": "string"} for word in kit.words}
    for argument in (*kit.reads, *kit.writes, *kit.connects):
        if argument == TOUCHED:
            properties[argument] = {"type": "array", "items": {"type": "string"}}
        else:
            properties[argument] = {"type": "string", "default": "."} if argument in kit.here else _TEXT
    schema: dict[str, Json] = {"type": "object", "properties": properties} if properties else {}
    if kit.words:
        schema["required"] = list(kit.words)
    return Declaration(
        name=name,
        schema=schema,
        effect=kit.effect,
        builtin="client",
        reads=kit.reads,
        writes=kit.writes,
        connects=kit.connects,
    )


_TEXT: Final[dict[str, Json]] = {"type": "string"}
