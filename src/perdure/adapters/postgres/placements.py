"""Which runs workers are to drive, and which of them somebody should look at.

Invariant: what is called stands in partial indexes that hold the few runs that could go on, so that a look costs the
same with a million runs at rest. ``tests/worker`` reads the plans.
"""

from collections.abc import Sequence
from typing import Final, LiteralString, cast

from perdure.adapters.postgres.line import Line
from perdure.log.placing import Call, Holding, Placed, Stranger
from perdure.values.errors import UnknownRun

_PLACE: Final = """
INSERT INTO placements (run, agent, root, wake)
SELECT r.number, %s, (SELECT number FROM runs WHERE name = NULLIF(%s, '')), %s FROM runs r WHERE r.name = %s
ON CONFLICT (run) DO NOTHING
"""
_KNOWN: Final = "SELECT 1 FROM runs WHERE name = %s"

_OPEN: Final = "p.parked IS NULL AND p.agent = ANY(%(agents)s) AND (p.later IS NULL OR p.later <= %(now)s)"
_OF: Final = "WHERE run = (SELECT number FROM runs WHERE name = %s)"


def _whole(statement: LiteralString) -> LiteralString:
    return statement.replace("{OPEN}", _OPEN).replace("{OF}", _OF)


DUE: Final = _whole("""
SELECT p.run, p.root, p.agent FROM placements p
WHERE p.wake <= %(now)s AND p.wake IS NOT NULL AND {OPEN} ORDER BY p.wake LIMIT %(limit)s
""")
RUNG: Final = _whole("""
SELECT p.run, p.root, p.agent FROM runs r JOIN placements p ON p.run = r.number
WHERE r.wake <= %(now)s AND r.wake IS NOT NULL AND r.process IS NULL AND {OPEN} ORDER BY r.wake LIMIT %(limit)s
""")
IDLE: Final = _whole("""
SELECT p.run, p.root, p.agent FROM runs r JOIN placements p ON p.run = r.number
WHERE r.status = 'running' AND r.process IS NULL AND {OPEN} LIMIT %(limit)s
""")
POSTED: Final = _whole("""
SELECT DISTINCT p.run, p.root, p.agent FROM (
    SELECT i.run FROM inbox i WHERE i.kind IS NOT NULL ORDER BY i.run, i.number LIMIT 10 * %(limit)s
) i JOIN runs r ON r.number = i.run JOIN placements p ON p.run = i.run
WHERE r.process IS NULL AND {OPEN} LIMIT %(limit)s
""")
BEREAVED: Final = _whole("""
SELECT p.run, p.root, p.agent FROM processes h JOIN runs r ON r.process = h.name JOIN placements p ON p.run = r.number
WHERE (h.ended IS NOT NULL OR h.lapsed IS NOT NULL) AND r.process IS NOT NULL AND {OPEN} LIMIT %(limit)s
""")
PROVED: Final = _whole("""
SELECT p.run, p.root, p.agent FROM processes h JOIN writers w ON w.process = h.name JOIN runs r ON r.number = w.run
JOIN placements p ON p.run = w.run
WHERE h.ended IS NOT NULL AND w.told IS NULL AND r.process IS NULL AND {OPEN} LIMIT %(limit)s
""")
CALLS: Final[Sequence[LiteralString]] = (DUE, RUNG, IDLE, POSTED, BEREAVED, PROVED)

_NAMED: Final = """
SELECT r.name, p.agent, p.run FROM placements p JOIN runs r ON r.number = p.run WHERE p.run = ANY(%s)
"""
_CHILDREN: Final = """
UPDATE placements p SET wake = 0 FROM (
    UPDATE placements c SET heard = r.position FROM runs r
    WHERE c.run = ANY(%s) AND r.number = c.run AND r.position > c.heard RETURNING c.root
) called JOIN runs t ON t.number = called.root
WHERE p.run = called.root AND t.status IN ('running', 'waiting')
"""
_STRANGERS: Final = _whole("""
SELECT r.name, p.agent, r.holder FROM runs r JOIN placements p ON p.run = r.number
LEFT JOIN processes h ON h.name = r.process
WHERE r.process IS NOT NULL AND h.name IS NULL AND p.root IS NULL AND {OPEN} LIMIT %(limit)s
""")
_PLACED: Final = """
SELECT r.name, p.agent, r.tenant, COALESCE(t.name, ''), r.status, r.position, r.epoch, COALESCE(r.process, ''),
    CASE WHEN r.process IS NULL THEN 'nobody' WHEN h.name IS NULL THEN 'stranger'
        WHEN h.ended IS NOT NULL THEN 'ended' WHEN h.lapsed IS NOT NULL THEN 'lapsed' ELSE 'living' END,
    r.holder, LEAST(r.wake, p.wake), COALESCE(p.later, 0), p.tries, COALESCE(p.waits, ''), COALESCE(p.parked, ''),
    EXISTS (SELECT FROM inbox i WHERE i.run = r.number AND i.kind IS NOT NULL),
    EXISTS (SELECT FROM writers w JOIN processes e ON e.name = w.process
        WHERE w.run = r.number AND w.told IS NULL AND e.ended IS NOT NULL)
FROM placements p JOIN runs r ON r.number = p.run LEFT JOIN runs t ON t.number = p.root
LEFT JOIN processes h ON h.name = r.process
"""
_LOOK: Final = _PLACED + "WHERE r.name = %s"
_STUCK: Final = _PLACED + "WHERE p.parked IS NOT NULL OR p.waits IS NOT NULL ORDER BY r.number LIMIT %s"

