"""Blobs: bytes named by their SHA-256, stored once, compressed where that helps.

Invariants:
- A small blob is a row and shares its event's transaction; a large one is a file that is durable
  (content, name and directory synced) before its row is written.
- What is read whole has the digest it is named by, or ``StoreDamaged`` is raised.
"""

import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, cast

import zstandard

from perdure.adapters.sqlite.database import Database, ask_one, raw, whole
from perdure.adapters.sqlite.disk import sync_directory
from perdure.adapters.sqlite.layout import COMPRESSED_BYTES_MIN, FRAME_BYTES, Places
from perdure.adapters.sqlite.zstd import LEVEL, zstd
from perdure.values.digest import digest
from perdure.values.errors import BadInput, BlobMissing, StoreDamaged
from perdure.values.limits import BLOB_BYTES_MAX, BLOB_IN_STORE_BYTES_MAX

PLAIN: Final = 0
ZSTD: Final = 1
FILE: Final = 2

_KNOWN = "SELECT 1 FROM blobs WHERE digest = ?"
_LASTING = """
SELECT 1 FROM blobs b WHERE b.digest = ? AND NOT EXISTS (SELECT 1 FROM condemned c WHERE c.number = b.number)
"""
_FIND = "SELECT size, form, content FROM blobs WHERE digest = ?"
_INSERT = "INSERT OR IGNORE INTO blobs (digest, size, form, content) VALUES (?, ?, ?, ?) RETURNING 1"
_PARDON = "DELETE FROM condemned WHERE number = (SELECT number FROM blobs WHERE digest = ?)"


class Packed(NamedTuple):
    """A blob as its row keeps it."""

    digest: bytes
    size: int
    form: int
    content: bytes


def check_blob(name: str, content: bytes) -> None:
    """Raise ``BadInput`` if a blob is too large or isn't what its name says."""
    if len(content) > BLOB_BYTES_MAX:
        raise BadInput(f"blob {name}: {len(content)} bytes; a blob holds at most {BLOB_BYTES_MAX}")
    if digest(content) != name:
        raise BadInput(f"blob {name}: the digest of its content is {digest(content)}")


def pack_blob(places: Places, name: str, content: bytes) -> Packed:
    """Return a checked blob ready for its row; a large one is a durable file by then."""
    key = bytes.fromhex(name)
    if len(content) > BLOB_IN_STORE_BYTES_MAX:
        return Packed(key, len(content), FILE, _write_file(places.blob(name), content))
    if len(content) >= COMPRESSED_BYTES_MIN:
        small = zstd().compressor.compress(content)
        if len(small) < len(content):
            return Packed(key, len(content), ZSTD, small)
    return Packed(key, len(content), PLAIN, content)


def has_blob(db: Database, name: str) -> bool:
    """Tell whether the blob is here."""
    return _is_digest(name) and ask_one(db, _KNOWN, (bytes.fromhex(name),)) is not None


def condemns(db: Database) -> bool:
    """Tell whether this store knows of condemned blobs; one that was made before there were any doesn't."""
    return ask_one(db, "SELECT 1 FROM sqlite_schema WHERE name = 'condemned'") is not None


def lasts(db: Database, name: str) -> bool:
    """Tell whether the blob is here and nobody has condemned it: an event may name it without putting it."""
    return _is_digest(name) and ask_one(db, _LASTING, (bytes.fromhex(name),)) is not None


def insert_blob(db: Database, blob: Packed) -> None:
    """Within a transaction: the blob is here, once, and isn't condemned."""
    if ask_one(db, _INSERT, blob) is None:
        db.execute(_PARDON, (blob.digest,))


def whole_again(places: Places, blob: Packed, content: bytes) -> Packed:
    """Within a transaction: return ``blob`` with its file in place, which a collector may have found rowless."""
    if blob.form != FILE or places.blob(blob.digest.hex()).exists():
        return blob
    return pack_blob(places, blob.digest.hex(), content)


def read_blob(db: Database, places: Places, name: str, start: int, size: int | None) -> bytes:
    """Return a part of the blob, or all of it."""
    row = ask_one(db, _FIND, (bytes.fromhex(name),)) if _is_digest(name) else None
    if row is None:
        raise BlobMissing(f"blob {name} is not in this store")
    total, form, content = whole(row[0]), whole(row[1]), raw(row[2])
    end = total if size is None else min(total, start + size)
    if start >= end and total:
        return b""
    try:
        if form == FILE:
            part = _read_file(places.blob(name), content, start, end)
        elif form == ZSTD:
            part = zstd().decompressor.decompress(content, max_output_size=total)[start:end]
        else:
            part = content[start:end]
    except FileNotFoundError as error:
        raise BlobMissing(f"blob {name}: its file is gone") from error
    except (zstandard.ZstdError, struct.error, OSError) as error:
        raise StoreDamaged(f"blob {name}: {error}") from error
    if len(part) != end - start or (len(part) == total and digest(part) != name):
        raise StoreDamaged(f"blob {name}: its content is not what it is named by")
    return part


def blob_directories(places: Places) -> list[Path]:
    """Return the directories that hold the files of large blobs."""
    return sorted(path for path in places.blobs.glob("??") if path.is_dir())


def named_by(file: Path) -> bytes | None:
    """Return the digest that a blob's file is named by; None for one that was never finished."""
    name, _, ending = file.name.partition(".")
    return bytes.fromhex(name) if ending == "zst" and _is_digest(name) else None


def _is_digest(name: str) -> bool:
    return len(name) == 64 and all(letter in "0123456789abcdef" for letter in name)


def _write_file(path: Path, content: bytes) -> bytes:
    """Write ``content`` durably as zstd frames; return the frames' lengths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.new")
    lengths: list[int] = []
    with fresh.open("wb") as file:
        for frame in _frames(content):
            file.write(frame)
            lengths.append(len(frame))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    for directory in (path.parent, path.parent.parent, path.parent.parent.parent):
        sync_directory(directory)
    return struct.pack(f"<{len(lengths)}I", *lengths)


def _frames(content: bytes) -> Iterator[bytes]:
    view = memoryview(content)
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True, write_checksum=True)
    for start in range(0, len(content), FRAME_BYTES):
        yield compressor.compress(view[start : start + FRAME_BYTES])


def _read_file(path: Path, index: bytes, start: int, end: int) -> bytes:
    """Return bytes ``start`` to ``end``; only the frames that hold them are read."""
    lengths = cast("tuple[int, ...]", struct.unpack(f"<{len(index) // 4}I", index))
    first, last = start // FRAME_BYTES, (end - 1) // FRAME_BYTES
    decompressor = zstandard.ZstdDecompressor()
    with path.open("rb") as file:
        file.seek(sum(lengths[:first]))
        held = b"".join(
            decompressor.decompress(file.read(length), max_output_size=FRAME_BYTES)
            for length in lengths[first : last + 1]
        )
    return held[start - first * FRAME_BYTES : end - first * FRAME_BYTES]
