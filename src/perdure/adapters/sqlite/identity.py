"""Whether this file is the store itself, or a copy that may lack what the store went on to promise.

Invariants:
- The anchor is made once, when a store is made or released, and never touched again. Its inode and
  time of birth stand in the log; no tool that copies or restores can reproduce both.
- The witness is a lower bound on the log's generation: a log behind its witness was rolled back. The
  number is the witness's name, so that an older copy laid over the directory can't overwrite it.
- Doubt suspends: a false alarm costs a person one command, a miss could pay twice.
"""

import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from perdure.adapters.sqlite.birth import birth_of
from perdure.adapters.sqlite.database import Database, ask_one, text, text_or_none, whole
from perdure.adapters.sqlite.layout import Places
from perdure.values.errors import StoreDamaged

ANCHOR_TEXT = """\
This file shows perdure that the directory is the original and no copy. Leave it alone: a directory
where it is missing, copied or restored opens with its runs suspended until `perdure store release`.
"""


class Seal(NamedTuple):
    """What the log knows of the files around it."""

    id: str
    generation: int
    anchor_file: int
    anchor_born: int
    log_file: int
    suspended: str | None
    released: str | None


def found_store(db: Database, places: Places, log: Path) -> None:
    """Within the transaction that makes the tables: this directory is the original."""
    db.execute(
        "INSERT INTO store VALUES (1, ?, 0, ?, ?, ?, NULL, NULL)",
        (uuid.uuid4().hex, *_drop_anchor(places), log.stat().st_ino),
    )


def release_runs(db: Database, places: Places, by: str, seen: int) -> int:
    """Within a transaction: ``by`` says that this copy is the one that counts; return its generation."""
    db.execute(
        "UPDATE store SET suspended = NULL, released = ?, generation = max(generation, ?),"
        " anchor_file = ?, anchor_born = ?, log_file = ?",
        (by, seen, *_drop_anchor(places), places.log.stat().st_ino),
    )
    return next_generation(db)


def suspend_runs(db: Database, why: str) -> None:
    """Within a transaction: no run may be driven here until someone releases the store."""
    db.execute("UPDATE store SET suspended = coalesce(suspended, ?)", (why,))


def next_generation(db: Database) -> int:
    """Within a transaction: count on; return the generation that the witness may say once it committed."""
    db.execute("UPDATE store SET generation = generation + 1")
    return read_seal(db).generation


def set_witness(places: Places, generation: int) -> None:
    """The log was once at ``generation``. Not synced: a witness that lags is still a lower bound."""
    with suppress(OSError):
        places.witness(generation).touch()
        for path, seen in _witnesses(places):
            if seen < generation:
                path.unlink(missing_ok=True)


def read_seal(db: Database) -> Seal:
    row = ask_one(
        db, "SELECT id, generation, anchor_file, anchor_born, log_file, suspended, released FROM store"
    )
    if row is None:
        raise StoreDamaged("the store's own row is gone")
    return Seal(
        text(row[0]),
        whole(row[1]),
        whole(row[2]),
        whole(row[3]),
        whole(row[4]),
        text_or_none(row[5]),
        text_or_none(row[6]),
    )


def read_witness(places: Places) -> int:
    """Return the generation that was witnessed; read it before the log, which runs ahead."""
    return max((seen for _, seen in _witnesses(places)), default=0)


def _witnesses(places: Places) -> list[tuple[Path, int]]:
    found = [(path, path.name.rpartition("-")[2]) for path in places.directory.glob("generation-*")]
    return [(path, int(seen)) for path, seen in found if seen.isdecimal()]


def doubt_of(known: Seal, places: Places, seen: int) -> str | None:
    """Return why this may be no original, or None."""
    if known.suspended is not None:
        return known.suspended
    try:
        files = (places.anchor.stat().st_ino, birth_of(places.anchor), places.log.stat().st_ino)
    except OSError as error:
        return f"the store's anchor can't be read ({error.strerror}): this looks like a partial copy"
    if known.generation < seen:
        return f"the log is older than its witness ({known.generation} < {seen}): it was rolled back"
    if files != known[2:5]:
        return "the files are not the ones that were written: this looks like a copy or a restored backup"
    return None


def _drop_anchor(places: Places) -> tuple[int, int]:
    fresh = places.anchor.with_name("anchor.new")
    with fresh.open("w", encoding="ascii") as file:
        file.write(ANCHOR_TEXT)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(places.anchor)
    return places.anchor.stat().st_ino, birth_of(places.anchor)
