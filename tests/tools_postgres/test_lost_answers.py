"""Whatever moment the sender, its connection or the server dies at, what became of the deed is found out by reading."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import psycopg
import pytest

from perdure.adapters.tools.context import Transaction
from perdure.adapters.tools.outcomes import Found, Never, NotDone, Unknown
from perdure.adapters.tools.postgres.database import PostgresDatabase
from perdure.values.digest import Json
from tests.servers.postgres import Server
from tests.servers.proxy import Mood, Proxy
from tests.tools.inside import inside
from tests.tools_postgres.conftest import HELD, paid

T = TypeVar("T")

SENDER = """
import sys
from perdure import NotDone, PostgresDatabase

def body(transaction):
    transaction.execute("INSERT INTO paid VALUES ('late')")
    print("inside", flush=True)
    sys.stdin.readline()
    return "done"

try:
    print(PostgresDatabase(sys.argv[1]).perform("k", 1, 60, body), flush=True)
    sys.stdin.readline()
except NotDone as error:
    print("not done:", error, flush=True)
"""

IN_COMMIT = """
SELECT pid FROM pg_stat_activity WHERE application_name = 'perdure tool' AND query = 'COMMIT' AND wait_event = 'advisory'
"""


def booking(transaction: Transaction) -> Json:
    transaction.execute("INSERT INTO paid VALUES ('late')")
    return "done"


def in_thread(work: Callable[[], T]) -> Callable[[], T]:
    """Begin ``work``; the call that is returned waits for its end."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return lambda: future.result(60)


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.fixture
def held(dsn: str) -> Iterator["Held"]:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(HELD)
        db.execute("SELECT pg_advisory_lock(77)")
        try:
            yield Held(db)
        finally:
            db.execute("SELECT pg_advisory_unlock_all()")
            db.execute("DROP TRIGGER held ON paid")


class Held:
    """Commits are held, in their middle."""

    def __init__(self, db: "psycopg.Connection[tuple[object, ...]]") -> None:
        self.db = db

    def backend(self) -> int:
        """Return the server's process that is in mid-commit, once there is one."""
        while True:
            row = self.db.execute(IN_COMMIT).fetchone()
            if row is not None:
                assert isinstance(row[0], int)
                return row[0]

    def let_go(self) -> None:
        self.db.execute("SELECT pg_advisory_unlock_all()")


def test_a_sender_that_is_killed_before_it_commits_has_done_nothing(dsn: str, books: PostgresDatabase):
    with inside(SENDER, dsn) as process:
        process.kill()
        process.wait()
    assert books.resolve("k", 1) == Never(barred=True)
    assert paid(dsn) == []


def test_a_sender_that_is_frozen_before_it_commits_is_barred_and_finds_that_out(
    dsn: str, books: PostgresDatabase
):
    with inside(SENDER, dsn) as process:
        os.kill(process.pid, signal.SIGSTOP)
        assert books.resolve("k", 1) == Never(barred=True)
        os.kill(process.pid, signal.SIGCONT)
        go_on(process)
        assert said(process).startswith("not done:")
    assert paid(dsn) == []


def test_a_sender_that_is_killed_in_mid_commit_is_waited_for_and_found(
    dsn: str, held: Held, books: PostgresDatabase
):
    with inside(SENDER, dsn) as process:
        go_on(process)
        held.backend()
        process.kill()
        process.wait()
        answers = in_thread(lambda: books.resolve("k", 1))
        held.let_go()
        assert answers() == Found("done")
    assert paid(dsn) == ["late"]


