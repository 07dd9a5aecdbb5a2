"""The arguments of a tool as conditions see them: each with a CEL type taken from its JSON Schema.

Every field is declared by its full name (``args.to.iban``) and nothing else of ``args`` is, so that
a typing error is an undeclared name when the contract is loaded, not a missing one at run time.

- A value that is ``null`` counts as absent, and ``has(args.x)`` tells. A schema's default stands in.
- Whole numbers arrive as ints where the schema says integer, and as floats where it says number.
- A schema that declares no properties makes ``args`` one open map, unchecked.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from cel_expr_python.cel import Type

from perdure.values.digest import Json

NESTING_MAX: Final = 6
"""Objects within objects whose fields get a type; deeper ones, and circles, are unchecked maps."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[A-Za-z0-9_/ -]+")


class Kind(NamedTuple):
    """A CEL type; ``item`` is that of a list's or map's values."""

    name: Literal["bool", "int", "double", "string", "list", "map", "dyn"]
    item: "Kind | None" = None


class Field(NamedTuple):
    """One argument, or a part of one. An object whose parts are declared has no kind of its own."""

    name: str
    """as conditions spell it: ``args.to.iban``"""
    path: tuple[str, ...]
    kind: Kind | None
    sure: bool
    """whether it is there in every call that fits the schema"""
    default: Json = None


OPEN: Final = Kind("map", Kind("dyn"))
_DYN: Final = Kind("dyn")
_PLAIN: Final[Mapping[str, Kind]] = {
    "boolean": Kind("bool"),
    "integer": Kind("int"),
    "number": Kind("double"),
    "string": Kind("string"),
}


def fields_of(schema: Mapping[str, Json]) -> tuple[Field, ...] | None:
    """Return the fields that ``schema`` declares, outer ones first; None if it declares none."""
    return tuple(_fields(schema, schema, (), sure=True)) or None


def values_of(fields: tuple[Field, ...] | None, arguments: Mapping[str, Json]) -> dict[str, object]:
    """Return what a condition may look at: ``args.*``, and ``has.args.*`` for what may be absent.

    Raises ``ValueError`` or ``OverflowError`` where a value can't have its declared type.
    """
    if fields is None:
        return {"args": arguments}
    seen: dict[str, object] = {}
    for name, path, kind, _, default in fields:
        value = _at(path, arguments)
        if value is None:
            value = default
        seen[f"has.{name}"] = value is not None
        if value is not None and kind is not None:
            seen[name] = _typed(kind, value)
    return seen


def types_of(fields: tuple[Field, ...] | None) -> dict[str, Type]:
    """Return the declarations of the variables that ``values_of`` gives."""
    if fields is None:
        return {"args": cel_type(OPEN)}
    types: dict[str, Type] = {}
    for field in fields:
        types[f"has.{field.name}"] = Type.BOOL
        if field.kind is not None:
            types[field.name] = cel_type(field.kind)
    return types


def declared(schema: Mapping[str, Json], path: tuple[str, ...]) -> Mapping[str, Json] | None:
    """Return the schema of the argument at ``path``, through lists; None if there is no such argument.

    Where the schema leaves open what there is, anything may be there.
    """
    meant: Mapping[str, Json] = schema
    for name in path:
        meant = _resolved(meant, schema)[0]
        while isinstance(items := meant.get("items"), dict):
            meant = _resolved(items, schema)[0]
        properties = meant.get("properties")
        if not isinstance(properties, dict) or not properties:
            return {}
        found = properties.get(name)
        if found is None:
            return None
        meant = found if isinstance(found, dict) else {}
    return meant


def cel_type(kind: Kind) -> Type:
    """Return CEL's word for ``kind``."""
    match kind.name:
        case "bool":
            return Type.BOOL
        case "int":
            return Type.INT
        case "double":
            return Type.DOUBLE
        case "string":
            return Type.STRING
        case "list":
            return Type.List(cel_type(kind.item or _DYN))
        case "map":
            return Type.Map(Type.STRING, cel_type(kind.item or _DYN))
        case "dyn":
            return Type.DYN


