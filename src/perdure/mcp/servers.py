"""Which servers there are: one command, one address, or a file as Claude, VS Code and others keep it.

Three forms are read: ``{"mcpServers": {NAME: ...}}``, ``{"servers": {NAME: ...}}`` and ``{NAME: ...}`` alone; within
one server ``command``, ``args``, ``env``, ``cwd`` or ``url``, ``headers``, ``type``. ``${NAME}`` and
``${NAME:-otherwise}`` in values stand for environment variables, as those clients have it.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, cast

import msgspec

from perdure.values.digest import Json
from perdure.values.errors import BadInput
from perdure.values.limits import MCP_SETTINGS_BYTES_MAX

Kind = Literal["stdio", "http", "sse"]

_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KINDS: Final[dict[str, Kind]] = {
    "stdio": "stdio",
    "local": "stdio",
    "http": "http",
    "streamable-http": "http",
    "streamableHttp": "http",
    "remote": "http",
    "sse": "sse",
}
SEPARATOR: Final = "__"
"""Between the names of server and tool in a run."""


class Server(msgspec.Struct, frozen=True):
    """One real server, and how it is reached."""

    name: str
    kind: Kind = "stdio"
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    """beside the variables of this process"""
    cwd: str = ""
    url: str = ""
    headers: dict[str, str] = {}

    def tool(self, name: str) -> str:
        """Return what its tool ``name`` is called in a run."""
        return f"{self.name}{SEPARATOR}{name}"


class _Entry(msgspec.Struct):
    """One server as files have it; what isn't read here is the client's own business."""

    command: str | list[str] = ""
    args: list[str] = []
    env: dict[str, str] | None = None
    environment: dict[str, str] | None = None
    cwd: str = ""
    url: str = ""
    http_url: str = msgspec.field(default="", name="httpUrl")
    """as Gemini CLI has it"""
    server_url: str = msgspec.field(default="", name="serverUrl")
    """as others have it"""
    headers: dict[str, str] | None = None
    type: str = ""
    disabled: bool = False
    enabled: bool = True


def named(name: str) -> str:
    """Return ``name`` if a server can be called so; raises ``BadInput``."""
    if not _NAME.fullmatch(name) or SEPARATOR in name:
        raise BadInput(
            f"a server can't be called {name!r}",
            hint="up to 64 letters, digits, dots, hyphens and single underscores",
        )
    return name


def name_of(command: tuple[str, ...], url: str) -> str:
    """Return what a server is called that nobody named: after its program, package or host."""
    if url:
        word = re.sub(r"^\w+://", "", url).split("/")[0].split("@")[-1]
    else:
        words = [
            each
            for each in command
            if not each.startswith("-")
            and Path(each).name not in _STARTERS
            and not _PYTHON.fullmatch(Path(each).name)
        ]
        word = Path((words or list(command))[0].rstrip("/")).name
        if "-m" in command[:-1]:
            word = command[command.index("-m") + 1].rpartition(".")[2]
    word = re.sub(r"\.(?:py|js|mjs|ts|sh|exe)$", "", word)
    word = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9._-]+", "-", word)).strip("-._")[:40]
    return word or "server"


_STARTERS: Final = frozenset(
    {"npx", "uvx", "uv", "run", "node", "bun", "bunx", "deno", "docker", "env", "tool", "exec"}
)
_PYTHON = re.compile(r"python[0-9.]*")


def servers_of(path: Path, environment: Mapping[str, str] | None = None) -> tuple[Server, ...]:
    """Return the servers that a file names; raises ``BadInput`` that says what is wrong and where."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror}", hint="name a file of servers") from error
    if len(content) > MCP_SETTINGS_BYTES_MAX:
        raise BadInput(f"{path} is no file of servers: it has {len(content)} bytes", hint="name another")
    try:
        whole = msgspec.json.decode(content, type=dict[str, Json])
    except msgspec.DecodeError as error:
        raise BadInput(f"{path} is no JSON object: {error}", hint="as in .mcp.json") from error
    found = servers_in(whole, str(path), environment)
    if not found:
        raise BadInput(
            f"{path} names no server", hint='{"mcpServers": {"payments": {"command": "...", "args": []}}}'
        )
    return found


def servers_in(
    whole: Mapping[str, Json], where: str, environment: Mapping[str, str] | None = None
) -> tuple[Server, ...]:
    """Return the servers within a client's settings; those that are switched off are left out."""
    kept = os.environ if environment is None else environment
    inner = whole.get("mcpServers", whole.get("servers", whole.get("mcp", whole)))
    if not isinstance(inner, dict):
        raise BadInput(f"{where}: the servers are no object", hint='{"mcpServers": {NAME: {...}}}')
    found: list[Server] = []
    for name, entry in cast("dict[str, Json]", inner).items():
        try:
            read = msgspec.convert(entry, _Entry)
        except msgspec.ValidationError as error:
            raise BadInput(f"{where}: server {name!r}: {error}", hint="correct the field it names") from error
        if read.enabled and not read.disabled:
            found.append(_server(named(name), read, where, kept))
    return tuple(found)


def _server(name: str, read: _Entry, where: str, environment: Mapping[str, str]) -> Server:
    def filled(text: str) -> str:
        return _filled(text, environment, f"{where}: server {name!r}")

    url = read.url or read.http_url or read.server_url
    first = [read.command] if isinstance(read.command, str) else read.command
    command = tuple(filled(word) for word in [*first, *read.args] if word)
    if bool(command) == bool(url):
        raise BadInput(f"{where}: server {name!r} needs either a command or a url", hint="give one of them")
    said = _KINDS.get(read.type)
    if read.type and said is None:
        raise BadInput(f"{where}: server {name!r}: unknown type {read.type!r}", hint="stdio, http or sse")
    kind: Kind = "stdio" if command else "sse" if said == "sse" else "http"
    return Server(
        name,
        kind,
        command,
        {key: filled(value) for key, value in (read.env or read.environment or {}).items()},
        filled(read.cwd),
        filled(url),
        {key: filled(value) for key, value in (read.headers or {}).items()},
    )


def _filled(text: str, environment: Mapping[str, str], where: str) -> str:
    def value(found: re.Match[str]) -> str:
        name, otherwise = found[1], cast("str | None", found[2])
        held = environment.get(name, otherwise)
        if held is None:
            raise BadInput(
                f"{where}: the variable {name} isn't set", hint=f"set it, or write ${{{name}:-...}}"
            )
        return held

    return _VARIABLE.sub(value, text)
