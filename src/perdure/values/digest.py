"""Names for bytes: SHA-256 in hex, and the one canonical form of a JSON value.

Invariants:
- A digest is always taken over bytes that exist somewhere; never over a re-encoding of them.
- ``canonical`` is for *names* (effect keys, argument digests), never for what is stored or sent.
"""

import hashlib
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
else:
    # msgspec resolves annotations at run time and has no recursive aliases
    Json = Any

_canonical = msgspec.json.Encoder(order="sorted")


def digest(content: bytes) -> str:
    """Return the SHA-256 of ``content`` as 64 hex characters."""
    return hashlib.sha256(content).hexdigest()


def short_digest(content: bytes) -> str:
    """Return 40 hex characters of the SHA-256 of ``content``: for names of arguments, not of blobs."""
    return hashlib.sha256(content).hexdigest()[:40]


def canonical(value: Json) -> bytes:
    """Return the one spelling of ``value``: sorted keys, and whole floats as integers.

    A model that re-words ``100`` as ``100.0`` or reorders fields means the same call.
    Raises ``ValueError`` for NaN and infinities, which JSON cannot spell.
    """
    return _canonical.encode(_plain(value))


def _plain(value: Json) -> Json:
    match value:
        case float():
            if not math.isfinite(value):
                raise ValueError("NaN and infinities have no JSON form")
            return int(value) if value.is_integer() and abs(value) < 2**53 else value
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def name_of(*parts: str | int | bytes) -> str:
    """Return 40 hex characters that name the tuple ``parts``; parts can not run into each other."""
    hasher = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        hasher.update(len(raw).to_bytes(8, "big"))
        hasher.update(raw)
    return hasher.hexdigest()[:40]
