"""With a standby that must have every commit, nothing is acknowledged that it hasn't."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from perdure.adapters.postgres import store as stores
from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.schema.migrating import migrate
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import Appended, NewRun
from perdure.values.errors import Busy, StandbyAway, StoreFailed
from tests.cli.inside import Inside
from tests.conformance.stores import Writer, holder, opened_run, post
from tests.servers.postgres import Server, standing_by

_WAITING = """
SELECT pid, xact_start::text FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = %s
"""
_ATTACHED = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'"
SECONDS = 60
"""A standby that was started has attached by then."""

QUICK = Setup(
    pool_max=16,
    statement_seconds=1,
    spare_seconds=0.5,
    cancel_seconds=SECONDS,
    away_seconds=SECONDS,
    unsure_seconds=1,
)
"""A wait for a standby ends soon, and all else is waited for."""


class Pair:
    """A primary, its synchronous standby, and a store on them."""

    def __init__(self, primary: Server, standby: Server, name: str, store: PostgresStore) -> None:
        self.primary = primary
        self.standby = standby
        self.name = name
        self.dsn = primary.dsn(name)
        self.store = store

    def waiting(self) -> tuple[int, str]:
        """Return the process of the server that waits for the standby, and when its transaction began."""
        with psycopg.connect(self.primary.dsn(), autocommit=True) as db:
            while True:
                row = db.execute(_WAITING, (self.name,)).fetchone()
                if row is not None:
                    return int(row[0]), str(row[1])

    def ends(self, how: str) -> None:
        ended = self.waiting()
        with psycopg.connect(self.primary.dsn(), autocommit=True) as db:
            db.execute(f"SELECT {how}({ended[0]})".encode())
            # The same process may wait again at once: for the commit by which it makes sure of the first.
            while ended in db.execute(_WAITING, (self.name,)).fetchall():
                pass

    def on_the_standby(self, table: str = "events") -> int:
        """Return how many events the standby has, or rows of another table."""
        with psycopg.connect(self.standby.dsn(self.name)) as db:
            row = db.execute(f"SELECT count(*) FROM perdure.{table}".encode()).fetchone()
            assert row is not None
            return int(row[0])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    directory = tmp_path_factory.mktemp("servers")
    with (
        Server(directory / "primary", {"fsync": "off"}) as primary,
        standing_by(primary, directory / "standby") as standby,
    ):
        # Told to read its settings again, a server takes them up at leisure; begun anew, it has them.
        primary.stop()
        primary.settings["synchronous_standby_names"] = "standby"
        primary.start()
        yield primary, standby


@pytest.fixture
def pair(servers: tuple[Server, Server], request: pytest.FixtureRequest) -> Iterator[Pair]:
    primary, standby = servers
    if not standby.running:
        standby.start()
    attached(primary)
    name = str(request.node.name)[:60]
    dsn = primary.database(name)
    with PostgresStore(dsn, setup=Setup(statement_seconds=0.5, unsure_seconds=SECONDS)) as store:
        yield Pair(primary, standby, name, store)
        if not standby.running:
            standby.start()


def attached(primary: Server) -> None:
    with psycopg.connect(primary.dsn(), autocommit=True) as db:
        while db.execute(_ATTACHED).fetchone() is None:
            pass


def changes(store: PostgresStore, empty: Dialer) -> Mapping[str, Callable[[], object]]:
    """Return one of each kind of commit that is no group's, by what is said while it is under way."""
    placements, feed = store.placements(), store.feed()
    return {
        "posting": lambda: store.post("march", post("p1")),
        "making": lambda: store.create(NewRun("april", "lineage-of-april", "acme", 7)),
        "taking": lambda: store.acquire("march", holder("w9"), take_over=True),
        "giving": lambda: store.release("may", 1),
        "placing": lambda: placements.place("march", "payables"),
        "following": lambda: feed.reader("ledger"),
        "declaring": lambda: store.takeovers.declare(synchronous=True),
        "collecting": store.collect,
        "tables": lambda: migrate(empty),
    }


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
        with PostgresStore(pair.dsn) as calm:
            (row,) = calm.rows("march")
        writer.position, writer.head = row.position, row.head


