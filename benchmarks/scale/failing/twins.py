"""A primary and a real streaming standby, under one address: cut off, joined again, failed over, and come back."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import psycopg

from tests.servers.postgres import USER, Server

DATABASE: Final = "store"
WAIT_SECONDS: Final = 60.0

_STREAMS: Final = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
_SYNC: Final = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"
_CAUGHT_UP: Final = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_flush_lsn()"


class Twins:
    """A primary and the standby that follows it."""

    def __init__(self, place: Path) -> None:
        """Keep their data below ``place``."""
        self._place: Path = place
        self.primary: Server = Server(place / "primary")
        self.standby: Server = Server(place / "standby")
        self.third: Server | None = None

    def __enter__(self) -> Self:
        self.primary.make()
        self.primary.start()
        self.primary.database(DATABASE)
        self.standby.copy_of(self.primary, "standby")
        self.standby.start()
        self.primary_says(_STREAMS)
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.third, self.standby, self.primary):
            if server is not None:
                server.stop("immediate")

    @property
    def dsn(self) -> str:
        """The address of whichever of the two can be written."""
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://{USER}@{hosts}/{DATABASE}?target_session_attrs=read-write&connect_timeout=5"

    def primary_says(self, sql: str) -> None:
        """Wait until the primary answers ``sql`` with something."""
        with psycopg.connect(self.primary.dsn(), autocommit=True) as db:
            until(lambda: bool((db.execute(sql.encode()).fetchone() or [0])[0]))

    def catch_up(self) -> None:
        """The standby has all that was written so far."""
        self.primary_says(_CAUGHT_UP)

    def synchronous(self) -> None:
        """Commits of the primary wait for its standby."""
        told(self.primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary_says(_SYNC)

    def cut_off(self) -> None:
        """The standby hears nothing any more."""
        told(self.standby, "ALTER SYSTEM SET primary_conninfo = ''")
        with psycopg.connect(self.primary.dsn(), autocommit=True) as db:
            until(lambda: db.execute(_STREAMS.encode()).fetchone() == (0,))

    def join_again(self) -> None:
        """The standby hears what it missed."""
        source = f"host=127.0.0.1 port={self.primary.port} user={USER} application_name=standby"
        told(self.standby, f"ALTER SYSTEM SET primary_conninfo = '{source}'")

    def fail_over(self, *, attach: bool = False) -> None:
        """The primary is dead and its standby promoted; with ``attach`` that waits for a standby of its own."""
        self.primary.kill()
        self.standby.promote()
        if attach:
            self.third = Server(self._place / "third")
            self.third.copy_of(self.standby, "third")
            self.third.start()
            told(self.standby, "ALTER SYSTEM SET synchronous_standby_names = '*'")


def told(server: Server, sql: str) -> None:
    """The server has been told ``sql``, and has read its settings."""
    with psycopg.connect(server.dsn(), autocommit=True) as db:
        db.execute(sql.encode())
        db.execute("SELECT pg_reload_conf()")


def until(true: Callable[[], bool]) -> None:
    """Return once ``true`` says so; raise ``TimeoutError`` after far longer than it can take."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("it doesn't become true")
        time.sleep(0.02)
