"""Arguments from JSON to the types of the function, and results back to JSON.

Invariants:
- ``plain`` gives only what JSON can spell and what every process spells alike: sets are sorted,
  NaN and infinities are words, whole numbers beyond 64 bits are digits in a text, halves of
  surrogate pairs are replaced.
- Bytes become ``{"base64": ...}``, which says of itself what it is.
"""

import base64
import enum
import math
from collections.abc import Callable
from pathlib import PurePath
from typing import cast

import msgspec

from perdure.adapters.tools.modelled import Dumped, Modelled
from perdure.adapters.tools.signature import ABSENT
from perdure.values.digest import Json, canonical
from perdure.values.errors import BadInput, BadTool
from perdure.wire.spelling import clean_text

_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**64 - 1
_RAW = (bytes, bytearray)

Reader = Callable[[dict[str, Json]], dict[str, object]]


def reader_for(reader: type[msgspec.Struct], *, label: str) -> Reader:
    """Return what turns arguments into typed values, leaving out those that were not given."""
    names = reader.__struct_fields__

    def read(arguments: dict[str, Json]) -> dict[str, object]:
        try:
            found = msgspec.convert(arguments, reader, dec_hook=_model)
        except msgspec.ValidationError:
            found = _second_look(arguments)
        values: list[tuple[str, object]] = [(name, getattr(found, name)) for name in names]
        return {name: value for name, value in values if value is not ABSENT}

    def _second_look(arguments: dict[str, Json]) -> msgspec.Struct:
        """Read ``100.0`` as the integer that JSON Schema takes it for."""
        try:
            return msgspec.convert(whole(arguments), reader, dec_hook=_model)
        except msgspec.ValidationError as error:
            raise BadInput(f"{label}: {error}", hint="correct the argument it names") from error

    return read


def whole(value: Json) -> Json:
    """Return ``value`` with floats that are whole numbers as integers."""
    match value:
        case float():
            return int(value) if value.is_integer() else value
        case list():
            return [whole(item) for item in value]
        case dict():
            return {name: whole(item) for name, item in value.items()}
        case _:
            return value


def _model(kind: type, value: object) -> object:
    if isinstance(value, kind):
        return value
    if not isinstance(kind, Modelled):
        raise NotImplementedError(f"{kind.__qualname__} can't be read from JSON")
    return kind.model_validate(value)


def plain(result: object) -> Json:
    """Return ``result`` as JSON; raise ``BadTool`` naming the type that has no JSON form."""
    match result:
        case None | bool():
            return result
        case enum.Enum():
            return plain(cast("object", result.value))
        case str():
            return clean_text(result)
        case int():
            return int(result) if _INTEGER_MIN <= result <= _INTEGER_MAX else str(int(result))
        case float():
            return float(result) if math.isfinite(result) else str(float(result))
        case dict():
            return _table(cast("dict[object, object]", result))
        case list():
            return [plain(item) for item in cast("list[object]", result)]
        case _:
            return _built(result)


def _table(result: dict[object, object]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in result.items():
        spelled = plain(name)
        if isinstance(spelled, list | dict):
            raise BadTool(f"a result has the key {name!r}, and JSON allows only texts there")
        found[spelled if isinstance(spelled, str) else msgspec.json.encode(spelled).decode()] = plain(value)
    return found


def _built(result: object) -> Json:
    """Return what the other types are made of: sets, tuples, dataclasses, models, dates and the like."""
    match result:
        case tuple():
            names = cast("tuple[str, ...]", getattr(cast("object", result), "_fields", ()))
            items = [plain(item) for item in cast("tuple[object, ...]", result)]
            return dict(zip(names, items, strict=True)) if names else items
        case set() | frozenset():
            return sorted((plain(item) for item in cast("set[object]", result)), key=canonical)
        case bytes() | bytearray():
            return {"base64": base64.b64encode(result).decode()}
        case PurePath():
            return clean_text(str(result))
        case Dumped():
            return plain(result.model_dump(mode="json"))
        case _:
            return _fields(result)


def _fields(result: object) -> Json:
    try:
        built = cast(
            "object",
            msgspec.to_builtins(result, builtin_types=_RAW, order="deterministic", enc_hook=_foreign),
        )
    except TypeError as error:
        raise BadTool(
            f"a result of type {type(result).__qualname__} has no JSON form ({error})",
            hint="return plain values, a dataclass, a TypedDict, a msgspec.Struct or a pydantic model",
        ) from error
    return plain(built)


def _foreign(value: object) -> object:
    """Return the JSON form of a value that msgspec meets inside another."""
    if isinstance(value, Dumped | PurePath):
        return plain(value)
    raise TypeError(f"{type(value).__qualname__} is unknown")
