"""What a store holds and how much room it takes."""

import apsw
import msgspec

from perdure.adapters.sqlite.budget import Room, room_of
from perdure.adapters.sqlite.database import Database, ask, number, text, text_or_none, whole
from perdure.adapters.sqlite.identity import Seal
from perdure.adapters.sqlite.layout import FORMAT, Places, size_of

_PARTS = {
    "events": ("events", "events_of_run"),
    "claims": ("claims", "claims_by_key", "claims_by_stem", "claims_by_scope", "scopes"),
    "blobs": ("blobs", "sqlite_autoindex_blobs_1"),
    "snapshots": ("snapshots", "chunks", "sqlite_autoindex_chunks_1"),
}
_OTHER = "runs, leases, inbox, counters"


class StoreStats(msgspec.Struct, frozen=True):
    """A store in numbers. Sizes are in bytes on disk."""

    id: str
    format: int
    generation: int
    suspended: str | None
    """why no run may be driven, or None"""
    released: str | None
    """who last said that this copy is the one that counts"""
    runs: int
    events: int
    claims: int
    claims_open: int
    inbox_waiting: int
    blobs: int
    blob_files: int
    snapshots: int
    room: Room
    """what it takes and may take on disk"""
    bytes_by_part: dict[str, int]
    file_bytes: int
    wal_bytes: int
    blob_file_bytes: int
    page_bytes: int
    sqlite: str


def stats_of(db: Database, places: Places, seal: Seal, suspended: str | None) -> StoreStats:
    """Return the store in numbers; reads every page of the file once."""
    files = [
        places.blob(text(name)) for (name,) in ask(db, "SELECT lower(hex(digest)) FROM blobs WHERE form = 2")
    ]
    return StoreStats(
        id=seal.id,
        format=FORMAT,
        generation=seal.generation,
        suspended=suspended,
        released=seal.released,
        runs=number(db, "SELECT count(*) FROM runs"),
        events=number(db, "SELECT count(*) FROM events"),
        claims=number(db, "SELECT count(*) FROM claims"),
        claims_open=number(db, "SELECT count(*) FROM claims WHERE outcome IS NULL"),
        inbox_waiting=number(db, "SELECT count(*) FROM inbox WHERE kind IS NOT NULL"),
        blobs=number(db, "SELECT count(*) FROM blobs"),
        blob_files=len(files),
        snapshots=number(db, "SELECT count(*) FROM snapshots"),
        room=room_of(db, places),
        bytes_by_part=_bytes_by_part(db),
        file_bytes=places.log.stat().st_size,
        wal_bytes=size_of(places.wal) or 0,
        blob_file_bytes=sum(size_of(file) or 0 for file in files),
        page_bytes=number(db, "PRAGMA page_size"),
        sqlite=apsw.sqlite_lib_version(),
    )


def _bytes_by_part(db: Database) -> dict[str, int]:
    part_of = {table: part for part, tables in _PARTS.items() for table in tables}
    sizes = {**dict.fromkeys(_PARTS, 0), _OTHER: 0}
    for name, size in ask(db, "SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE"):
        sizes[part_of.get(text_or_none(name) or "", _OTHER)] += whole(size)
    return sizes
