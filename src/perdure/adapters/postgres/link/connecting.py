"""Connections to the server: made in one way, told what they may take, and looked at before they are used.

Invariants:
- A commit is durable before it is answered, whatever the database's own default says.
- A connection whose process doesn't go on holds up others for a bounded time: the server ends its transaction.
- Whatever is asked over one is answered within a bound, or refused: see ``waiting``.
- Nobody uses a connection before ``identity.look`` has seen whose store is at its other end.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

import psycopg
from psycopg import conninfo

from perdure.adapters.postgres.failover.identity import look
from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.layout import PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN, SCHEMA, Setup
from perdure.adapters.postgres.link.faults import READ_ONLY, refused, said
from perdure.adapters.postgres.link.waiting import Database
from perdure.values.errors import BadInput, OldPrimary, PerdureError, StoreAway, StoreReadOnly

_SETTLED = """
SELECT set_config('search_path', %s, false),
    set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
    set_config('statement_timeout', %s, false),
    set_config('lock_timeout', %s, false),
    set_config('idle_in_transaction_session_timeout', %s, false),
    set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('max_parallel_workers_per_gather', '0', false),
    set_config('jit', 'off', false),
    set_config('client_min_messages', 'warning', false),
    pg_backend_pid(), pg_is_in_recovery(), current_setting('transaction_read_only')
"""
"""Nothing that a server is set to tell of less than a warning: what it says under a commit is taken for a word about its
standby. One plan for all values can't know how few rows they find. It looks dear where the tables are large, and starting
other processes or compiling it would then cost forty milliseconds for a look of one."""


def checked_dsn(dsn: str) -> str:
    """Return ``dsn``, or raise ``BadInput`` if libpq couldn't read it."""
    try:
        words = conninfo.conninfo_to_dict(dsn)
        for port in filter(None, str(words.get("port") or "").split(",")):
            range(1, 65536).index(int(port))
    except (psycopg.Error, ValueError) as error:
        raise BadInput(
            f"{without_password(dsn)} is no address of a PostgreSQL database: {str(error).strip()}",
            hint="write it as postgresql://USER@HOST:PORT/DATABASE",
        ) from error
    return dsn


def without_password(dsn: str) -> str:
    """Return the address as it may be shown."""
    try:
        words = conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        return "what was given"
    named = [f"{key}={words[key]}" for key in ("host", "port", "dbname", "user") if words.get(key)]
    return " ".join(named) or "the default database"


def each_host(dsn: str) -> list[str]:
    """Return the address of each single host where ``dsn`` names several; none where it doesn't."""
    words = {key: str(value) for key, value in conninfo.conninfo_to_dict(dsn).items() if value is not None}
    lists = {key: words[key].split(",") for key in ("host", "hostaddr", "port") if key in words}
    count = max((len(each) for each in lists.values()), default=1)
    if count < 2:
        return []
    # One port may stand for all hosts.
    return [
        conninfo.make_conninfo(
            **{**words, **{key: each[at] if len(each) > 1 else each[0] for key, each in lists.items()}}
        )
        for at in range(count)
    ]


class Dialer:
    """Makes connections to one store."""

    DATABASE: ClassVar[type[Database]] = Database

    def __init__(self, dsn: str, setup: Setup, known: Known | None = None) -> None:
        """Know where the store is; nothing is connected yet."""
        self._dsn: str = checked_dsn(dsn)
        self.setup: Setup = setup
        self.place: str = without_password(dsn)
        self._known: Known = known or Known()
        self._lends_sessions: bool = False

    def connected(self, *, writes: bool = False) -> Database:
        """Return a new connection that has been looked at; raises what the caller has to do."""
        try:
            return self._connected(self._dsn, writes=writes)
        except OldPrimary:
            # libpq takes the first host that writes, and an old primary that came back does.
            for dsn in each_host(self._dsn):
                with suppress(PerdureError):
                    return self._connected(dsn, writes=writes)
            raise

    def _connected(self, dsn: str, *, writes: bool) -> Database:
        db = self._dialed(dsn)
        try:
            process = self._settle(db, writes=writes)
            if process != db.info.backend_pid and not self._lends_sessions:
                self._check_lent(db, process, dsn)
            look(db, self._known)
        except BaseException as error:
            db.close()
            if isinstance(error, psycopg.Error):
                raise said(error, f"connecting to {self.place}") from error
            raise
        return db

    def bare(self) -> Database:
        """Return a new connection that knows nothing of a store yet."""
        return self._dialed(self._dsn)

    def _dialed(self, dsn: str) -> Database:
        setup = self.setup
        try:
            db = self.DATABASE.connect(
                dsn,
                autocommit=True,
                connect_timeout=max(2, round(setup.connect_seconds)),
                application_name=setup.application,
                client_encoding="UTF8",
                keepalives=1,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=round(setup.statement_seconds * 1000),
            )
        except psycopg.Error as error:
            raise refused(error, f"connecting to {self.place}") from error
        db.bounded(setup.answer_seconds, setup.cancel_seconds, lambda: self._dialed(dsn))
        return db

    def persistently(self, seconds: float, stopped: Callable[[], bool]) -> Database:
        """Return a connection that writes, made within ``seconds`` if the server comes back by then."""
        deadline = time.monotonic() + seconds
        pause = PAUSE_SECONDS_MIN
        while True:
            try:
                return self.connected(writes=True)
            except (StoreAway, StoreReadOnly):
                # A standby that is being promoted only reads until it is.
                left = deadline - time.monotonic()
                if left <= 0 or stopped():
                    raise
            time.sleep(min(left, pause * (0.5 + random.random())))  # noqa: S311 - chance keeps processes apart
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _check_lent(self, db: Database, process: int, dsn: str) -> None:
        """Raise ``BadInput`` if the pooler that stands before the server lends connections for one transaction each.

        The server's process isn't the one that was named at the beginning, so there is a pooler. One that lends for
        whole sessions gives no two of them the same process, nor one of them another.
        """
        try:
            with self._dialed(dsn) as other:
                other.execute("BEGIN")
                theirs, ours = _backend_of(other), _backend_of(db)
                other.execute("ROLLBACK")
        except (psycopg.Error, StoreAway):
            # It has no second connection to spare now: the next look may tell.
            return
        if theirs in (process, ours) or ours != process:
            raise BadInput(
                f"{self.place} is a pooler that lends a connection for one transaction",
                hint="name the server itself, or let the pooler lend for a session (PgBouncer: pool_mode = session)",
            )
        self._lends_sessions = True

    def _settle(self, db: Database, *, writes: bool) -> int:
        """The connection has our bounds; return the server's process. Raises ``StoreReadOnly`` if it ``writes`` and can't."""
        setup = self.setup
        bounds = (setup.statement_seconds, setup.lock_seconds, setup.idle_seconds)
        # pg_temp last: nobody's temporary table stands before one of ours
        words = (f"{SCHEMA}, pg_temp", *(f"{round(seconds * 1000)}ms" for seconds in bounds))
        row = db.execute(_SETTLED, words, prepare=False).fetchone()
        if writes and row is not None and (row[-2] is True or row[-1] == "on"):
            raise StoreReadOnly(f"{self.place} can be read and not written", hint=READ_ONLY)
        return row[-3] if row is not None and isinstance(row[-3], int) else 0


def _backend_of(db: Database) -> int:
    row = db.execute("SELECT pg_backend_pid()").fetchone()
    return row[0] if row is not None and isinstance(row[0], int) else 0
