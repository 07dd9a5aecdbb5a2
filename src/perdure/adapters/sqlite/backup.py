"""A consistent copy of a running store, which says of itself that it is one.

Invariant: the copy is at its place whole or not at all, and nothing in it may be driven until a
person says so: what the store went on to promise after the copy was made is missing from it.
"""

import os
import shutil
import time
from pathlib import Path

import apsw

from perdure.adapters.sqlite.database import Database, ask, ask_one, connect, raw
from perdure.adapters.sqlite.disk import sync_directory
from perdure.adapters.sqlite.faults import said
from perdure.adapters.sqlite.identity import suspend_runs
from perdure.adapters.sqlite.layout import Places, Setup
from perdure.adapters.sqlite.opening import CREATE
from perdure.values.errors import BadInput

_FILES = "SELECT digest FROM blobs WHERE form = 2"
_HAS_ROW = "SELECT 1 FROM blobs WHERE digest = ?"
_FORGET = "DELETE FROM blobs WHERE digest = ?"


def back_up(source: Database, places: Places, setup: Setup, target: Path) -> None:
    """There is a copy of the store at ``target``, which must not exist or be an empty directory."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(f"{target} is there already and not empty", hint="choose another directory")
    fresh = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        fresh.mkdir(mode=0o700, parents=True)
        _copy(source, places, setup, Places(fresh))
        fresh.replace(target)
        sync_directory(target.resolve().parent)
    except (apsw.Error, OSError) as error:
        raise said(error, f"backing up to {target}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _copy(source: Database, places: Places, setup: Setup, copy: Places) -> None:
    db = connect(str(copy.log), CREATE, setup.vfs)
    try:
        with db.backup("main", source, "main") as work:
            work.step()
        made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        db.execute("BEGIN IMMEDIATE")
        suspend_runs(
            db, f"a backup of {places.directory}, made {made}: what was promised since then is missing here"
        )
        db.execute("COMMIT")
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        # A blob's file is there before its row, and goes after it.
        directories = {copy.directory}
        for (name,) in ask(db, _FILES):
            try:
                directories |= _link(places.blob(raw(name).hex()), copy.blob(raw(name).hex()))
            except FileNotFoundError:
                if ask_one(source, _HAS_ROW, (name,)) is not None:
                    raise
                # It was collected since: nothing names it here either.
                db.execute(_FORGET, (name,))
    finally:
        db.close()
    for directory in directories:
        sync_directory(directory)


def _link(file: Path, copy: Path) -> set[Path]:
    """Blob files are never changed in place, so on one file system a second name is a copy."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        copy.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, copy)
        handle = os.open(copy, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return {copy.parent, copy.parent.parent}
