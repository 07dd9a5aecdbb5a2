"""What a worker's role may do, and no more: rows are read and written, tables are made by their owner alone.

Invariants:
- No worker can change or remove an event, forget a claim or a counter, or remove a run: what was acknowledged is out
  of reach even of a worker that is turned against the store, but for the owner's own role.
- Whoever had a worker's rights before the tables changed has them on the new ones too.
"""

from collections.abc import Mapping
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import errors as pg
from psycopg import sql

from perdure.adapters.postgres.columns import asked
from perdure.adapters.postgres.layout import SCHEMA
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.faults import said
from perdure.adapters.postgres.link.waiting import Database
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
_ENGINE: Final[tuple[LiteralString, ...]] = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, USAGE ON SEQUENCES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT EXECUTE ON FUNCTIONS TO {role}",
)
_WORKERS: Final = """
SELECT DISTINCT a.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) a
WHERE c.oid = to_regclass(%s) AND a.privilege_type = 'INSERT' AND a.grantee <> c.relowner AND a.grantee <> 0
"""


_RIGHTS: Final = """
SELECT w.words FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS w (kind, name, rights, words)
WHERE NOT CASE w.kind
    WHEN 'database' THEN has_database_privilege(%s, current_database(), w.rights)
    WHEN 'schema' THEN has_schema_privilege(%s, w.name, w.rights)
    WHEN 'sequence' THEN has_sequence_privilege(%s, w.name, w.rights)
    ELSE has_table_privilege(%s, w.name, w.rights) END
"""
_HAS_SCHEMA: Final = "SELECT to_regnamespace(%s) IS NOT NULL"
_HAS_ROLE: Final = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)"
_DATABASE: Final = "SELECT current_database()"


class _Relation(NamedTuple):
    name: str
    is_sequence: bool


class _Right(NamedTuple):
    kind: str
    name: str
    right: str

    @property
    def words(self) -> str:
        return f"{self.right} on {self.kind}{f' {self.name}' if self.name else ''}"


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
    # Collecting garbage marks what is reached in temporary tables.
    database = sql.Identifier(asked(db, str, _DATABASE)[0])
    db.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, role), prepare=False)


def grant(dialer: Dialer, role: str, beside: str = "") -> None:
    """``role`` may do what a worker does, also with the tables of its engine in schema ``beside``.

    Raises ``BadInput`` if the server has no such role.
    """
    with dialer.bare() as db:
        try:
            with db.transaction():
                granted(db, sql.Identifier(role))
                if beside:
                    _grant_engine(db, sql.Identifier(beside), sql.Identifier(role))
        except pg.UndefinedObject as error:
            raise BadInput(
                f"granting to {role!r}: {str(error).strip()}",
                hint=f"make it first: CREATE ROLE {role} LOGIN PASSWORD '...'",
            ) from error
        except psycopg.Error as error:
            raise said(error, f"granting to {role!r}") from error


def workers_in(dialer: Dialer) -> list[str]:
    """Return the roles that have a worker's rights, by their names."""
    with dialer.bare() as db:
        return [each.strip('"').replace('""', '"') for each in workers_of(db)]


def lacks(dialer: Dialer, role: str, beside: str = "") -> list[str]:
    """Return what ``role`` may not do that a worker with an engine in ``beside`` does, in words; changes nothing."""
    with dialer.bare() as db:
        if not asked(db, bool, _HAS_ROLE, (role,))[0]:
            return ["the role itself: the server has none of this name"]
        wanted = [
            *_wanted(db, SCHEMA, KEPT),
            _Right("database", "", "CONNECT"),
            _Right("database", "", "TEMPORARY"),
        ]
        missing: list[str] = []
        if beside and asked(db, bool, _HAS_SCHEMA, (beside,))[0]:
            wanted += _wanted(db, beside, {})
        elif beside:
            missing.append(f"the engine's tables: there is no schema {beside}")
        columns = (
            [each.kind for each in wanted],
            [each.name for each in wanted],
            [each.right for each in wanted],
        )
        return missing + asked(
            db, str, _RIGHTS, (*columns, [each.words for each in wanted], role, role, role, role)
        )


def _wanted(db: Database, schema: str, kept: Mapping[str, str]) -> list[_Right]:
    found = [_Right("schema", schema, "USAGE")]
    for relation, is_sequence in asked(db, _Relation, _TABLES, (schema,)):
        rights = "SELECT, USAGE" if is_sequence else kept.get(relation, ALL)
        kind = "sequence" if is_sequence else "table"
        found += [_Right(kind, f"{schema}.{relation}", right) for right in rights.split(", ")]
    return found


def _grant_engine(db: Database, schema: sql.Composable, role: sql.Composable) -> None:
    """An engine's tables are its own: workers may do all with their rows, also of those that it makes later."""
    for statement in _ENGINE:
        db.execute(sql.SQL(statement).format(schema=schema, role=role), prepare=False)
