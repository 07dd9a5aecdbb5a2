"""Transactional tools on PostgreSQL: the tool's writes and their outcome are one commit.

Invariants:
- A tool's receipt is written last in its own transaction. A send that was barred finds its row taken and can't commit.
- What isn't committed within the time limit is rolled back: by us, or by the server where our process doesn't go on.
- Whether a commit whose answer was lost has happened is found out by barring it: either the bar is there, or the deed is.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Final, cast

import msgspec
import psycopg

from perdure.adapters.tools.context import Transaction
from perdure.adapters.tools.outcomes import Found, Never, NotDone, Unknown
from perdure.adapters.tools.postgres.lent import Lent
from perdure.adapters.tools.postgres.receipts import Receipts, Session, check_reach, confirmed
from perdure.values.digest import Json
from perdure.values.errors import BadTool, ToolTooMighty
from perdure.values.limits import PROBE_SECONDS_MAX

RESOLVE_SECONDS: Final = PROBE_SECONDS_MAX / 2
"""How long a resolve waits for a sender in mid-commit: it has to answer before the probe's own bound."""

CONNECT_SECONDS: Final = 10
"""A server that doesn't answer for longer is away."""


class Deeds:
    """What tools did in one database."""

    def __init__(self, dsn: str, role: str, schema: str) -> None:
        """Connect to ``dsn`` for each deed, and let the tool be ``role``."""
        self._dsn: str = dsn
        self._role: str = role
        self._receipts: Receipts = Receipts(schema)
        self._made: bool = False

    def perform(self, key: str, send: int, time_limit: float, body: Callable[[Transaction], Json]) -> Json:
        """Run ``body`` and settle (``key``, ``send``) in one transaction; see ``Database.perform``."""
        deadline = time.monotonic() + time_limit
        try:
            with self._connected(time_limit) as db:
                return self._run(db, deadline, key, send, body)
        except psycopg.Error as error:
            raise NotDone(f"nothing was committed: {_words(error)}") from error
        except (BadTool, ToolTooMighty) as error:
            raise NotDone(f"nothing was begun: {error} ({error.code}: {error.hint})") from error

    def check(self) -> None:
        """Raise unless tools can write here, and reach no store's tables."""
        with self._connected(CONNECT_SECONDS):
            return

    def resolve(self, key: str, sends: int) -> Found | Never:
        """Return what was committed, or bar it; see ``Database.resolve``."""
        try:
            found = self._barred(key, sends)
        except (psycopg.Error, BadTool, ToolTooMighty) as error:
            raise Unknown(f"the database can't be asked now ({_words(error)})") from error
        return Never(barred=True) if found is None else Found(_decoded(found))

    def _run(
        self, db: Session, deadline: float, key: str, send: int, body: Callable[[Transaction], Json]
    ) -> Json:
        if (done := self._receipts.done(db, key)) is not None:
            return _decoded(done)
        if self._receipts.taken(db, key, send) is not None:
            raise NotDone("this send was barred: a successor has looked and found nothing")
        lent = Lent(db, deadline, self._role)
        try:
            with lent.lending() as transaction:
                result = body(transaction)
        except (NotDone, Unknown, psycopg.Error):
            raise
        except Exception as error:
            raise NotDone(f"rolled back: {type(error).__name__}: {error}") from error
        with lent.last_word() as last:
            self._receipts.settle(last, key, send, msgspec.json.encode(result).decode())
        self._committed(lent, max(0.0, deadline - time.monotonic()) + RESOLVE_SECONDS, key, send)
        return result

    def _committed(self, lent: Lent, seconds: float, key: str, send: int) -> None:
        """The deed is committed, here and where this server's commits are waited for; else raise."""
        try:
            with lent.last_word() as last, _ended_after(last, seconds), confirmed(last):
                last.commit()
        except psycopg.Error as error:
            self._read_back(key, send, _words(error))

    def _read_back(self, key: str, send: int, why: str) -> None:
        """Return if the commit was done after all; else it never is, and ``NotDone`` is raised; or ``Unknown``."""
        try:
            found = self._barred(key, send)
        except psycopg.Error as second:
            raise Unknown(
                f"the commit failed ({why}), and so did a look at it ({_words(second)})"
            ) from second
        if found is None:
            raise NotDone(f"the commit failed: {why}")

    def _barred(self, key: str, sends: int) -> str | None:
        with self._connected(RESOLVE_SECONDS) as db, _ended_after(db, RESOLVE_SECONDS):
            return self._receipts.barred(db, key, sends)

    @contextmanager
    def _connected(self, seconds: float) -> Generator[Session]:
        """Lend a session that is in no transaction; what isn't committed is rolled back at the end."""
        db = psycopg.connect(self._dsn, connect_timeout=CONNECT_SECONDS, application_name="perdure tool")
        try:
            milliseconds = str(max(1, int(seconds * 1000)))
            for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                db.execute("SELECT set_config(%s, %s, false)", (setting, milliseconds))
            db.execute(
                "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
            )
            db.execute("SELECT set_config('client_min_messages', 'warning', false)")
            # A commit whose wait for a standby was ended is known by the server's warning.
            db.execute("SELECT set_config('client_min_messages', 'warning', false)")
            check_reach(db, self._role)
            db.commit()
            if not self._made:
                self._prepare(db)
            yield db
        finally:
            db.close()

    def _prepare(self, db: Session) -> None:
        try:
            with _ended_after(db, RESOLVE_SECONDS):
                self._receipts.made(db)
        except psycopg.errors.InsufficientPrivilege as error:
            raise BadTool(
                f"the table of receipts can't be made: {_words(error)}",
                hint=f"let who logs in make it: CREATE SCHEMA {self._receipts.schema} AUTHORIZATION that role",
            ) from error
        self._made = True


@contextmanager
def _ended_after(db: Session, seconds: float) -> Generator[None]:
    """What the server does for us is ended after ``seconds``, and a commit's wait for a standby, which no timeout cuts."""
    watch = threading.Timer(seconds, lambda: _cancelled(db))
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        watch.join()


def _cancelled(db: Session) -> None:
    with suppress(psycopg.Error):
        db.cancel_safe(timeout=CONNECT_SECONDS)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _decoded(text: str) -> Json:
    return cast("Json", msgspec.json.decode(text))
