"""A first effects file: what servers say of their tools, and what a person has to decide, marked.

Nothing is guessed into effect. A guess is a comment; what stands in force is what the server's own hints allow, and
every tool that changes something carries a line ``decide`` until somebody has looked at it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

from perdure.mcp.effects import ServerEffects, hinted, hints_of
from perdure.mcp.servers import Server
from perdure.values.digest import Json

_CHANGES = re.compile(
    r"(?:^|_)(?:add|book|buy|cancel|charge|create|delete|deploy|drop|edit|insert|merge|move|order|pay|post|publish|push|"
    r"refund|remove|rename|run|send|set|submit|transfer|update|upload|write)(?:_|$)"
)
_SAME: Final = re.compile(
    r"(?:^|_)(?:id|ids|number|no|invoice|order|ticket|issue|path|name|email|slug|sku|account)$"
)
_MINTED: Final = re.compile(
    r"(?:^|_)(?:nonce|timestamp|reference|ref|request_id|trace_id|correlation_id|uuid|now|date|time)$"
)
_KEYS: Final = re.compile(r"(?:^|_)(?:idempotency_key|idempotency|dedupe_key|dedup_key|client_token)$")
_WORDS_MAX: Final = 90

HEAD: Final = """\
# What the tools of these servers do to the world. Drafted by `perdure mcp init` from the servers' own lists and hints.
#
#   effect: read         changes nothing; in doubt it is done again
#           idempotent   repeating it is harmless, also late, or the other side honours the key that it is given
#           once         the rest, and the default: in doubt nothing is done before a person has looked
#   identity: [fields]   calls that agree in these are the same act, however the rest is worded: at most one succeeds
#   volatile: [fields]   say nothing about what is done: a reference made up for each call
#   key: {argument: x}   where the server takes an idempotency key (with `effect: idempotent`, `key_lifetime: 24h`)
#
# Each `decide` is told at every start until you have decided and taken the line out.
"""


def drafted(servers: Sequence[tuple[Server, Sequence[Mapping[str, Json]]]]) -> str:
    """Return the text of an effects file for servers with their tools."""
    lines = [HEAD, "servers:"]
    for server, tools in servers:
        lines += [f"  {_quoted(server.name)}:", f"    annotations: {ServerEffects().annotations}"]
        lines.append("    tools:" if tools else "    tools: {}")
        for tool in sorted(tools, key=lambda tool: str(tool.get("name"))):
            lines += _tool(tool)
    return "\n".join(lines) + "\n"


def undecided(tool: Mapping[str, Json]) -> str:
    """Return what a person has to decide of a tool; empty for one that only reads and looks like it."""
    hints, name = hints_of(tool), _snake(str(tool.get("name", "")))
    effect = hinted(hints)
    if effect == "read":
        changes = _CHANGES.search(name)
        return (
            f"the server says that it only reads, its name says {changes[0].strip('_')!r}" if changes else ""
        )
    if hints.read_only_hint is True:
        return "its hints contradict each other: does it only read, or does it destroy?"
    if effect == "idempotent":
        return "the server says that repeating it is harmless: is it, also hours later?"
    same = [
        each for each in _arguments(tool) if _SAME.search(_snake(each)) and not _MINTED.search(_snake(each))
    ]
    asked = "which arguments make two calls the same act?"
    return f"{asked} perhaps {', '.join(same[:4])}" if same else asked


def _tool(tool: Mapping[str, Json]) -> list[str]:
    arguments = _arguments(tool)
    lines = [f"      {_quoted(str(tool.get('name', '')))}:"]
    words = _shown(" ".join(str(tool.get("description") or tool.get("title") or "").split()))
    if words:
        lines.append(f"        # {words[:_WORDS_MAX]}{'…' if len(words) > _WORDS_MAX else ''}")
    if arguments:
        lines.append(f"        # arguments: {_shown(', '.join(arguments))}")
    effect = hinted(hints_of(tool))
    lines.append(f"        effect: {effect}")
    if effect != "read":
        same = [each for each in arguments if _SAME.search(_snake(each)) and not _MINTED.search(_snake(each))]
        minted = [each for each in arguments if _MINTED.search(_snake(each))]
        keys = [each for each in arguments if _KEYS.search(_snake(each))]
        if same:
            lines.append(f"        # identity: [{', '.join(map(_quoted, same[:2]))}]")
        if minted:
            lines.append(f"        # volatile: [{', '.join(map(_quoted, minted))}]")
        if keys:
            lines += ["        # key_lifetime: 24h", f"        # key: {{argument: {_quoted(keys[0])}}}"]
    decide = undecided(tool)
    if decide:
        lines.append(f"        decide: {_quoted(decide)}")
    return lines


def _arguments(tool: Mapping[str, Json]) -> list[str]:
    schema = tool.get("inputSchema")
    inner = cast("dict[str, Json]", schema).get("properties") if isinstance(schema, dict) else None
    return list(cast("dict[str, Json]", inner)) if isinstance(inner, dict) else []


def _snake(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def _quoted(text: str) -> str:
    """Return ``text`` as YAML reads it back: as it is where that is safe, else in quotes."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", text) and text.lower() not in _WORDS_OF_YAML:
        return text
    return '"' + "".join(each if _is_safe(each) else f"\\U{ord(each):08x}" for each in text) + '"'


def _is_safe(sign: str) -> bool:
    return sign.isprintable() and sign not in '"\\'


def _shown(text: str) -> str:
    """Return ``text`` as it may stand in a comment."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


_WORDS_OF_YAML: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
