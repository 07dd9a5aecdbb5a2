"""What a database that is a shard knows of the others, and which tenants it was given.

Invariant: a placement shares the roster's row with other placements, and what changes the roster waits for them: who
has introduced a shard sees every placement that was made without it.
"""

from typing import Final, cast

from perdure.adapters.postgres.link.desk import Desk
from perdure.adapters.postgres.link.readers import Readers
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.roster import Roster
from perdure.values.errors import StoreDamaged

_LOOK: Final = "SELECT name, known FROM roster"
_SHARED: Final = "SELECT name, known FROM roster FOR SHARE"
_CHANGED: Final = "SELECT name, known FROM roster FOR UPDATE"
_INTRODUCE: Final = "UPDATE roster SET name = %s, known = %s"
_HOME: Final = "SELECT shard FROM homes WHERE what = %s"
_PLACE: Final = "INSERT INTO homes (what, shard) VALUES (%s, %s) ON CONFLICT (what) DO NOTHING"
_HERE: Final = {
    "tenant": "SELECT 1 FROM runs WHERE tenant = %s LIMIT 1",
    "run": "SELECT 1 FROM runs WHERE name = %s",
}


class PostgresRoster:
    """``RosterStore`` of one database."""

    def __init__(self, desk: Desk, readers: Readers) -> None:
        """Read over ``readers``, change by ``desk``."""
        self._desk: Desk = desk
        self._readers: Readers = readers

    def look(self) -> Roster:
        return self._readers.read("reading which shard this is", lambda db: _roster(db, _LOOK))

    def introduce(self, name: str, known: frozenset[str]) -> Roster:
        def change(db: Database, again: bool) -> Roster:  # noqa: FBT001 - the desk's way
            del again
            seen = _roster(db, _CHANGED)
            if seen.name not in (None, name):
                return seen
            grown = Roster(name, seen.known | known)
            if grown != seen:
                db.execute(_INTRODUCE, (name, sorted(grown.known)))
            return grown

        return self._desk.do(f"introducing shard {name}", change)

    def placed(self, what: str) -> str | None:
        return self._readers.read(f"looking where {what} is", lambda db: _placed(db, what))

    def place(self, what: str, where: str, known: frozenset[str]) -> str | None:
        def change(db: Database, again: bool) -> str | None:  # noqa: FBT001 - the desk's way
            del again
            if _roster(db, _SHARED).known != known:
                return None
            db.execute(_PLACE, (what, where))
            row = db.execute(_HOME, (what,)).fetchone()
            return where if row is None else cast("str", row[0])

        return self._desk.do(f"placing {what}", change)


def _roster(db: Database, statement: str) -> Roster:
    row = db.execute(statement.encode()).fetchone()
    if row is None:
        raise StoreDamaged("the row that says which shard this is is gone")
    return Roster(cast("str | None", row[0]), frozenset(cast("list[str]", row[1])))


def _placed(db: Database, what: str) -> str | None:
    row = db.execute(_HOME, (what,)).fetchone()
    if row is not None:
        return cast("str", row[0])
    kind, _, name = what.partition(":")
    if db.execute(_HERE[kind].encode(), (name,)).fetchone() is None:
        return None
    return _roster(db, _LOOK).name
