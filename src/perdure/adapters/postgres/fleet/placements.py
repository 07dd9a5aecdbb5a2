"""Which runs workers are to drive, and which of them somebody should look at.

Invariant: what is called stands in partial indexes that hold the few runs that could go on, so that a look costs the
same with a million runs at rest. ``tests/worker`` reads the plans.
"""

from collections.abc import Sequence
from typing import Final, LiteralString, cast

from perdure.adapters.postgres.link.line import Lend
from perdure.log.placing import Holding, Placed, Summons
from perdure.values.errors import UnknownRun

_PLACE: Final = """
INSERT INTO placements (run, agent, root, wake)
SELECT r.number, %(agent)s, COALESCE(t.root, t.run), CASE WHEN t.run IS NULL THEN 0 END
FROM runs r LEFT JOIN (placements t JOIN runs n ON n.number = t.run) ON n.name = %(root)s WHERE r.name = %(run)s
ON CONFLICT (run) DO NOTHING
"""
_CALL: Final = """
UPDATE placements p SET wake = 0 FROM placements q JOIN runs r ON r.number = q.run
WHERE r.name = %s AND p.run = COALESCE(q.root, q.run) AND p.parked IS NULL
RETURNING (SELECT pg_notify(%s, n.name || ' ' || p.agent) FROM runs n WHERE n.number = p.run)
"""
_KNOWN: Final = "SELECT 1 FROM runs WHERE name = %s"

_OPEN: Final = "p.parked IS NULL AND p.agent = ANY(%(agents)s) AND (p.later IS NULL OR p.later <= %(now)s)"
_OF: Final = "WHERE run = (SELECT number FROM runs WHERE name = %s)"
_FREE: Final = "(r.process IS NULL OR h.name IS NULL OR h.ended IS NOT NULL OR h.lapsed IS NOT NULL)"
CHANNEL: Final = "perdure_calls"
"""On which workers hear the names of runs that want to be looked at now."""


def _whole(statement: LiteralString) -> LiteralString:
    return statement.replace("{OPEN}", _OPEN).replace("{OF}", _OF).replace("{FREE}", _FREE)


DUE: Final = _whole("""
SELECT p.run, NULL::bigint, NULL::bigint FROM placements p JOIN runs r ON r.number = p.run
LEFT JOIN processes h ON h.name = r.process
WHERE p.wake <= %(now)s AND p.wake IS NOT NULL AND {OPEN} AND {FREE} ORDER BY p.wake LIMIT %(limit)s
""")
POSTED: Final = _whole("""
SELECT p.run, p.root, i.number FROM (
    SELECT run, max(number) AS number FROM (
        SELECT run, number FROM inbox WHERE kind IS NOT NULL AND run > %(after)s
        ORDER BY run, number LIMIT 10 * %(limit)s
    ) waiting GROUP BY run
) i JOIN runs r ON r.number = i.run JOIN placements p ON p.run = i.run LEFT JOIN processes h ON h.name = r.process
WHERE {OPEN} AND {FREE} AND i.number <> p.heard LIMIT %(limit)s
""")
PROVED: Final = _whole("""
SELECT p.run, NULL::bigint, NULL::bigint FROM writers w JOIN processes e ON e.name = w.process
JOIN runs r ON r.number = w.run JOIN placements p ON p.run = w.run
WHERE e.ended IS NOT NULL AND w.told IS NULL AND (r.process IS NULL OR r.process = %(me)s) AND p.root IS NULL AND {OPEN}
LIMIT %(limit)s
""")
LOST: Final = _whole("""
SELECT p.run, NULL::bigint, NULL::bigint FROM processes h JOIN runs r ON r.process = h.name
JOIN placements p ON p.run = r.number
WHERE (h.ended IS NOT NULL OR h.lapsed IS NOT NULL) AND p.root IS NULL AND {OPEN} LIMIT %(limit)s
""")
"""Whatever the placement says: a run whose process is gone may have been in the middle of something."""

CALLS: Final[Sequence[LiteralString]] = (LOST, PROVED, DUE, POSTED)
"""In the order in which they come first where there are more than one look takes."""

_BROKEN_OFF: Final = 2
"""How many of them, from the first, are of runs that lost their process."""

_PAGE: Final = """
SELECT count(*), coalesce(max(run), 0) FROM (
    SELECT run FROM inbox WHERE kind IS NOT NULL AND run > %(after)s ORDER BY run, number LIMIT 10 * %(limit)s
) page
"""
"""How many posts ``POSTED`` looked at, and of which run the last one is."""

