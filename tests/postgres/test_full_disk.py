"""A server whose disk is full takes nothing more, loses nothing, and goes on when there is room."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import Appended
from perdure.values.errors import Busy, StoreFailed
from tests.conformance.stores import SECONDS, Writer, opened_run
from tests.servers.postgres import Server

SMALL = "150m"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Server]:
    """A server whose data lies on a disk of its own, which is soon full."""
    own = Server(tmp_path / "own", {"min_wal_size": "32MB", "max_wal_size": "32MB", "autovacuum": "off"})
    own.directory.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=0700", "tmpfs", str(own.directory)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("no disk of its own can be made here: that takes root, and leave to mount")
    try:
        with own:
            yield own
    finally:
        subprocess.run(["umount", "-l", str(own.directory)], check=False)


def fill(ballast: Path) -> None:
    """There are two megabytes left on the disk."""
    disk = os.statvfs(ballast.parent)
    ballast.write_bytes(bytes(disk.f_bavail * disk.f_frsize - (2 << 20)))


def until_it_answers(server: Server) -> None:
    """It is there again: a server that found no room for its log has ended, or puts itself in order."""
    deadline = time.monotonic() + SECONDS
    while True:
        if not server.running:
            server.start()
        try:
            with psycopg.connect(server.dsn(), connect_timeout=10) as db:
                # What it can write, it is done with: it isn't about to end.
                db.execute("SELECT pg_logical_emit_message(true, 'test', '')")
                return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def write_much(writer: Writer) -> None:
    for _ in range(400):
        writer.append(writer.batch(text=os.urandom(32 * 1024).hex()))


def test_a_full_disk_refuses_and_loses_nothing(small: Server):
    with PostgresStore(small.database("store"), setup=Setup(away_seconds=1, unsure_seconds=2)) as store:
        writer: Writer = opened_run(store)
        writer.append()
        ballast = small.directory / "ballast"
        fill(ballast)
        with pytest.raises((Busy, StoreFailed)) as caught:
            write_much(writer)
        acknowledged = writer.position
        assert "room" in caught.value.hint or "reached" in caught.value.hint
        ballast.unlink()
        until_it_answers(small)
        assert len(store.read("march", 0, 1000)) >= acknowledged
        (row,) = store.rows("march")
        assert row.position == acknowledged, "what was refused isn't there"
        writer.position, writer.head = row.position, row.head
        assert writer.append() == Appended(acknowledged + 1)
