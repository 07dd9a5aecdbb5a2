"""``docs/log-format.md`` is normative: its tables are the code's, and a reader made from it alone agrees."""

import hashlib
import json
import re
import sqlite3
from pathlib import Path

import msgspec
import zstandard

from perdure.adapters.sqlite.layout import APPLICATION_ID, FORMAT, PAGE_BYTES
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log.envelope import GENESIS, Event, seal
from perdure.log.events import KINDS, Content, MessageReceived
from tests.conformance.stores import blob, claim, forked_run, opened_run

PAGE = (Path(__file__).parents[2] / "docs" / "log-format.md").read_text(encoding="utf-8")


def table_after(heading: str) -> list[list[str]]:
    """Return the cells of the first table after ``heading``."""
    section = PAGE.split(heading, 1)[1]
    rows = re.findall(r"^\|(.+)\|$", section.split("\n\n#", 1)[0], flags=re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in rows[2:]]


def test_the_table_of_kinds_has_every_field_of_every_kind():
    written = {row[0].strip("`"): row[2] for row in table_after("## Kinds")}
    due = {
        kind: ", ".join(
            f"`{field.name}`" + ("" if field.required else "?") for field in msgspec.structs.fields(body)
        )
        for kind, body in KINDS.items()
    }
    assert written == due


def test_a_frame_has_the_bytes_and_the_digest_that_the_page_says():
    body = MessageReceived("m1", "ann", Content(3, "día"))
    stored = seal(Event("march", 1, 1764, 2, 1, body), GENESIS)
    truth = (
        b'[1,"march",1,"message.received",1764,2,1,{"id":"m1","sender":"ann","text":[3,"d\xc3\xada",null]}]'
    )
    assert stored.frame == truth
    assert stored.digest == hashlib.sha256(bytes(32) + truth).digest()


def test_the_file_says_what_it_is(place: Path):
    SqliteStore(place).close()
    db = sqlite3.connect(place / "log.db")
    answers = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    page = db.execute("PRAGMA page_size").fetchone()[0]
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    db.close()
    assert answers == [APPLICATION_ID, FORMAT]
    assert f"{APPLICATION_ID:#X}".replace("0X", "0x") in PAGE
    assert page == PAGE_BYTES
    assert tables == {name for row in table_after("### Tables") for name in re.findall(r"`(\w+)`", row[0])}


def test_a_reader_made_from_the_page_alone_reads_and_checks_a_store(place: Path):
    large, small = blob(b"large " * 300_000), blob(b"small " * 40)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(5, blobs=[large, small], opened=[claim("ab" * 20)]))
        fork = forked_run(store, "march", 3, "fork")
        fork.append(fork.batch(2))
        truth = {run: [(event.frame, event.digest) for event in store.read(run)] for run in ("march", "fork")}
    db = sqlite3.connect(place / "log.db")
    for run, events in truth.items():
        assert chain_of(db, run) == events
    assert bytes_of(db, place, small[0]) == small[1]
    assert bytes_of(db, place, large[0]) == large[1]
    assert db.execute("SELECT hex(key) FROM claims").fetchall() == [("AB" * 20,)]
    db.close()


def chain_of(db: sqlite3.Connection, run: str) -> list[tuple[bytes, bytes]]:
    number, parent, forked_at = db.execute(
        "SELECT number, parent, forked_at FROM runs WHERE name = ?", (run,)
    ).fetchone()
    found: list[tuple[bytes, bytes]] = []
    if parent is not None:
        (name,) = db.execute("SELECT name FROM runs WHERE number = ?", (parent,)).fetchone()
        found = chain_of(db, name)[:forked_at]
    digest = found[-1][1] if found else bytes(32)
    for position, frame, stored in db.execute(
        "SELECT position, frame, digest FROM events WHERE run = ? ORDER BY position", (number,)
    ):
        digest = hashlib.sha256(digest + frame).digest()
        assert digest == stored
        assert json.loads(frame)[1:3] == [run, position]
        assert position == len(found) + 1
        found.append((frame, digest))
    return found


def bytes_of(db: sqlite3.Connection, place: Path, name: str) -> bytes:
    size, form, content = db.execute(
        "SELECT size, form, content FROM blobs WHERE digest = ?", (bytes.fromhex(name),)
    ).fetchone()
    if form == 2:
        file = place / "blobs" / name[:2] / f"{name}.zst"
        found = (
            zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(file.read_bytes())
        )
    else:
        found = zstandard.ZstdDecompressor().decompress(content) if form else content
    assert len(found) == size
    return found