_BEGIN: Final = _whole("UPDATE placements SET tries = tries + 1 {OF} RETURNING tries")
_REST: Final = _whole("""
UPDATE placements SET tries = 0, wake = %s, later = NULL, waits = NULL {OF}
AND (tries, wake, later, waits) IS DISTINCT FROM (0, %s, NULL, NULL)
""")
_LEAVE: Final = _whole("UPDATE placements SET later = %s, waits = NULLIF(%s, '') {OF}")
_PARK: Final = _whole("UPDATE placements SET parked = %s, parked_at = now(), waits = NULL {OF}")
_UNPARK: Final = _whole("""
UPDATE placements SET parked = NULL, parked_at = NULL, waits = NULL, later = NULL, tries = 0, wake = 0 {OF}
""")

STUCK_MAX: Final = 1000
"""Runs that a list of the stuck shows: more is for a query of one's own."""

_PlacedRow = tuple[
    str, str, str, str, str, int, int, str, Holding, str | None, int | None, int, int, str, str, bool, bool
]


class PostgresPlacements:
    """The placements in one database."""

    def __init__(self, line: Line) -> None:
        """Ask through ``line``."""
        self._line: Line = line

    def place(self, run: str, agent: str, *, root: str = "", wake: int | None = 0) -> bool:
        with self._line.lent("giving a run to workers") as db:
            placed = db.execute(_PLACE, (agent, root, wake, run)).rowcount > 0
            if not placed and db.execute(_KNOWN, (run,)).fetchone() is None:
                raise UnknownRun(f"there is no run {run!r} in this store")
        return placed

    def called(self, agents: Sequence[str], now: int, limit: int) -> Sequence[Call]:
        wanted = {"agents": list(agents), "now": now, "limit": limit}
        found: dict[int, None] = {}
        children: dict[int, None] = {}
        with self._line.lent("looking for runs that could go on") as db:
            with db.pipeline():
                cursors = [db.execute(each, wanted) for each in CALLS]
            for cursor in cursors:
                for run, root, _ in cast("list[tuple[int, int | None, str]]", cursor.fetchall()):
                    (found if root is None else children)[run] = None
            if children:
                db.execute(_CHILDREN, (list(children),))
            rows = db.execute(_NAMED, (list(found)[:limit],)).fetchall() if found else []
        named = {number: Call(run, agent) for run, agent, number in cast("list[tuple[str, str, int]]", rows)}
        return [named[number] for number in list(found)[:limit] if number in named]

    def strangers(self, agents: Sequence[str], limit: int) -> Sequence[Stranger]:
        wanted = {"agents": list(agents), "now": 1 << 62, "limit": limit}
        with self._line.lent("looking for runs of processes that are no workers") as db:
            rows = db.execute(_STRANGERS, wanted).fetchall()
        return [
            Stranger(Call(run, agent), holder)
            for run, agent, holder in cast("list[tuple[str, str, str]]", rows)
        ]

    def look(self, run: str) -> Placed | None:
        with self._line.lent("looking at a run") as db:
            row = db.execute(_LOOK, (run,)).fetchone()
        return None if row is None else Placed(*cast("_PlacedRow", row))

    def begin(self, run: str) -> int:
        with self._line.lent("counting a try") as db:
            row = db.execute(_BEGIN, (run,)).fetchone()
        return int(cast("int", row[0])) if row is not None else 1

    def rest(self, run: str, *, wake: int | None) -> None:
        self._changed(_REST, wake, run, wake)

    def leave(self, run: str, *, later: int, waits: str) -> None:
        self._changed(_LEAVE, later, waits, run)

    def park(self, run: str, why: str) -> None:
        if why:
            self._changed(_PARK, why, run)
        else:
            self._changed(_UNPARK, run)

    def stuck(self) -> Sequence[Placed]:
        with self._line.lent("looking for runs that are parked") as db:
            rows = db.execute(_STUCK, (STUCK_MAX,)).fetchall()
        return [Placed(*cast("_PlacedRow", row)) for row in rows]

    def _changed(self, statement: LiteralString, *values: object) -> None:
        with self._line.lent("keeping what workers know of a run") as db:
            db.execute(statement, values)
