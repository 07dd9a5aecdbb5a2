"""Blobs: bytes named by their SHA-256, stored once, compressed where that helps.

Invariants:
- A small blob is a row and shares its event's transaction; a large one has its row before the event, and its object
  before its row (``large``).
- What is read whole has the digest it is named by, or ``StoreDamaged`` is raised; so has each piece of a large one.
- A condemned blob counts as not here for whoever would lean on it; putting it again takes the sentence back.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import zstandard

from perdure.adapters.postgres.columns import raw, whole
from perdure.adapters.postgres.content.zstd import packed, unpacked
from perdure.adapters.postgres.judging.batch import Asked, columns_of
from perdure.adapters.postgres.layout import COMPRESSED_BYTES_MIN
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.wire import BYTES, INT, SMALL, Many, Statement
from perdure.values.digest import digest
from perdure.values.errors import BadInput, StoreDamaged
from perdure.values.limits import BLOB_BYTES_MAX, BLOB_IN_STORE_BYTES_MAX

PLAIN: Final = 0
ZSTD: Final = 1
OUTSIDE: Final = 2
"""its pieces are one object; the row holds their index"""
SPILLED: Final = 3
"""its pieces are rows of ``frames`` until the object store takes them; the row holds their index"""

_PARDON: Final = Statement(
    "UPDATE blobs SET condemned = NULL WHERE digest = ANY($1) AND condemned IS NOT NULL", (Many(BYTES),)
)
_PUT: Final = Statement(
    "INSERT INTO blobs (digest, size, form, content) SELECT * FROM unnest($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    (Many(BYTES), Many(INT), Many(SMALL), Many(BYTES)),
)
_LASTS: Final = "SELECT 1 FROM blobs WHERE digest = %s AND condemned IS NULL"
_LASTING: Final = "SELECT digest FROM blobs WHERE digest = ANY(%s) AND condemned IS NULL"
_FIND: Final = "SELECT digest, size, form, content FROM blobs WHERE digest = %s"


class Packed(NamedTuple):
    """A blob as its row keeps it."""

    digest: bytes
    size: int
    form: int
    content: bytes


def is_large(content: bytes) -> bool:
    """Tell whether a blob is too large for a row of its own."""
    return len(content) > BLOB_IN_STORE_BYTES_MAX


def check_blob(name: str, content: bytes) -> None:
    """Raise ``BadInput`` if a blob is too large or isn't what its name says."""
    if len(content) > BLOB_BYTES_MAX:
        raise BadInput(f"blob {name}: {len(content)} bytes; a blob holds at most {BLOB_BYTES_MAX}")
    if digest(content) != name:
        raise BadInput(f"blob {name}: the digest of its content is {digest(content)}")


def pack_blob(name: str, content: bytes) -> Packed:
    """Return a checked small blob ready for its row."""
    key = bytes.fromhex(name)
    if len(content) >= COMPRESSED_BYTES_MIN:
        small = packed(content)
        if len(small) < len(content):
            return Packed(key, len(content), ZSTD, small)
    return Packed(key, len(content), PLAIN, content)


def putting(blobs: Iterable[Packed]) -> list[Asked]:
    """Return what makes small blobs be here, once, and not condemned; in one order for all writers."""
    rows = sorted({blob.digest: blob for blob in blobs}.values())
    if not rows:
        return []
    return [(_PARDON, ([blob.digest for blob in rows],)), (_PUT, columns_of([*rows]))]


def lasts(db: Database, name: str) -> bool:
    """Tell whether the blob is here and nobody has condemned it: an event may name it without putting it."""
    return is_digest(name) and db.execute(_LASTS, (bytes.fromhex(name),), binary=True).fetchone() is not None


def lasting(db: Database, names: Iterable[str]) -> set[str]:
    """Return those of ``names`` that are here and not condemned."""
    keys = [bytes.fromhex(name) for name in names if is_digest(name)]
    return {raw(row[0]).hex() for row in db.execute(_LASTING, (keys,), binary=True)}


def find_blob(db: Database, name: str) -> Packed | None:
    """Return the row of a blob, or None."""
    row = db.execute(_FIND, (bytes.fromhex(name),), binary=True).fetchone() if is_digest(name) else None
    return None if row is None else Packed(raw(row[0]), whole(row[1]), whole(row[2]), raw(row[3]))


def small_part(blob: Packed, start: int, end: int) -> bytes:
    """Return bytes ``start`` to ``end`` of a small blob; raise ``StoreDamaged`` if it can't be read."""
    try:
        whole = unpacked(blob.content, blob.size) if blob.form == ZSTD else blob.content
    except zstandard.ZstdError as error:
        raise StoreDamaged(f"blob {blob.digest.hex()}: {error}") from error
    return whole[start:end]


def checked_part(blob: Packed, start: int, end: int, part: bytes) -> bytes:
    """Return ``part``, or raise ``StoreDamaged`` if it is too short, or the whole blob and has another digest."""
    name = blob.digest.hex()
    if len(part) != end - start or (len(part) == blob.size and digest(part) != name):
        raise StoreDamaged(f"blob {name}: its content is not what it is named by")
    return part


def is_digest(name: str) -> bool:
    return len(name) == 64 and all(letter in "0123456789abcdef" for letter in name)
