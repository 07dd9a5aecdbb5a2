"""Snapshots of projections: caches that share their chunks, and may all be deleted at any time."""

from collections.abc import Sequence

from perdure.adapters.sqlite.database import Database, ask_one, packed, raw, whole
from perdure.adapters.sqlite.reading import stretches
from perdure.adapters.sqlite.zstd import zstd

_RUN = "SELECT number FROM runs WHERE name = ?"
_SAVE = "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)"
_CHUNK_KNOWN = "SELECT 1 FROM chunks WHERE digest = ?"
_CHUNK_SAVE = "INSERT OR IGNORE INTO chunks (digest, content) VALUES (?, ?)"
_CHUNK = "SELECT content FROM chunks WHERE digest = ?"
_LATEST = """
SELECT position, manifest FROM snapshots WHERE run = ? AND position <= ? ORDER BY position DESC LIMIT 1
"""


def save_snapshot(
    db: Database, run: str, position: int, manifest: bytes, chunks: Sequence[tuple[str, bytes]]
) -> None:
    """Within a transaction: the snapshot is here. A run that isn't has none."""
    row = ask_one(db, _RUN, (run,))
    if row is None:
        return
    compressor = zstd().compressor
    for name, content in chunks:
        key = packed(name)
        if ask_one(db, _CHUNK_KNOWN, (key,)) is None:
            db.execute(_CHUNK_SAVE, (key, compressor.compress(content)))
    db.execute(_SAVE, (row[0], position, compressor.compress(manifest)))


def latest_snapshot(db: Database, run: str, at_most: int) -> tuple[int, bytes] | None:
    """Return position and manifest of the newest snapshot not past ``at_most``, ancestors' included."""
    for part in reversed(stretches(db, run)):
        row = ask_one(db, _LATEST, (part.number, min(at_most, part.last)))
        if row is not None:
            return whole(row[0]), _decompressed(raw(row[1]))
    return None


def read_chunk(db: Database, name: str) -> bytes | None:
    """Return a chunk, or None if it was deleted."""
    row = ask_one(db, _CHUNK, (packed(name),))
    return None if row is None else _decompressed(raw(row[0]))


def forget_snapshots(db: Database) -> None:
    """Within a transaction: there are no snapshots; readers fold from the beginning and save new ones."""
    db.execute("DELETE FROM snapshots")
    db.execute("DELETE FROM chunks")


def _decompressed(content: bytes) -> bytes:
    return zstd().decompressor.decompress(content)