_CHILDREN: Final = """
WITH heard AS (
    UPDATE placements c SET heard = u.number FROM unnest(%s::bigint[], %s::bigint[]) AS u (run, number)
    WHERE c.run = u.run RETURNING c.root
)
UPDATE placements p SET wake = 0 FROM heard JOIN runs t ON t.number = heard.root
WHERE p.run = heard.root AND t.status IN ('running', 'waiting')
"""
_NAMED: Final = """
SELECT r.name, p.agent, p.run FROM placements p JOIN runs r ON r.number = p.run WHERE p.run = ANY(%s)
"""
_PLACED: Final = """
SELECT r.name, p.agent, r.tenant, COALESCE(t.name, ''), r.status, r.position, r.epoch, COALESCE(r.process, ''),
    CASE WHEN r.process IS NULL THEN 'nobody' WHEN h.name IS NULL THEN 'stranger'
        WHEN h.ended IS NOT NULL THEN 'ended' WHEN h.lapsed IS NOT NULL THEN 'lapsed' ELSE 'living' END,
    r.holder, p.wake, COALESCE(p.later, 0), p.tries, COALESCE(p.waits, ''), COALESCE(p.parked, ''),
    EXISTS (SELECT FROM inbox i WHERE i.run = r.number AND i.kind IS NOT NULL),
    EXISTS (SELECT FROM writers w JOIN processes e ON e.name = w.process
        WHERE w.run = r.number AND w.told IS NULL AND e.ended IS NOT NULL)
FROM placements p JOIN runs r ON r.number = p.run LEFT JOIN runs t ON t.number = p.root
LEFT JOIN processes h ON h.name = r.process
"""
_LOOK: Final = _PLACED + "WHERE r.name = %s"
_AMONG: Final = _PLACED + "WHERE r.name = ANY(%s)"
_STUCK: Final = _PLACED + "WHERE p.parked IS NOT NULL OR p.waits IS NOT NULL ORDER BY r.number LIMIT %s"

_BEGIN: Final = _whole(
    "UPDATE placements SET tries = tries + %s, turn = %s, wake = 0, waits = NULL {OF} RETURNING tries"
)
_REST: Final = _whole("""
UPDATE placements SET tries = 0, wake = %s, later = NULL, waits = NULL {OF} AND %s IN ('', turn)
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

    def __init__(self, lent: Lend) -> None:
        """Ask over connections that ``lent`` lends."""
        self._lent: Lend = lent
        self._after: int = 0
        """the run up to which posts were looked at: no number of posts that nobody takes in hides those behind them"""

    def place(self, run: str, agent: str, *, root: str = "") -> bool:
        with self._lent("giving a run to workers") as db:
            placed = db.execute(_PLACE, {"run": run, "agent": agent, "root": root}).rowcount > 0
            if not placed and db.execute(_KNOWN, (run,)).fetchone() is None:
                raise UnknownRun(f"there is no run {run!r} in this store")
        return placed

    def call(self, run: str) -> bool:
        with self._lent("calling workers") as db:
            return db.execute(_CALL, (run, CHANNEL)).rowcount > 0

    def called(self, agents: Sequence[str], now: int, limit: int, me: str = "") -> Sequence[Summons]:
        wanted = {"agents": list(agents), "now": now, "limit": limit, "me": me, "after": self._after}
        found: dict[int, bool] = {}
        children: dict[int, int] = {}
        with self._lent("looking for runs that could go on") as db:
            with db.pipeline():
                cursors = [db.execute(each, wanted) for each in CALLS]
                page = db.execute(_PAGE, wanted)
            seen, last = cast("tuple[int, int]", page.fetchone())
            self._after = last if seen >= 10 * limit else 0
            for place, cursor in enumerate(cursors):
                for run, root, post in cast("list[tuple[int, int | None, int]]", cursor.fetchall()):
                    if root is None:
                        found.setdefault(run, place < _BROKEN_OFF)
                    else:
                        children[run] = post
            if children:
                db.execute(_CHILDREN, (list(children), list(children.values())))
            rows = db.execute(_NAMED, (list(found)[:limit],)).fetchall() if found else []
        named = {
            number: Summons(run, agent, found[number])
            for run, agent, number in cast("list[tuple[str, str, int]]", rows)
        }
        return [named[number] for number in list(found)[:limit] if number in named]

    def look(self, run: str) -> Placed | None:
        with self._lent("looking at a run") as db:
            row = db.execute(_LOOK, (run,)).fetchone()
        return None if row is None else Placed(*cast("_PlacedRow", row))

    def among(self, runs: Sequence[str]) -> Sequence[Placed]:
        with self._lent("looking at runs") as db:
            rows = db.execute(_AMONG, (list(runs),)).fetchall() if runs else []
        return [Placed(*cast("_PlacedRow", row)) for row in rows]

    def begin(self, run: str, *, counts: bool = True, turn: str = "") -> int:
        with self._lent("counting a try") as db:
            row = db.execute(_BEGIN, (int(counts), turn, run)).fetchone()
        return int(cast("int", row[0])) if row is not None else 1

    def rest(self, run: str, *, wake: int | None, turn: str = "") -> None:
        self._changed(_REST, wake, run, turn)

    def leave(self, run: str, *, later: int, waits: str) -> None:
        self._changed(_LEAVE, later, waits, run)

    def park(self, run: str, why: str) -> None:
        if why:
            self._changed(_PARK, why, run)
        else:
            self._changed(_UNPARK, run)

    def stuck(self) -> Sequence[Placed]:
        with self._lent("looking for runs that are parked") as db:
            rows = db.execute(_STUCK, (STUCK_MAX,)).fetchall()
        return [Placed(*cast("_PlacedRow", row)) for row in rows]

    def _changed(self, statement: LiteralString, *values: object) -> None:
        with self._lent("keeping what workers know of a run") as db:
            db.execute(statement, values)
