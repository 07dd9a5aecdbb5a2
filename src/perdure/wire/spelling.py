"""What JSON and UTF-8 can't carry, made into something that they can.

A model's arguments are read strictly: where two readers could understand two things (a key that
stands twice, NaN, a number beyond all floats), nothing is understood and the model is asked again.
"""

import json
import math
import re
from typing import Final, NoReturn, cast

from perdure.intention.reply import Call
from perdure.values.digest import Json, name_of

UNREADABLE_CHARACTERS_MAX: Final = 500
"""Kept of arguments that can't be read: enough for the model to see what it wrote."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""What all providers take as the id of a call."""

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
TOOL_NAME_CHARACTERS_MAX: Final = 64


def clean(value: Json) -> Json:
    """Return ``value`` so that every JSON writer can spell it: no half pairs of surrogates, no NaN."""
    match value:
        case str():
            return clean_text(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case list():
            return [clean(item) for item in value]
        case dict():
            return {clean_text(name): clean(item) for name, item in value.items()}
        case _:
            return value


def clean_text(text: str) -> str:
    """Return ``text`` with halves of surrogate pairs replaced by U+FFFD, and whole pairs joined."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def safe_id(name: str) -> str:
    """Return ``name`` if every provider takes it as the id of a call; else one made from it."""
    return name if _ID.fullmatch(name) else f"call_{name_of('call', clean_text(name))[:24]}"


def safe_tool(name: str) -> str:
    """Return the name of a tool that may not exist so that a provider takes it back."""
    return _NOT_IN_A_NAME.sub("_", name)[:TOOL_NAME_CHARACTERS_MAX] or "unnamed"


def read_call(call_id: str, tool: str, text: str) -> Call:
    """Return the call whose arguments are spelled in ``text``; unreadable ones say why."""
    try:
        found = _object(text)
    except (ValueError, RecursionError) as error:
        words = clean_text(text[:UNREADABLE_CHARACTERS_MAX])
        return Call(call_id, clean_text(tool), None, f"{_first_line(error)}: {words}")
    return Call(call_id, clean_text(tool), found)


def _object(text: str) -> dict[str, Json]:
    if not text.strip():
        return {}
    value = cast("Json", json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number))
    whole = clean(value) if _finite(value) else None
    if not isinstance(whole, dict):
        raise ValueError("not an object" if _finite(value) else "a number is too large")  # noqa: TRY004 - one error for all that is unreadable
    return whole


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _finite(value: Json) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case list():
            return all(_finite(item) for item in value)
        case dict():
            return all(_finite(item) for item in value.values())
        case _:
            return True


def _first_line(error: Exception) -> str:
    return clean_text(str(error)).partition("\n")[0] or "nested too deeply"
