"""What the tools of servers do to the world: the effects file, else the server's hints, else ``once``.

A server's annotations are hints by whoever wrote it. They are taken at their word where being wrong costs least:
``readOnlyHint`` makes a tool ``read``; ``idempotentHint`` makes it ``idempotent`` only together with
``destructiveHint: false``, since a late repetition of what overwrites or deletes undoes what others did meanwhile. A server that isn't
trusted so far gets ``annotations: ignore`` in the file. What contradicts itself, or says nothing, is ``once``.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, cast

import msgspec
import yaml

from perdure.contract.schemas import BadSchema, validator_of
from perdure.intention.declaration import Declaration, Divergence, EffectClass, Scope
from perdure.mcp.servers import SEPARATOR
from perdure.values.digest import Json
from perdure.values.errors import BadInput
from perdure.values.limits import MCP_CALL_SECONDS, MCP_SETTINGS_BYTES_MAX

_UNITS: Final = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


class KeyPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the other side wants to see our key: an argument of the tool, or a field of ``_meta``."""

    argument: str = ""
    meta: str = ""


class ToolEffect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says of one tool; what it leaves out is read off the annotations."""

    effect: Literal["read", "idempotent", "once"] | None = None
    identity: tuple[str, ...] | None = None
    scope: Scope = "lineage"
    volatile: tuple[str, ...] = ()
    on_divergence: Divergence | None = None
    key: KeyPlace | None = None
    key_lifetime: str = ""
    timeout: str = ""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    connects: tuple[str, ...] = ()
    decide: str = ""
    """what a person still has to decide; it is told at each start until the line is gone"""


class ServerEffects(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says of one server."""

    annotations: Literal["trust", "ignore"] = "trust"
    tools: dict[str, ToolEffect] = {}


class Effects(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole effects file."""

    servers: dict[str, ServerEffects] = {}

    def of(self, server: str, tool: str) -> ToolEffect:
        """Return what is said of a tool."""
        found = self.servers.get(server)
        return (found.tools.get(tool) if found else None) or ToolEffect()

    def undecided(self) -> tuple[str, ...]:
        """Return the tools of which a person has something left to decide."""
        return tuple(
            f"{server}{SEPARATOR}{tool}: {said.decide}"
            for server, effects in self.servers.items()
            for tool, said in effects.tools.items()
            if said.decide
        )


class ToolHints(msgspec.Struct, frozen=True, rename="camel"):
    """A server's annotations of one tool, as far as they are judged."""

    read_only_hint: bool | None = None
    destructive_hint: bool | None = None
    idempotent_hint: bool | None = None


def effects_of(path: Path | None) -> Effects:
    """Return what an effects file says, nothing without one; raises ``BadInput``."""
    if path is None:
        return Effects()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{path} can't be read: {error.strerror}", hint="`perdure mcp init` drafts an effects file"
        ) from error
    if len(content) > MCP_SETTINGS_BYTES_MAX:
        raise BadInput(f"{path} is no effects file: it has {len(content)} bytes", hint="name another")
    try:
        whole = cast("Json", yaml.safe_load(content))
        effects = msgspec.convert(whole or {}, Effects)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no YAML: {error}", hint="`perdure mcp init` drafts one") from error
    except msgspec.ValidationError as error:
        raise BadInput(
            f"{path}: {error}", hint="`servers: {NAME: {tools: {TOOL: {effect: once}}}}`"
        ) from error
    for server, said in effects.servers.items():
        for tool, one in said.tools.items():
            _checked(f"{path}: {server}.{tool}", one)
    return effects


def _checked(where: str, said: ToolEffect) -> None:
    _ = span_of(said.timeout, f"{where}.timeout"), span_of(said.key_lifetime, f"{where}.key_lifetime")
    if said.effect != "idempotent" and (said.key_lifetime or said.key):
        raise BadInput(f"{where}: a key is for `effect: idempotent`", hint="say so, or leave the key out")
    if said.key and bool(said.key.argument) == bool(said.key.meta):
        raise BadInput(f"{where}.key names an argument or a field of meta", hint="`key: {argument: key}`")
    if said.effect == "read" and (said.identity is not None or said.on_divergence):
        raise BadInput(f"{where}: what only reads has no identity", hint="leave identity out")