def test_a_change_whose_standby_stays_away_is_in_doubt_and_is_asked_again_without_harm(pair: Pair):
    opened_run(pair.store).append()
    opened_run(pair.store, "may")
    writer = opened_run(pair.store, "june")
    empty = Dialer(pair.primary.database("empty"), QUICK)
    with PostgresStore(pair.dsn, setup=QUICK) as store:
        pair.standby.stop()
        each = {**changes(store, empty), "appending": lambda: store.append(writer.batch()).result(SECONDS)}
        with ThreadPoolExecutor(len(each)) as pool:
            answers = {what: pool.submit(refused, change) for what, change in each.items()}
            for what, answer in answers.items():
                error = answer.result()
                assert isinstance(error, StandbyAway), (what, error)
                assert "standby doesn't answer" in str(error)
                assert "start the standby" in error.hint
        # Found on the primary, they are no surer than before.
        for what in ("posting", "making"):
            assert isinstance(refused(each[what]), StandbyAway)
    pair.standby.start()
    with PostgresStore(pair.dsn) as store:
        each = changes(store, Dialer(pair.primary.dsn("empty"), Setup()))
        answers = {what: change() for what, change in each.items()}
        assert answers["posting"] is False
        assert answers["making"] is False
        assert [waiting.id for waiting in store.inbox("march")] == ["p1"]
        assert pair.on_the_standby("inbox") == 1
        assert pair.on_the_standby("runs") == 4
    until = time.monotonic() + SECONDS
    while pair.on_the_standby() < 2 and time.monotonic() < until:
        pass
    assert pair.on_the_standby() == 2


def refused(change: Callable[[], object]) -> BaseException | None:
    """Return what is raised; where the server is too slow for such a short bound, it is asked again."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            change()
        except StandbyAway as error:
            return error
        except (Busy, StoreFailed) as error:
            if time.monotonic() >= until:
                return error
        else:
            return None


class _Believing(Database):
    """Takes a commit whose wait for the standby was ended for one that the standby has."""

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Nothing is doubted."""


class _Patient(Database):
    """Has no bound."""

    def bounded(self, seconds: float, after: float, beside: Callable[[], Database]) -> None:
        """Everything is waited for."""


def test_a_build_that_believes_what_it_ended_itself_or_ends_nothing_is_caught(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
):
    opened_run(pair.store)
    pair.standby.stop()
    with monkeypatch.context() as patch:
        patch.setattr(Dialer, "DATABASE", _Believing)
        with PostgresStore(pair.dsn, setup=QUICK) as believing:
            assert refused(lambda: believing.post("march", post("p1"))) is None, "acknowledged too early"
    monkeypatch.setattr(Dialer, "DATABASE", _Patient)
    with ThreadPoolExecutor(1) as pool, PostgresStore(pair.dsn, setup=QUICK) as patient:
        waits = pool.submit(patient.post, "march", post("p2"))
        monkeypatch.undo()
        with PostgresStore(pair.dsn, setup=QUICK) as sound:
            error = refused(lambda: sound.create(NewRun("june", "lineage-of-june", "acme", 7)))
            assert isinstance(error, StandbyAway)
        pair.waiting()
        assert not waits.done()
        pair.standby.start()
        assert waits.result(SECONDS)


def test_a_command_whose_standby_stays_away_says_so_and_fails(
    pair: Pair, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stores, "Setup", lambda: QUICK)
    opened_run(pair.store)
    pair.standby.stop()
    inside = Inside(tmp_path, capfd, monkeypatch)
    said = inside.type("message", "march", "hello", "--store", pair.dsn)
    until = time.monotonic() + SECONDS
    while "P202" in said.err and time.monotonic() < until:
        # The server is too slow for such a short bound.
        said = inside.type("message", "march", "hello", "--store", pair.dsn)
    assert said.code == 4
    assert "P416" in said.err
    assert "--id" in said.err
