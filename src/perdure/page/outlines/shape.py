"""JSON: its shape, keys, lengths and samples.

Invariants:
- A text that is no JSON, or too large or too deep to be read at once, has no shape.
- The shape shows the outer levels first: where the room ends, the inner ones are only counted.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import msgspec

from perdure.page.outlines.sheet import Lined
from perdure.values.digest import Json
from perdure.values.limits import PREVIEW_JSON_CHARACTERS_MAX

_ITEMS: Final = 100
"""Items of a list that are looked at: their union tells the keys of all but odd ones."""

_KEYS: Final = 40
"""Keys shown of one object; an object with more is a table by itself."""

_DEEP: Final = 6
"""Levels shown at most."""

_MOST: Final = 6
"""Tenths of a JSON object that one text has to be, to be what is shown of it."""

_SAMPLE: Final = 60
"""Characters of a sample."""

_decode = msgspec.json.Decoder().decode


class Inner(NamedTuple):
    """The one long text in a JSON object, such as the output of a command, and what stands beside it."""

    field: str
    text: str
    beside: str


def long_text(sheet: Lined) -> Inner | None:
    """Return the text that most of the JSON object in ``sheet`` is; None where there is none."""
    text = sheet.text.strip()
    if text[:1] != "{" or len(text) > PREVIEW_JSON_CHARACTERS_MAX:
        return None
    whole = _read(text)
    if not isinstance(whole, dict) or not whole:
        return None
    field = max(whole, key=lambda key: len(value) if isinstance(value := whole[key], str) else -1)
    told = whole[field]
    if not isinstance(told, str) or len(told) * 10 < len(text) * _MOST or "\n" not in told:
        return None
    others = ", ".join(
        f"{_cut(key)} {_beside(value)}" for key, value in list(whole.items())[:_KEYS] if key != field
    )
    return Inner(
        _cut(field), told, others if len(others) <= 4 * _SAMPLE else others[: 4 * _SAMPLE - 3] + "..."
    )


def _beside(value: Json) -> str:
    if isinstance(value, dict):
        return _objects([value])
    return _lists([value]) if isinstance(value, list) else _spelled(value)


def shape_outline(sheet: Lined, room: int) -> list[str]:
    """Return the shape of the JSON in ``sheet`` in at most ``room`` characters; nothing where it is none."""
    values = _values(sheet)
    if not values:
        return []
    for depth in range(_DEEP, 0, -1):
        lines = _described(values, depth)
        if sum(len(line) + 1 for line in lines) <= room:
            return lines
    lines, kept = _described(values, 1), list[str]()
    room -= 40
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return [*kept, f"... and {len(lines) - len(kept)} more lines of this"]


def _values(sheet: Lined) -> list[Json]:
    """Return the one value of a JSON text, or those of its lines."""
    text = sheet.text.strip()
    if not text[:1] or text[0] not in "{[" or len(text) > PREVIEW_JSON_CHARACTERS_MAX:
        return []
    whole = _read(text)
    if whole is not None:
        return [whole]
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 2 or any(line.lstrip()[:1] not in ("{", "[") for line in lines[:_ITEMS]):
        return []
    read = [_read(line) for line in lines]
    return read if sum(value is None for value in read) * 20 <= len(read) else []


def _read(text: str) -> Json:
    """Return the object or list that ``text`` spells; None where it spells none."""
    try:
        found = cast("Json", _decode(text))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return found if isinstance(found, dict | list) else None


def _described(values: Sequence[Json], depth: int) -> list[str]:
    if len(values) == 1:
        return _lines("", values, "  ", depth)
    head = f"{len(values)} lines of JSON, each:"
    return [head, *_lines("", values[:_ITEMS], "  ", depth)]


def _lines(name: str, values: Sequence[Json], indent: str, depth: int) -> list[str]:
    """Return what all ``values`` that stand under ``name`` have in common."""
    objects = [value for value in values if isinstance(value, dict)]
    lists = [value for value in values if isinstance(value, list)]
    others = [value for value in values if not isinstance(value, dict | list)]
    told = [text for text in (_objects(objects), _lists(lists), _others(others)) if text]
    lines = [f"{indent}{name}{' or '.join(told)}"]
    if depth > 1 and objects:
        lines += _fields(objects, indent + "  ", depth - 1)
    if depth > 1 and lists:
        items = [item for value in lists for item in value[:_ITEMS]][: 4 * _ITEMS]
        if any(isinstance(item, dict | list) for item in items):
            lines += _lines("each: ", items, indent + "  ", depth - 1)
    return lines


def _fields(objects: Sequence[dict[str, Json]], indent: str, depth: int) -> list[str]:
    keys = list(dict.fromkeys(key for value in objects for key in list(value)[: 4 * _KEYS]))
    lines: list[str] = []
    for key in keys[:_KEYS]:
        values = [value[key] for value in objects if key in value]
        rare = f" (in {len(values)} of {len(objects)})" if len(values) < len(objects) else ""
        lines += _lines(f"{_cut(key)}{rare}: ", values, indent, depth)
    if len(keys) > _KEYS:
        lines.append(f"{indent}... and {len(keys) - _KEYS} more keys, the last of them {_cut(keys[-1])}")
    return lines


def _objects(values: Sequence[dict[str, Json]]) -> str:
    if not values:
        return ""
    return f"object, {_span([len(value) for value in values])} keys"


def _lists(values: Sequence[list[Json]]) -> str:
    if not values:
        return ""
    count = _span([len(value) for value in values])
    scalars = [item for value in values for item in value[:3] if not isinstance(item, dict | list)]
    sample = f", such as {', '.join(_spelled(item) for item in scalars[:3])}" if scalars else ""
    return f"list of {count}{sample}"


def _others(values: Sequence[Json]) -> str:
    distinct = list(dict.fromkeys(_spelled(value) for value in values))
    if len(distinct) <= 3:
        return ", ".join(distinct)
    return f"{', '.join(distinct[:2])}, ... ({len(distinct)} values)"


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}-{high}"


def _spelled(value: Json) -> str:
    match value:
        case str():
            return (
                f'"{_cut(value)}"' if len(value) <= _SAMPLE else f'"{_cut(value)}" ({len(value)} characters)'
            )
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case _:
            return _cut(str(value))


def _cut(text: str) -> str:
    line = " ".join(text[: 2 * _SAMPLE].split())
    return line if len(line) <= _SAMPLE else line[: _SAMPLE - 3] + "..."