def test_while_a_sender_is_in_mid_commit_it_is_not_known(
    dsn: str, held: Held, books: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("perdure.adapters.tools.postgres.deeds.RESOLVE_SECONDS", 0.3)
    with inside(SENDER, dsn) as process:
        go_on(process)
        held.backend()
        with pytest.raises(Unknown):
            books.resolve("k", 1)
        held.let_go()
        assert said(process) == "done"
    assert books.resolve("k", 1) == Found("done")


def test_a_sender_that_is_killed_after_its_commit_is_found(dsn: str, books: PostgresDatabase):
    with inside(SENDER, dsn) as process:
        go_on(process)
        assert said(process) == "done"
        process.kill()
        process.wait()
    assert books.resolve("k", 1) == Found("done")
    assert paid(dsn) == ["late"]


def test_a_commit_whose_answer_is_lost_and_that_was_done_is_done(dsn: str, server: Server, held: Held):
    with Proxy(server.port) as proxy:
        through = PostgresDatabase(dsn.replace(f":{server.port}/", f":{proxy.port}/"))
        answers = in_thread(lambda: through.perform("k", 1, 30, booking))
        held.backend()
        proxy.turn(Mood.CUT)
        proxy.turn(Mood.PASS)
        held.let_go()
        assert answers() == "done"
    assert paid(dsn) == ["late"]


def test_a_commit_whose_server_process_is_ended_in_the_middle_is_known_not_done(
    dsn: str, held: Held, books: PostgresDatabase
):
    answers = in_thread(lambda: books.perform("k", 1, 30, booking))
    held.db.execute("SELECT pg_terminate_backend(%s)", (held.backend(),))
    with pytest.raises(NotDone, match="commit failed"):
        answers()
    held.let_go()
    assert paid(dsn) == []
    with pytest.raises(NotDone, match="barred"):
        books.perform("k", 1, 5, booking)


def test_a_commit_that_can_not_be_looked_at_is_not_known(dsn: str, server: Server, held: Held):
    with Proxy(server.port) as proxy:
        through = PostgresDatabase(dsn.replace(f":{server.port}/", f":{proxy.port}/"))
        answers = in_thread(lambda: through.perform("k", 1, 30, booking))
        held.backend()
        proxy.turn(Mood.REFUSE)
        with pytest.raises(Unknown, match="look at it"):
            answers()
        held.let_go()
        proxy.turn(Mood.PASS)
        assert through.resolve("k", 1) == Found("done")
    assert paid(dsn) == ["late"]


def bounded(books: PostgresDatabase) -> Json:
    """Do something whose commit nobody ends but its own bound, which is longer where the machine is slow."""

    def other(transaction: Transaction) -> Json:
        transaction.execute("INSERT INTO paid VALUES ('other')")
        return "done"

    for seconds in (1, 4, 16):
        with suppress(NotDone):
            return books.perform("other", 1, seconds, other)
    return books.perform("other", 1, 64, other)


def test_what_is_committed_on_one_server_alone_is_not_known_until_its_standby_has_it(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("perdure.adapters.tools.postgres.deeds.RESOLVE_SECONDS", 0.5)
    with Server(tmp_path_factory.mktemp("postgres") / "alone") as lonely:
        books = PostgresDatabase(lonely.dsn())
        with psycopg.connect(lonely.dsn(), autocommit=True) as db:
            db.execute("CREATE TABLE paid (invoice text PRIMARY KEY)")
            books.check()
            db.execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
            # The server says in a warning that a commit may be here alone, which must be heard all the same.
            db.execute("ALTER SYSTEM SET client_min_messages = 'error'")
        # Told to read its settings again, a server takes them up at leisure; begun anew, it has them.
        lonely.stop()
        lonely.start()
        with psycopg.connect(lonely.dsn(), autocommit=True) as db:
            waiting = in_thread(lambda: books.perform("k", 1, 30, booking))
            waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'"
            while (row := db.execute(waits).fetchone()) is None:
                pass
            db.execute("SELECT pg_cancel_backend(%s)", row)
            with pytest.raises(Unknown):
                waiting()
            with pytest.raises(Unknown):
                books.resolve("k", 1)
            with pytest.raises(Unknown):
                bounded(books)
            db.execute("ALTER SYSTEM RESET synchronous_standby_names")
            db.execute("SELECT pg_reload_conf()")
            while db.execute("SHOW synchronous_standby_names").fetchone() != ("",):
                pass
        monkeypatch.setattr("perdure.adapters.tools.postgres.deeds.RESOLVE_SECONDS", 60)
        assert books.resolve("k", 1) == Found("done")
