"""Whether a request goes on where the one before it ended: what a provider's cache needs.

Invariants:
- Compared is what the cache is concerned with: marks of caches, and whether a text stands alone or in a list of one
  block, make no difference.
- A step of the sequence is explained by the client if its own requests break there too, and by a move if all that
  changed are results that became stubs of pages which the log says were evicted.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from perdure.testing.upstream.question import Spoken, without_marks
from perdure.values.digest import Json
from perdure.wire.reading import dicts_at, text_raw

_HANDLE: Final = re.compile(r"(?<![\w-])p-[a-z2-9]{10,48}(?!\w)")
_RESULTS: Final = frozenset(
    {"tool_result", "tool", "function_call_output", "custom_tool_call_output", "local_shell_call_output"}
)


class Break(msgspec.Struct, frozen=True):
    """A request that doesn't extend the one before."""

    number: int
    """the request, from 0"""
    place: int
    """the first unit that differs"""
    cause: str
    """'client', 'move', or empty: nobody said why"""
    before: str = ""
    after: str = ""


def units_of(api: Spoken, body: bytes) -> list[str]:
    """Return a request as the stretches that a cache can hold, in the order in which it holds them."""
    shape = msgspec.json.decode(body, type=dict[str, Json])
    parts: list[Json] = [*dicts_at(shape, "tools")]
    match api:
        case "messages":
            parts += _blocks(shape.get("system"), "system")
            for message in dicts_at(shape, "messages"):
                parts += _blocks(message.get("content"), text_raw(message, "role"))
        case "chat":
            parts += [_one_shape(message) for message in dicts_at(shape, "messages")]
        case "responses":
            parts.append(shape.get("instructions"))
            given = shape.get("input")
            alone: dict[str, Json] = {"role": "user", "content": given}
            items = [alone] if isinstance(given, str) else dicts_at(shape, "input")
            parts += [_one_shape(item) for item in items]
        case "gemini":
            parts += [shape.get("systemInstruction"), *dicts_at(shape, "contents")]
    return [msgspec.json.encode(without_marks(part), order="deterministic").decode() for part in parts]


def broken_at(before: Sequence[str], after: Sequence[str]) -> int | None:
    """Return the first place at which ``after`` is not what ``before`` was; None where it extends it."""
    for place, unit in enumerate(before):
        if place >= len(after) or after[place] != unit:
            return place
    return None


def breaks(
    upstream: Sequence[list[str]], client: Sequence[list[str]], of: Sequence[int], evicted: AbstractSet[str]
) -> list[Break]:
    """Return the steps of ``upstream`` that don't extend what came before.

    ``of`` names for each of them the request of ``client`` that it was made for, and ``evicted`` the handles of the
    pages that the log says have left.
    """
    found: list[Break] = []
    for number in range(1, len(upstream)):
        before, after = upstream[number - 1], upstream[number]
        place = broken_at(before, after)
        if place is None:
            continue
        mine, last = of[number], of[number - 1]
        if mine != last and broken_at(client[last], client[mine]) is not None:
            cause = "client"
        else:
            cause = "move" if _moved(before, after, evicted) else ""
        pair = before[place][:400], after[place][:400] if place < len(after) else ""
        found.append(Break(number, place, cause, *pair))
    return found


def _moved(before: Sequence[str], after: Sequence[str], evicted: AbstractSet[str]) -> bool:
    """Tell whether all that changed are results that stubs of evicted pages now stand for."""
    if len(after) < len(before):
        return False
    changed = [(old, new) for old, new in zip(before, after, strict=False) if old != new]
    return all(_stubbed(old, new, evicted) for old, new in changed)


def _stubbed(old: str, new: str, evicted: AbstractSet[str]) -> bool:
    kinds = (msgspec.json.decode(each, type=dict[str, Json]) for each in (old, new))
    if not all(_is_result(kind) for kind in kinds):
        return False
    handles = set(_HANDLE.findall(new))
    return bool(handles & evicted) and len(new) < len(old)


def _is_result(unit: dict[str, Json]) -> bool:
    inner = unit.get("block")
    shape = inner if isinstance(inner, dict) else unit
    return text_raw(shape, "type") in _RESULTS or text_raw(shape, "role") in _RESULTS


def _blocks(content: Json, role: str) -> list[Json]:
    if isinstance(content, str):
        return [{"role": role, "block": {"type": "text", "text": content}}]
    return [{"role": role, "block": block} for block in content] if isinstance(content, list) else []


def _one_shape(message: dict[str, Json]) -> Json:
    content = message.get("content")
    if isinstance(content, list) and len(content) == 1:
        only = content[0]
        if isinstance(only, dict) and isinstance(only.get("text"), str):
            return {**message, "content": only["text"]}
    return message
