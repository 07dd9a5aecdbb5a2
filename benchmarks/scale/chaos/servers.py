"""PostgreSQL with a synchronous standby, under one address: it is killed, restarted, and failed over from.

Invariants:
- While there is a standby, a commit is acknowledged only once it is durable there as well.
- An old primary is dead before its standby is promoted: it was killed by the machine, which is the fence here.
- The address names both ports for ever; who connects gets whichever writes.
"""

import contextlib
import json
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final

import psycopg

from tests.servers.objects import moto
from tests.servers.postgres import USER, Server
from tests.servers.proxy import Mood, Proxy

STANDBY: Final = "standby"
DATABASE: Final = "chaos"
ATTACHED_SECONDS: Final = 30.0

_TERMINATE: Final = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database() AND random() < %s
"""
_ATTACHED: Final = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"


class Pair:
    """A primary and its standby; after a failover the standby's place is taken by a new one."""

    def __init__(self, place: Path, *, standby: bool) -> None:
        """Keep their data below ``place``."""
        self._place: Path = place
        self._made: int = 0
        self.primary: Server = self._server()
        self.standby: Server | None = None
        self._wanted: bool = standby
        self._ports: list[int] = [self.primary.port]
        self.failovers: int = 0

    def start(self) -> None:
        """Both answer, and the standby is synchronous."""
        self.primary.make()
        self.primary.start()
        self.primary.database(DATABASE)
        if self._wanted:
            self._stand_by()

    def stop(self) -> None:
        """Both have ended."""
        for server in (self.standby, self.primary):
            if server is not None:
                server.stop("immediate")

    @property
    def dsn(self) -> str:
        """The address of whichever of the two can be written."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return f"postgresql://{USER}@{hosts}/{DATABASE}?target_session_attrs=read-write"

    def cut(self, share: float) -> int:
        """Backends of so many clients are terminated."""
        with psycopg.connect(self.primary.dsn(DATABASE), autocommit=True) as db:
            row = db.execute(_TERMINATE, (share,)).fetchone()
        return 0 if row is None else int(row[0])

    def restart(self) -> None:
        """The primary lost its power, and is back."""
        self.primary.kill()
        self.primary.start()

    def fail_over(self) -> None:
        """The primary is dead for ever, its standby has taken over, and has a new one of its own."""
        if self.standby is None:
            raise RuntimeError("there is no standby to promote")
        self.primary.kill()
        self.standby.promote()
        port, self.primary, self.standby = self.primary.port, self.standby, None
        self.failovers += 1
        # Until the new standby follows, what is committed is durable here alone.
        self._stand_by(port)

    def acknowledged(self) -> None:
        """All that can be read now is acknowledged: a commit of our own has gone through behind it."""
        with psycopg.connect(self.primary.dsn(DATABASE), autocommit=True) as db:
            db.execute("SELECT pg_logical_emit_message(true, 'chaos', '')")

    def _stand_by(self, port: int | None = None) -> None:
        standby = self._server()
        # It will wait for a standby of its own from its first moment as a primary.
        standby.settings["synchronous_standby_names"] = STANDBY
        if port is None:
            self._ports.append(standby.port)
        else:
            standby.port = port
        standby.copy_of(self.primary, STANDBY)
        standby.start()
        self.standby = standby
        with psycopg.connect(self.primary.dsn(), autocommit=True) as db:
            if port is None:
                db.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'".encode())
                db.execute("SELECT pg_reload_conf()")
            end = time.monotonic() + ATTACHED_SECONDS
            while db.execute(_ATTACHED).fetchone() == (0,):
                if time.monotonic() > end:
                    raise RuntimeError(f"the standby did not attach:\n{standby.said()[-2000:]}")
                time.sleep(0.05)

    def _server(self) -> Server:
        self._made += 1
        return Server(self._place / f"pg-{self._made}")


@contextlib.contextmanager
def paired(place: Path, *, standby: bool) -> Generator[Pair]:
    """Have a pair for the length of a ``with`` block."""
    pair = Pair(place, standby=standby)
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()


class Bucket:
    """A bucket for large content behind a proxy that refuses, stalls and cuts."""

    MOODS: Final = (Mood.REFUSE, Mood.STALL, Mood.STALL_ANSWERS, Mood.CUT)

    def __init__(self, proxy: Proxy, settings: Mapping[str, object]) -> None:
        """Reach it by ``settings``, through ``proxy``."""
        self._proxy: Proxy = proxy
        self._settings: Mapping[str, object] = settings

    def turn(self, mood: Mood) -> None:
        """From here on connections to it are treated so."""
        self._proxy.turn(mood)

    def described(self, dsn: str, file: Path) -> str:
        """Write the file that describes a store with this bucket, and return its name."""
        lines = [f'postgres = "{dsn}"', "[objects]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in self._settings.items()]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(file)


@contextlib.contextmanager
def bucket() -> Generator[Bucket]:
    """Have a bucket for the length of a ``with`` block."""
    with moto() as server, Proxy(server.port) as proxy:
        server.bucket("chaos")
        yield Bucket(proxy, server.settings("chaos", port=proxy.port))
