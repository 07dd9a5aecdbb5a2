"""Our one table in the user's database, and whether a tool there could reach a store's.

Invariants:
- (key, send) has at most one row, for ever: 'done' with the result, or 'barred'. A key has at most one row 'done'.
- What was read as done counts only after a commit of our own, which waits for the same standbys as the tool's had to.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from perdure.values.errors import ToolTooMighty

Session = psycopg.Connection[tuple[object, ...]]

LOCK: Final = 5_027_114_211
"""Of those who make the table at the same time; any number that nobody else would take."""

STORE_SCHEMA: Final = "perdure"

_CREATE: Final = """
CREATE TABLE IF NOT EXISTS {schema}.perdure_receipts (
    key text NOT NULL,
    send bigint NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'barred')),
    result text,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, send)
);
CREATE UNIQUE INDEX IF NOT EXISTS perdure_receipts_done ON {schema}.perdure_receipts (key) WHERE outcome = 'done';
"""
_DONE: Final = "SELECT result FROM {schema}.perdure_receipts WHERE key = %s AND outcome = 'done'"
_TAKEN: Final = "SELECT outcome FROM {schema}.perdure_receipts WHERE key = %s AND send = %s"
_SETTLE: Final = """
WITH heard AS MATERIALIZED (
    SELECT set_config('client_min_messages', 'warning', true), set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)
)
INSERT INTO {schema}.perdure_receipts (key, send, outcome, result) SELECT %s, %s, 'done', %s FROM heard
"""
"""Whatever the role or the tool has set: the commit waits for the disk, and a warning about its standby is heard."""

_BAR: Final = """
INSERT INTO {schema}.perdure_receipts (key, send, outcome) SELECT %s, generate_series(1, %s), 'barred'
ON CONFLICT (key, send) DO NOTHING
"""
_TOUCH: Final = "UPDATE {schema}.perdure_receipts SET at = at WHERE key = %s AND outcome = 'done'"
_REACH: Final = """
SELECT r FROM (VALUES (session_user::text), (%s)) AS who (r)
WHERE r <> '' AND EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = %s AND has_schema_privilege(r, n.oid, 'USAGE')) LIMIT 1
"""
_THERE: Final = "SELECT to_regclass(%s) IS NOT NULL"


class Unconfirmed(psycopg.OperationalError):
    """The server has committed, and wasn't told that its standbys have: a failover could still lose it."""


@contextmanager
def confirmed(db: Session) -> Generator[None]:
    """What is committed within is committed wherever this server's commits are waited for; else ``Unconfirmed``."""
    warned: list[str] = []

    def heard(said: psycopg.errors.Diagnostic) -> None:
        if said.severity_nonlocalized == "WARNING":
            warned.append(said.message_primary or "a warning")

    db.add_notice_handler(heard)
    yield
    if warned:
        raise Unconfirmed(warned[0])


class Receipts:
    """The table as one session sees it."""

    def __init__(self, schema: str) -> None:
        """Keep receipts in ``schema``."""
        self.schema: str = schema

    def made(self, db: Session) -> None:
        """The table is there. Raises psycopg's errors; ``db`` is outside of a transaction."""
        there = db.execute(_THERE, (f'"{self.schema}".perdure_receipts',)).fetchone()
        db.rollback()
        if there is not None and there[0]:
            return
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            if db.execute("SELECT FROM pg_namespace WHERE nspname = %s", (self.schema,)).fetchone() is None:
                db.execute(self._sql("CREATE SCHEMA {schema}"))
            db.execute(self._sql(_CREATE))

    def done(self, db: Session, key: str) -> str | None:
        """Return the result of the send of ``key`` that was committed, as JSON."""
        row = db.execute(self._sql(_DONE), (key,)).fetchone()
        return None if row is None else str(row[0])

    def taken(self, db: Session, key: str, send: int) -> str | None:
        """Return what became of this send, as far as anything did."""
        row = db.execute(self._sql(_TAKEN), (key, send)).fetchone()
        return None if row is None else str(row[0])

    def settle(self, db: Session, key: str, send: int, result: str) -> None:
        """In the tool's transaction: it is done. Raises ``UniqueViolation`` if it was barred."""
        db.execute(self._sql(_SETTLE), (key, send, result))

    def barred(self, db: Session, key: str, sends: int) -> str | None:
        """Return the result if one of ``sends`` sends is done; else none of them can be any more. Commits."""
        with confirmed(db), db.transaction():
            db.execute(self._sql(_BAR), (key, sends))
            found = self.done(db, key)
            if found is not None:
                # What a dead server process had committed may be on this server alone: our commit waits for the others.
                db.execute(self._sql(_TOUCH), (key,))
        return found

    def _sql(self, statement: LiteralString) -> sql.Composed:
        return sql.SQL(statement).format(schema=sql.Identifier(self.schema))


def check_reach(db: Session, role: str) -> None:
    """Raise ``ToolTooMighty`` if who logs in here, or ``role``, could use a store's tables in this database."""
    row = db.execute(_REACH, (role, STORE_SCHEMA)).fetchone()
    if row is not None:
        raise ToolTooMighty(
            f"a tool that runs as {row[0]!r} could reach the store's own tables, which are in this database",
            hint="log in as a role of its own: CREATE ROLE tools LOGIN; GRANT what it needs ON your tables TO tools; "
            "CREATE SCHEMA perdure_tools AUTHORIZATION tools",
        )
