"""Who asks for something in words that nobody can read is told so: the request's id is looked for in what came."""

import json
import re
from typing import Final, cast

PARSE_ERROR: Final = -32700
"""JSON-RPC's code for it."""

_DIGITS_MAX: Final = 20
_NEAR_BYTES: Final = 200
_NUMBER: Final = re.compile(rb'"id"\s*:\s*([0-9]{1,18})\s*[,}]')


def asked_by(line: bytes) -> str | int | None:
    """Return the id of the request that ``line`` seems to be; None where there is none, or none to be found."""
    try:
        found = cast("object", json.loads(line.decode(errors="replace"), parse_int=_short))
    except (ValueError, RecursionError):
        near = _NUMBER.search(line[:_NEAR_BYTES]) or _NUMBER.search(line[-_NEAR_BYTES:])
        return int(near[1]) if near is not None else None
    if not isinstance(found, dict) or "method" not in found:
        return None
    name = cast("dict[str, object]", found).get("id")
    return name if isinstance(name, str | int) and not isinstance(name, bool) else None


def _short(digits: str) -> int:
    return int(digits) if len(digits) <= _DIGITS_MAX else 0
