"""Arguments against JSON Schema, with what is wrong said so that a model can mend it."""

from collections.abc import Mapping
from typing import Final, NoReturn

import jsonschema_rs

from perdure.values.digest import Json

FAULTS_SHOWN_MAX: Final = 3
"""Faults told at once; a model mends a few better than many."""

FAULT_CHARACTERS_MAX: Final = 200
"""One fault; the validator quotes the value, which may be a whole file."""


class BadSchema(ValueError):
    """Something that isn't a JSON Schema; the message says where."""


def validator_of(schema: Mapping[str, Json]) -> jsonschema_rs.Validator:
    """Return the compiled form of ``schema``; raise ``BadSchema``. References elsewhere are refused."""
    try:
        return jsonschema_rs.validator_for(dict(schema), retriever=_refused)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise BadSchema(_short(str(error).split("\n", maxsplit=1)[0])) from error


def faults_of(validator: jsonschema_rs.Validator, arguments: Mapping[str, Json]) -> list[str]:
    """Return what is wrong with ``arguments``, at most a few sentences; none if they fit."""
    try:
        if validator.is_valid(arguments):
            return []
        found = [
            _short(f"{_spelled(error.instance_path)}{error.message}")
            for error in validator.iter_errors(arguments)
        ]
    except (ValueError, TypeError) as error:
        return [_short(f"the arguments can't be read: {error}")]
    more = len(found) - FAULTS_SHOWN_MAX
    return found[:FAULTS_SHOWN_MAX] + ([f"and {more} more"] if more > 0 else [])


def _spelled(path: list[str | int]) -> str:
    """Return 'items[0].price: ' for a path into the arguments."""
    built = ""
    for part in path:
        built += f"[{part}]" if isinstance(part, int) else f".{part}" if built else part
    return f"{built}: " if built else ""


def _short(text: str) -> str:
    return text if len(text) <= FAULT_CHARACTERS_MAX else f"{text[: FAULT_CHARACTERS_MAX - 1]}…"


def _refused(uri: str) -> NoReturn:
    raise ValueError(f"it refers to {uri}; put the definition into the schema itself")
