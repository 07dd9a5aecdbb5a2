"""Connections: how the file is made, opened and checked before anyone reads it."""

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import apsw

from perdure.adapters.sqlite.blobs import condemns
from perdure.adapters.sqlite.database import Database, ask_one, connect, number
from perdure.adapters.sqlite.disk import sync_directory
from perdure.adapters.sqlite.faults import said
from perdure.adapters.sqlite.identity import found_store
from perdure.adapters.sqlite.layout import APPLICATION_ID, FORMAT, MAPPED_BYTES_MAX, Places, Setup
from perdure.adapters.sqlite.recovery import make_sure
from perdure.adapters.sqlite.turnstile import Turnstile
from perdure.values.errors import BadInput, PerdureError, StoreDamaged, StoreNewer, StoreReadOnly

READ = apsw.SQLITE_OPEN_READONLY
WRITE = apsw.SQLITE_OPEN_READWRITE
CREATE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE

CACHE_KB = 16_000
"""Pages that the writer keeps: the ends of every table and the upper levels of every index."""

READ_BUSY_MS = 10_000
"""A reader waits this long while another process recovers the write-ahead log."""


class Opened(NamedTuple):
    """What a writer works with."""

    db: Database
    turnstile: Turnstile
    places: Places
    wal_pages_easy: int


def make_store(places: Places, setup: Setup) -> None:
    """There is a store in the directory: this one whole, or the one that somebody made meanwhile."""
    try:
        # What agents read and said is for their user alone; who has made the directory himself has said otherwise.
        places.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with Turnstile(places.turnstile, setup.busy_seconds).held():
            if not places.log.exists():
                _make_file(places, setup)
        for directory in (places.directory, places.directory.resolve().parent):
            sync_directory(directory)
    except (apsw.Error, OSError) as error:
        raise said(error, f"making a store in {places.directory}") from error


def _make_file(places: Places, setup: Setup) -> None:
    fresh = places.log.with_name("log.db.new")
    fresh.unlink(missing_ok=True)
    db = connect(str(fresh), CREATE, None)
    try:
        db.execute(f"PRAGMA page_size = {setup.page_bytes}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")
        db.execute(_tables("schema.sql"))
        db.execute(_tables("keeping.sql"))
        found_store(db, places, fresh)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT}")
        db.execute("COMMIT")
    finally:
        # Closing copies the write-ahead log into the file and syncs it: from here on it is all there is.
        db.close()
    places.usage.touch()
    fresh.replace(places.log)


def _tables(name: str) -> str:
    return files("perdure.adapters.sqlite").joinpath(name).read_text(encoding="utf-8")


def format_of(db: Database) -> int:
    """Return the file's format, 0 for an empty file; raise if it isn't ours or is too new."""
    version = number(db, "PRAGMA user_version")
    application = number(db, "PRAGMA application_id")
    if application not in (0, APPLICATION_ID) or (application == 0 and _has_tables(db)):
        raise BadInput("this is an SQLite file of another program", hint="choose another directory")
    if version > FORMAT:
        raise StoreNewer(f"the store has format {version}; this perdure reads up to {FORMAT}")
    return version if application else 0


def _has_tables(db: Database) -> bool:
    return ask_one(db, "SELECT 1 FROM sqlite_schema") is not None


def open_reader(places: Places, setup: Setup) -> Database:
    """Return a connection that only reads."""
    if not places.log.exists():
        raise BadInput(f"there is no store in {places.directory}", hint="choose another --store")
    try:
        db = connect(str(places.log), READ, setup.vfs)
        db.set_busy_timeout(READ_BUSY_MS)
        try:
            version = format_of(db)
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            # A directory that can't be written holds no shared memory; without a write-ahead log the
            # file is the whole truth and nobody changes it.
            db.close()
            if places.wal.exists() and places.wal.stat().st_size:
                raise StoreReadOnly(
                    f"{places.directory} can't be written, and what its last writer left in the write-ahead "
                    "log can't be read without writing",
                    hint="open it once as someone who may write there",
                ) from None
            db = connect(f"file:{_uri_path(places.log)}?immutable=1", READ | apsw.SQLITE_OPEN_URI, setup.vfs)
            version = format_of(db)
    except (apsw.Error, OSError) as error:
        raise said(error, f"opening {places.log}") from error
    if version == 0:
        raise StoreDamaged(f"{places.log} is empty")
    db.execute(f"PRAGMA mmap_size = {MAPPED_BYTES_MAX}")
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return db


def _uri_path(path: Path) -> str:
    return str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def open_for_writing(places: Places, setup: Setup) -> Opened:
    """Return a connection that writes and syncs every commit, and its way to the write lock."""
    turnstile = db = None
    try:
        turnstile = Turnstile(places.turnstile, setup.busy_seconds)
        db = connect(str(places.log), WRITE, setup.vfs)
        turnstile.serve(db)
        format_of(db)
        db.execute(f"PRAGMA synchronous = {setup.synchronous}")
        # The writer decides when the write-ahead log is copied back.
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        make_sure(db, places, turnstile)
        _add_tables(db, turnstile)
        return Opened(db, turnstile, places, setup.wal_bytes // number(db, "PRAGMA page_size"))
    except (apsw.Error, OSError, PerdureError) as error:
        if db is not None:
            close_untouched(db)
        if turnstile is not None:
            turnstile.close()
        raise said(error, f"opening {places.directory} for writing") from error


def _add_tables(db: Database, turnstile: Turnstile) -> None:
    """The tables that came later are there; what reads the store without writing does without them."""
    if not condemns(db):
        turnstile.begin(db)
        db.execute(_tables("keeping.sql"))
        db.execute("COMMIT")


def close_untouched(db: Database) -> None:
    """Close without copying the write-ahead log back, which would sync again after a sync that failed."""
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    db.close()
