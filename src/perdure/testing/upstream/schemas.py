"""Schemas of tools: valid ones pass, calls fit them, and answers can be made from them."""

import jsonschema_rs

from perdure.values.digest import Json


def valid_schema(schema: dict[str, Json]) -> bool:
    """Tell whether ``schema`` is one that calls can be checked against."""
    try:
        jsonschema_rs.validator_for(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
        return False
    return True


def fits(schema: dict[str, Json], arguments: Json) -> bool:
    """Tell whether ``arguments`` are what ``schema`` allows."""
    return jsonschema_rs.is_valid(schema, arguments)


def filled(schema: Json, text: str) -> Json:
    """Return the smallest value that fits ``schema``, with ``text`` where words are wanted."""
    if not isinstance(schema, dict):
        return text
    for many in ("anyOf", "oneOf"):
        options = schema.get(many)
        if isinstance(options, list) and options:
            return filled(options[0], text)
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    if "const" in schema:
        return schema["const"]
    return _of_type(schema, text)


def _of_type(schema: dict[str, Json], text: str) -> Json:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties")
        needed = schema.get("required")
        names = needed if isinstance(needed, list) else []
        inner = properties if isinstance(properties, dict) else {}
        return {str(name): filled(inner.get(str(name)), text) for name in names}
    plain: dict[str, Json] = {"array": [], "integer": 1, "number": 1, "boolean": False, "null": None}
    return plain.get(str(kind), text)