def _fields(
    schema: Mapping[str, Json], root: Mapping[str, Json], path: tuple[str, ...], *, sure: bool
) -> Iterator[Field]:
    required = schema.get("required")
    named = required if isinstance(required, list) else []
    for name, part in _objects(schema.get("properties")):
        if not _NAME.fullmatch(name):
            continue
        here = (*path, name)
        spelled = ".".join(("args", *here))
        meant, nullable = _resolved(part, root)
        default = part.get("default")
        certain = sure and ((name in named and not nullable) or default is not None)
        if len(here) < NESTING_MAX and _objects(meant.get("properties")):
            yield Field(spelled, here, None, certain)
            yield from _fields(meant, root, here, sure=certain)
        else:
            yield Field(spelled, here, _kind(meant, root, len(here)), certain, default)


def _kind(schema: Mapping[str, Json], root: Mapping[str, Json], depth: int) -> Kind:
    if depth > NESTING_MAX:
        return _DYN
    word = schema.get("type")
    if word is None:
        listed = [schema["const"]] if "const" in schema else schema.get("enum")
        word = _common([_word(value) for value in listed]) if isinstance(listed, list) else None
    if word is None and (options := _options(schema)):
        kinds = [_kind(_resolved(option, root)[0], root, depth + 1) for option in options]
        return kinds[0] if all(kind == kinds[0] for kind in kinds) else _DYN
    match word:
        case "array":
            items = schema.get("items")
            inner = _kind(_resolved(items, root)[0], root, depth + 1) if isinstance(items, dict) else _DYN
            return Kind("list", inner)
        case "object":
            rest = schema.get("additionalProperties")
            closed = isinstance(rest, dict) and not schema.get("properties")
            inner = (
                _kind(_resolved(rest, root)[0], root, depth + 1)
                if closed and isinstance(rest, dict)
                else _DYN
            )
            return Kind("map", inner)
        case str():
            return _PLAIN.get(word, _DYN)
        case _:
            return _DYN


def _resolved(schema: Mapping[str, Json], root: Mapping[str, Json]) -> tuple[Mapping[str, Json], bool]:
    """Follow references and drop ``null``; tell whether null was among what is allowed."""
    nullable = False
    for _ in range(NESTING_MAX):
        word, reference = schema.get("type"), schema.get("$ref")
        options = _options(schema)
        real = [option for option in options if option.get("type") != "null"]
        if isinstance(reference, str) and reference.startswith("#/"):
            schema = _pointed(root, reference)
        elif isinstance(word, list):
            words = [item for item in word if item != "null"]
            nullable = nullable or len(words) < len(word)
            return {**schema, "type": words[0] if len(words) == 1 else "any"}, nullable
        elif len(options) > 1 and len(real) == 1:
            schema, nullable = real[0], True
        elif len(options) == 1:
            schema = options[0]
        else:
            return schema, nullable or len(real) < len(options)
    return {}, nullable


def _options(schema: Mapping[str, Json]) -> list[dict[str, Json]]:
    """Return the alternatives of a schema that says nothing else of its type."""
    if "type" in schema or "properties" in schema:
        return []
    for word in ("anyOf", "oneOf", "allOf"):
        listed = schema.get(word)
        if isinstance(listed, list) and (word != "allOf" or len(listed) == 1):
            return [option for option in listed if isinstance(option, dict)]
    return []


def _pointed(root: Mapping[str, Json], reference: str) -> dict[str, Json]:
    found: Json = dict(root)
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _objects(properties: Json) -> list[tuple[str, dict[str, Json]]]:
    if not isinstance(properties, dict):
        return []
    return [(name, part if isinstance(part, dict) else {}) for name, part in properties.items()]


def _word(value: Json) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case _:
            return "any"


def _common(words: list[str]) -> str | None:
    return words[0] if words and all(word == words[0] for word in words) else None


def _at(path: tuple[str, ...], arguments: Mapping[str, Json]) -> Json:
    found: Json = arguments.get(path[0])
    for name in path[1:]:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _typed(kind: Kind, value: Json) -> object:
    """Return ``value`` as CEL wants it; a whole float is an int where the schema says integer."""
    match kind.name, value:
        case ("int", float()) if value.is_integer():
            return int(value)
        case ("double", int()):
            return float(value)
        case ("list", list()) if kind.item is not None:
            item = kind.item
            return [_typed(item, part) for part in value]
        case ("map", dict()) if kind.item is not None:
            item = kind.item
            return {name: _typed(item, part) for name, part in value.items()}
        case _:
            return value
