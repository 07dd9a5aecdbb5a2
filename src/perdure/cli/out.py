"""Standard output: text for people, or one JSON document for programs."""

from collections.abc import Mapping
from typing import cast

import click
import msgspec

from perdure.values.digest import Json


def put(document: object) -> None:
    """Print ``document`` as one line of JSON."""
    click.echo(msgspec.json.encode(plain(document)))


def plain(value: object) -> Json:
    """Return ``value`` as JSON: structs and tuples by the names of their fields, bytes as hex."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.hex()
        case msgspec.Struct():
            return {name: plain(_field(value, name)) for name in value.__struct_fields__}
        case Mapping():
            pairs = cast("Mapping[object, object]", value)
            return {str(key): plain(item) for key, item in pairs.items()}
        case tuple() | list():
            items = cast("list[object]", value)
            names = cast("tuple[str, ...]", getattr(items, "_fields", ()))
            if names:
                return {name: plain(_field(items, name)) for name in names}
            return [plain(item) for item in items]
        case _:
            return str(value)


def _field(value: object, name: str) -> object:
    return cast("object", getattr(value, name))
