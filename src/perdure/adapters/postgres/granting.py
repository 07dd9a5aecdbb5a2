"""What a worker's role may do, and no more: rows are read and written, tables are made by their owner alone.

Invariants:
- No worker can change or remove an event, forget a claim or a counter, or remove a run: what was acknowledged is out
  of reach even of a worker that is turned against the store, but for the owner's own role.
- Whoever had a worker's rights before the tables changed has them on the new ones too.
"""

from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import errors as pg
from psycopg import sql

from perdure.adapters.postgres.columns import asked
from perdure.adapters.postgres.connecting import Database, Dialer
from perdure.adapters.postgres.faults import said
from perdure.adapters.postgres.layout import SCHEMA
from perdure.values.errors import BadInput

KEPT: Final[dict[str, LiteralString]] = {
    "migrations": "SELECT",
    "events": "SELECT, INSERT",
    "runs": "SELECT, INSERT, UPDATE",
    "claims": "SELECT, INSERT, UPDATE",
    "counters": "SELECT, INSERT, UPDATE",
    "inbox": "SELECT, INSERT, UPDATE",
    "store": "SELECT, UPDATE",
    "seal": "SELECT, UPDATE",
    "failovers": "SELECT, INSERT",
}
"""Tables of which a worker may do less than all four."""

ALL: Final[LiteralString] = "SELECT, INSERT, UPDATE, DELETE"

_TABLES: Final = """
SELECT c.relname, c.relkind = 'S' FROM pg_class c
WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') AND NOT c.relispartition
"""
_WORKERS: Final = """
SELECT DISTINCT a.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) a
WHERE c.oid = to_regclass(%s) AND a.privilege_type = 'INSERT' AND a.grantee <> c.relowner AND a.grantee <> 0
"""


class _Relation(NamedTuple):
    name: str
    is_sequence: bool


def workers_of(db: Database) -> list[str]:
    """Return the roles that have a worker's rights, as SQL writes them."""
    return asked(db, str, _WORKERS, (f"{SCHEMA}.events",))


def granted(db: Database, role: sql.Composable) -> None:
    """Within a transaction of the owner: ``role`` may do what a worker does, and no more."""
    schema = sql.Identifier(SCHEMA)
    db.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role), prepare=False)
    for relation, is_sequence in asked(db, _Relation, _TABLES, (SCHEMA,)):
        name = sql.Identifier(SCHEMA, relation)
        kind = sql.SQL("SEQUENCE" if is_sequence else "TABLE")
        db.execute(sql.SQL("REVOKE ALL ON {} {} FROM {}").format(kind, name, role), prepare=False)
        rights = sql.SQL("SELECT, USAGE" if is_sequence else KEPT.get(relation, ALL))
        db.execute(sql.SQL("GRANT {} ON {} {} TO {}").format(rights, kind, name, role), prepare=False)


def grant(dialer: Dialer, role: str) -> None:
    """``role`` may do what a worker does. Raises ``BadInput`` if the server has no such role."""
    with dialer.bare() as db:
        try:
            with db.transaction():
                granted(db, sql.Identifier(role))
        except pg.UndefinedObject as error:
            raise BadInput(
                f"granting to {role!r}: {str(error).strip()}",
                hint=f"make it first: CREATE ROLE {role} LOGIN PASSWORD '...'",
            ) from error
        except psycopg.Error as error:
            raise said(error, f"granting to {role!r}") from error
