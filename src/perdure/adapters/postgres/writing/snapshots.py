"""Snapshots of projections: caches that share their chunks, and may all be deleted at any time."""

from collections.abc import Sequence
from typing import Final

from perdure.adapters.postgres.columns import asked_one
from perdure.adapters.postgres.content.zstd import packed, unpacked
from perdure.adapters.postgres.judging.batch import Asked
from perdure.adapters.postgres.judging.reading import stretches
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.wire import BYTES, INT, TEXT, Many, Statement

_SAVE: Final = Statement(
    """
    INSERT INTO snapshots (run, position, manifest)
    SELECT r.number, u.position, u.manifest FROM unnest($1, $2, $3) AS u (name, position, manifest)
    JOIN runs r ON r.name = u.name
    ON CONFLICT (run, position) DO UPDATE SET manifest = excluded.manifest
    """,
    (Many(TEXT), Many(INT), Many(BYTES)),
)
_CHUNKS: Final = Statement(
    "INSERT INTO chunks (digest, content) SELECT * FROM unnest($1, $2) ON CONFLICT (digest) DO NOTHING",
    (Many(TEXT), Many(BYTES)),
)
_LATEST: Final = """
SELECT position, manifest FROM snapshots WHERE run = %s AND position <= %s ORDER BY position DESC LIMIT 1
"""
_CHUNK: Final = "SELECT content FROM chunks WHERE digest = %s"


def saving(run: str, position: int, manifest: bytes, chunks: Sequence[tuple[str, bytes]]) -> list[Asked]:
    """Return what writes a snapshot; one of a run that isn't there is passed over."""
    words: list[Asked] = []
    if chunks:
        # In one order, so that two writers of the same chunks don't wait for each other.
        known = sorted(dict(chunks).items())
        words.append((_CHUNKS, ([name for name, _ in known], [packed(content) for _, content in known])))
    return [*words, (_SAVE, ([run], [position], [packed(manifest)]))]


def latest_snapshot(db: Database, run: str, at_most: int) -> tuple[int, bytes] | None:
    """Return position and manifest of the newest snapshot not past ``at_most``, ancestors' included."""
    for part in reversed(stretches(db, run)):
        found = asked_one(db, _found, _LATEST, (part.number, min(at_most, part.last)))
        if found is not None:
            return found
    return None


def _found(position: int, manifest: bytes) -> tuple[int, bytes]:
    return position, unpacked(manifest)


def read_chunk(db: Database, name: str) -> bytes | None:
    """Return a chunk, or None if it was deleted."""
    return asked_one(db, unpacked, _CHUNK, (name,))


def forget_snapshots(db: Database) -> None:
    """There are no snapshots; readers fold from the beginning and save new ones."""
    db.execute("DELETE FROM snapshots")
    db.execute("DELETE FROM chunks")
