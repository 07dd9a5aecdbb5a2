"""A server that is lost, and brought back from a base backup and its archived log as it was at a moment before."""

from pathlib import Path
from typing import Final, Self

import psycopg

from benchmarks.scale.failing.twins import DATABASE, Twins, until
from tests.servers.postgres import UNSYNCED, Server

_NOW: Final = "SELECT clock_timestamp()::text"
_SWITCHED: Final = "SELECT pg_walfile_name(pg_switch_wal())"
_ARCHIVED: Final = "SELECT last_archived_wal >= %s FROM pg_stat_archiver"
_RECOVERED: Final = "SELECT NOT pg_is_in_recovery()"


class Rewound(Twins):
    """A primary that archives its log, and a base backup of it; ``catch_up`` marks the moment to go back to."""

    def __init__(self, place: Path) -> None:
        """Keep their data below ``place``."""
        super().__init__(place)
        for server in (self.primary, self.standby):
            # No power is cut here.
            server.settings |= UNSYNCED
        self.moment: str = ""
        self._archive: Path = self.primary.archive_to(place / "archive")

    def __enter__(self) -> Self:
        self.primary.make()
        self.primary.start()
        self.primary.database(DATABASE)
        self.standby.back_up(self.primary)
        return self

    def catch_up(self) -> None:
        """Whatever is committed from here on will not be in the server that comes back."""
        self.moment = _asked(self.primary, _NOW)

    def cut_off(self) -> None:
        """There is nothing that would hear of it."""

    def fail_over(self, *, attach: bool = False) -> None:
        """The server is lost, and comes back in another directory as it was at the moment."""
        del attach
        with psycopg.connect(self.primary.dsn(), autocommit=True) as db:
            segment = db.execute(_SWITCHED.encode()).fetchone()
            until(lambda: db.execute(_ARCHIVED.encode(), segment).fetchone() == (True,))
        self.primary.kill()
        self.standby.recover(self._archive, {"recovery_target_time": self.moment})
        until(lambda: _asked(self.standby, _RECOVERED) == "True")


def _asked(server: Server, sql: str) -> str:
    with psycopg.connect(server.dsn(), autocommit=True) as db:
        row = db.execute(sql.encode()).fetchone()
    return "" if row is None else str(row[0])
