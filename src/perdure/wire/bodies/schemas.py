"""A call of a tool whose schema was paged out, held against that schema."""

from collections.abc import Mapping

from perdure.contract.schemas import BadSchema, faults_of, validator_of
from perdure.values.digest import Json
from perdure.wire.bodies.nouns import OfferedTool
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.spans import FAULTS, decoded
from perdure.wire.spelling import read_call


def schema_of(request: RequestBody, tool: OfferedTool) -> bytes:
    """Return the schema of ``tool`` as the client spells it; empty where it has none."""
    return request.body[tool.schema.start : tool.schema.end] if tool.schema is not None else b""


def misses(schema: bytes, arguments: str | Mapping[str, Json]) -> list[str]:
    """Return what is wrong with ``arguments``, in a few sentences; none where they fit.

    None as well where the schema is none that can be checked: then the client judges, as without us.
    """
    if isinstance(arguments, str):
        call = read_call("", "", arguments)
        if call.arguments is None:
            return [f"the arguments can't be read: {call.unreadable}"]
        arguments = call.arguments
    try:
        shape = decoded(schema)
        return faults_of(validator_of(shape), arguments) if isinstance(shape, dict) else []
    except (BadSchema, *FAULTS):
        return []