def span_of(text: str, where: str) -> int | None:
    """Return a time like ``90s`` or ``24h`` in nanoseconds; None for nothing."""
    if not text:
        return None
    found = _SPAN.fullmatch(text)
    if found is None:
        raise BadInput(f"{where}: {text!r} is no time", hint="as in 500ms, 90s, 10m, 24h or 7d")
    return int(float(found[1]) * _UNITS[found[2]])


def hinted(hints: ToolHints) -> EffectClass:
    """Return the class that a server's annotations allow."""
    if hints.read_only_hint is True:
        return "once" if hints.destructive_hint is True else "read"
    if hints.idempotent_hint is True and hints.destructive_hint is False:
        return "idempotent"
    return "once"


def declared(server: str, tool: Mapping[str, Json], effects: Effects) -> Declaration:
    """Return the declaration of a server's tool, from what it says of itself and what the file says."""
    name = str(tool.get("name", ""))
    said = effects.of(server, name)
    return _declaration(
        f"{server}{SEPARATOR}{name}", tool, said, said.effect or _class(server, tool, effects)
    )


def _class(server: str, tool: Mapping[str, Json], effects: Effects) -> EffectClass:
    found = effects.servers.get(server)
    if found is not None and found.annotations == "ignore":
        return "once"
    return hinted(hints_of(tool))


def hints_of(tool: Mapping[str, Json]) -> ToolHints:
    """Return the annotations of a tool; what can't be read says nothing."""
    try:
        return msgspec.convert(tool.get("annotations") or {}, ToolHints)
    except msgspec.ValidationError:
        return ToolHints()


def _declaration(name: str, tool: Mapping[str, Json], said: ToolEffect, effect: EffectClass) -> Declaration:
    schema = _schema(tool.get("inputSchema"), said)
    volatile = said.volatile
    if said.key and said.key.argument and said.key.argument not in volatile:
        volatile = (*volatile, said.key.argument)
    return Declaration(
        name,
        str(tool.get("description") or tool.get("title") or ""),
        schema,
        effect=effect,
        identity=None if effect == "read" else said.identity,
        scope=said.scope,
        volatile=volatile,
        on_divergence=said.on_divergence or _divergence(effect, identified=said.identity is not None),
        key_lifetime=span_of(said.key_lifetime, name),
        timeout=span_of(said.timeout, name) or int(MCP_CALL_SECONDS * 1e9),
        reads=said.reads,
        writes=said.writes,
        connects=said.connects,
    )


def _divergence(effect: EffectClass, *, identified: bool) -> Divergence:
    """Return the safe side of a class, as tools of our own have it."""
    if effect == "once":
        return "ask"
    return "refuse" if identified and effect != "read" else "allow"


def _schema(given: Json, said: ToolEffect) -> dict[str, Json]:
    """Return the schema of the arguments; one that nobody can read judges nothing, the server does."""
    if not isinstance(given, dict):
        return {}
    schema = dict(cast("dict[str, Json]", given))
    required = schema.get("required")
    if said.key and said.key.argument and isinstance(required, list):
        # The key is put in by us.
        schema["required"] = [each for each in cast("list[Json]", required) if each != said.key.argument]
    try:
        _ = validator_of(schema)
    except BadSchema:
        return {}
    return schema


def unknown_names(server: str, tools: Sequence[Mapping[str, Json]], effects: Effects) -> tuple[str, ...]:
    """Return what the file names and the server doesn't have, so that a misspelt tool isn't silently ``once``."""
    found = effects.servers.get(server)
    if found is None:
        return ()
    there = {str(tool.get("name", "")): tool for tool in tools}
    wrong = [f"{server} has no tool {name!r}" for name in found.tools if name not in there]
    for name, said in found.tools.items():
        schema = there.get(name, {}).get("inputSchema")
        inner = cast("dict[str, Json]", schema).get("properties") if isinstance(schema, dict) else None
        if isinstance(inner, dict):
            wrong += [
                f"{server}.{name} has no argument {argument!r}"
                for argument in (*(said.identity or ()), *said.volatile)
                if argument.split(".")[0] not in inner
            ]
    return tuple(wrong)
