"""Types of parameters to JSON Schema, and to the struct that reads arguments.

msgspec knows plain types, dataclasses, TypedDicts and structs. A pydantic model is recognised by
what it can do (``model_json_schema``), so that users may bring it and we never import it.

Invariants:
- Every object in a schema that lists its properties allows no others, unless its own model says so.
- Every ``$ref`` points to a place under the schema's own ``$defs``.
"""

import contextlib
import re
import typing
from collections.abc import Callable, Iterator

import msgspec

from perdure.adapters.tools.convert import plain
from perdure.adapters.tools.modelled import Modelled
from perdure.adapters.tools.signature import ABSENT, NOTHING, Parameter
from perdure.values.digest import Json
from perdure.values.errors import BadTool


def reader_of(name: str, parameters: tuple[Parameter, ...], *, label: str) -> type[msgspec.Struct]:
    """Return a struct type with one field per parameter; those not given are ``ABSENT``."""
    fields: list[tuple[str, type] | tuple[str, type, object]] = []
    for parameter in parameters:
        kind = _checked(parameter, label)
        if parameter.default is NOTHING:
            fields.append((parameter.name, kind))
        else:
            fields.append((parameter.name, kind, msgspec.field(default_factory=_absent)))
    safe = re.sub(r"\W", "_", name)
    return msgspec.defstruct(f"{safe}_arguments", fields, kw_only=True, forbid_unknown_fields=True)


def _absent() -> object:
    return ABSENT


def _checked(parameter: Parameter, label: str) -> type:
    if parameter.annotation is NOTHING:
        raise BadTool(
            f"{label}: parameter {parameter.name!r} has no type",
            hint=f"annotate it, for example {parameter.name}: str",
        )
    for note in _notes(parameter.annotation):
        if not isinstance(note, type) and type(note).__module__.partition(".")[0] in {
            "pydantic",
            "annotated_types",
        }:
            raise BadTool(
                f"{label}: parameter {parameter.name!r} carries {type(note).__name__}(...), which is read "
                "only inside a pydantic model",
                hint="use Annotated[..., msgspec.Meta(...)], or move the field into a model",
            )
    return typing.cast("type", parameter.annotation)


def _notes(annotation: object) -> Iterator[object]:
    """Yield all that stands within the brackets of a type, at any depth."""
    inner: tuple[object, ...] = typing.get_args(annotation)
    for part in inner:
        yield part
        yield from _notes(part)


def schema_of(
    reader: type[msgspec.Struct],
    parameters: tuple[Parameter, ...],
    descriptions: dict[str, str],
    *,
    label: str,
) -> dict[str, Json]:
    """Return the JSON Schema of the arguments that ``reader`` reads."""
    lifted: dict[str, Json] = {}
    try:
        shapes, components = msgspec.json.schema_components(
            [reader], schema_hook=_lifter(lifted), ref_template="#/$defs/{name}"
        )
    except (TypeError, NotImplementedError) as error:
        raise BadTool(
            f"{label}: {error}",
            hint="use plain types, Optional, Literal, Enum, dataclass, TypedDict, msgspec.Struct, a pydantic "
            "model, or lists and dicts of them; put a union of models inside a model",
        ) from error
    parts = typing.cast("dict[str, Json]", components)
    whole = parts.pop(_name_in(shapes[0]))
    if not isinstance(whole, dict):
        raise BadTool(f"{label}: its parameters have no JSON Schema")
    whole.pop("title", None)
    _describe(whole, parameters, descriptions)
    defs = {**parts, **lifted}
    if defs:
        whole["$defs"] = defs
    return _closed(whole)


def _name_in(shape: dict[str, object]) -> str:
    return str(shape["$ref"]).rpartition("/")[2]


def _describe(
    whole: dict[str, Json], parameters: tuple[Parameter, ...], descriptions: dict[str, str]
) -> None:
    """Add to each property what the docstring says of it, and its default where JSON can spell it."""
    properties = whole.get("properties")
    if not isinstance(properties, dict):
        return
    for parameter in parameters:
        shape = properties.get(parameter.name)
        if not isinstance(shape, dict):
            continue
        if parameter.name in descriptions:
            shape.setdefault("description", descriptions[parameter.name])
        if parameter.default is not NOTHING:
            with contextlib.suppress(BadTool):
                shape["default"] = plain(parameter.default)


def _lifter(lifted: dict[str, Json]) -> Callable[[type], dict[str, Json]]:
    """Return a schema hook that puts the definitions of pydantic models into ``lifted``."""
    names: dict[object, str] = {}

    def hook(kind: type) -> dict[str, Json]:
        if not isinstance(kind, Modelled):
            raise NotImplementedError(f"the type {kind.__qualname__} has no JSON Schema")
        name = str(getattr(kind, "__name__", "model"))
        taken = sum(known == name for each, known in names.items() if each is not kind)
        names[kind] = name
        prefix = f"{name}{taken or ''}"
        shape = kind.model_json_schema(ref_template=f"#/$defs/{prefix}-{{model}}")
        inner = shape.pop("$defs", None)
        if isinstance(inner, dict):
            lifted.update({f"{prefix}-{part_name}": part for part_name, part in inner.items()})
        return shape

    return hook


def _closed(shape: dict[str, Json]) -> dict[str, Json]:
    """Return ``shape`` with every object that lists its properties closed to others."""
    closed = {name: _closed_below(name, part) for name, part in shape.items()}
    if "properties" in closed and closed.get("type", "object") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def _closed_below(name: str, part: Json) -> Json:
    """Return a member of a schema closed; names of properties and values of enums are no schemas."""
    if name in {"properties", "$defs"} and isinstance(part, dict):
        return {each: _closed_below("", inner) for each, inner in part.items()}
    if name in {"enum", "const", "default", "examples", "required"}:
        return part
    if isinstance(part, dict):
        return _closed(part)
    if isinstance(part, list):
        return [_closed_below("", inner) for inner in part]
    return part
