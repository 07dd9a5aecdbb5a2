"""With a standby that must have every commit, nothing is acknowledged that it hasn't."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import Appended
from tests.conformance.stores import Writer, opened_run
from tests.servers.postgres import Server, standing_by

_WAITING = """
SELECT pid, xact_start::text FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = 'store'
"""
_ATTACHED = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'"
SECONDS = 60
"""A standby that was started has attached by then."""


class Pair:
    """A primary, its synchronous standby, and a store on them."""

    def __init__(self, primary: Server, standby: Server, store: PostgresStore) -> None:
        self.primary = primary
        self.standby = standby
        self.store = store

    def waiting(self) -> tuple[int, str]:
        """Return the process of the server that waits for the standby, and when its transaction began."""
        with psycopg.connect(self.primary.dsn(), autocommit=True) as db:
            while True:
                row = db.execute(_WAITING).fetchone()
                if row is not None:
                    return int(row[0]), str(row[1])

    def ends(self, how: str) -> None:
        ended = self.waiting()
        with psycopg.connect(self.primary.dsn(), autocommit=True) as db:
            db.execute(f"SELECT {how}({ended[0]})".encode())
            # The same process may wait again at once: for the commit by which it makes sure of the first.
            while ended in db.execute(_WAITING).fetchall():
                pass

    def on_the_standby(self) -> int:
        """Return how many events the standby has."""
        with psycopg.connect(self.standby.dsn("store")) as db:
            row = db.execute("SELECT count(*) FROM perdure.events").fetchone()
            assert row is not None
            return int(row[0])


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with Server(tmp_path / "primary", {"fsync": "off"}) as primary:
        dsn = primary.database("store")
        # Told to read its settings again, a server takes them up at leisure; begun anew, it has them.
        primary.stop()
        primary.settings["synchronous_standby_names"] = "standby"
        primary.start()
        with standing_by(primary, tmp_path / "standby") as standby:
            with psycopg.connect(primary.dsn(), autocommit=True) as db:
                while db.execute(_ATTACHED).fetchone() is None:
                    pass
            setup = Setup(statement_seconds=0.5, unsure_seconds=SECONDS)
            with PostgresStore(dsn, setup=setup) as store:
                yield Pair(primary, standby, store)


def test_nothing_that_ends_the_wait_for_a_standby_makes_its_commit_count(pair: Pair):
    writer: Writer = opened_run(pair.store)
    writer.append()
    for number, how in enumerate(("pg_cancel_backend", "pg_terminate_backend", "statement timeout")):
        pair.standby.stop()
        answer = pair.store.append(writer.batch())
        if how.startswith("pg_"):
            pair.ends(how)
        pair.waiting()
        assert not answer.done(), "committed on the primary alone"
        pair.standby.start()
        assert answer.result(SECONDS) == Appended(2 + number)
        assert pair.on_the_standby() == 2 + number
        (row,) = pair.store.rows("march")
        writer.position, writer.head = row.position, row.head
