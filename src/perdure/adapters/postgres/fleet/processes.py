"""The registry of processes that drive runs, and the proofs of their end."""

from collections.abc import Sequence
from typing import Final, LiteralString, cast

import msgspec
import psycopg

from perdure.adapters.holders import Fate
from perdure.adapters.postgres.link.line import Lend
from perdure.log.placing import ProcessBegun, ProcessSeen
from perdure.log.port import Holder

_RECORDED: Final = "SELECT ended IS NOT NULL FROM processes WHERE name = %s"
_SILENT: Final = """
SELECT r.epoch FROM runs r JOIN processes h ON h.name = r.process WHERE r.name = %s AND h.lapsed IS NOT NULL
"""
_ENTER: Final = """
INSERT INTO processes (name, host, pid, started, station, address, version, format, engine, agents, concurrency)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET address = EXCLUDED.address, agents = EXCLUDED.agents, seen = clock_timestamp()
WHERE processes.ended IS NULL AND processes.lapsed IS NULL
"""
_RENEW: Final = """
UPDATE processes SET seen = clock_timestamp(), driving = %s, draining = %s
WHERE name = %s AND ended IS NULL AND lapsed IS NULL
"""
_JUDGE: Final = """
UPDATE processes SET lapsed = clock_timestamp(), lapsed_by = %s
WHERE name IN (
    SELECT name FROM processes
    WHERE ended IS NULL AND lapsed IS NULL AND seen < clock_timestamp() - make_interval(secs => %s)
    ORDER BY name FOR UPDATE SKIP LOCKED
) AND seen < clock_timestamp() - make_interval(secs => %s)
RETURNING name
"""
_PROVE: Final = """
UPDATE processes SET ended = clock_timestamp(), proof = %s, proved_by = %s WHERE name = %s AND ended IS NULL
"""
_PROCESSES: Final = """
SELECT name, host, pid, started, station, address, version, format, engine, agents, concurrency,
    extract(epoch FROM clock_timestamp() - begun)::float8, extract(epoch FROM clock_timestamp() - seen)::float8,
    driving, draining, lapsed IS NOT NULL, ended IS NOT NULL, COALESCE(proof, ''), COALESCE(proved_by, '')
FROM processes
"""
_OPEN: Final[LiteralString] = _PROCESSES + "WHERE ended IS NULL ORDER BY begun, name"
_HERE: Final[LiteralString] = _PROCESSES + "WHERE ended IS NULL AND host = %s ORDER BY begun, name"
_ALL: Final[LiteralString] = _PROCESSES + "WHERE %s IN ('', host) ORDER BY begun, name"
_RUNS: Final = """
SELECT r.name FROM runs r WHERE r.process = %(name)s
UNION SELECT r.name FROM writers w JOIN runs r ON r.number = w.run WHERE w.process = %(name)s AND w.told IS NULL
ORDER BY 1
"""
_FORGET: Final = """
DELETE FROM processes p WHERE ended < clock_timestamp() - make_interval(secs => %s)
AND NOT EXISTS (SELECT FROM runs r WHERE r.process = p.name)
AND NOT EXISTS (SELECT FROM writers w WHERE w.process = p.name AND w.told IS NULL)
"""

_SeenRow = tuple[
    str, str, int, str, str, str, str, int, str, str, int, float, float, int, bool, bool, bool, str, str
]


def recorded(db: "psycopg.Connection[tuple[object, ...]]", holder: Holder) -> Fate:
    """Return what was proved of the holder's process, here or on another host, and written down."""
    row = db.execute(_RECORDED, (f"{holder.host}/{holder.pid}/{holder.started}",)).fetchone()
    return Fate.DEAD if row is not None and row[0] is True else Fate.UNKNOWN


def silent_writer(db: "psycopg.Connection[tuple[object, ...]]", run: str) -> int | None:
    """Return the epoch under which a process that was judged silent holds the run."""
    row = db.execute(_SILENT, (run,)).fetchone()
    return None if row is None else int(cast("int", row[0]))


class PostgresProcesses:
    """The registry in one database."""

    def __init__(self, lent: Lend, form: int) -> None:
        """Ask over connections that ``lent`` lends; this process speaks the schema's format ``form``."""
        self._lent: Lend = lent
        self._form: int = form

    def enter(self, process: ProcessBegun) -> None:
        agents = msgspec.json.encode(dict(process.agents)).decode()
        values = (process.name, *process[:6], self._form, process.engine, agents, process.concurrency)
        with self._lent("entering the registry of workers") as db:
            db.execute(_ENTER, values)

    def renew(self, name: str, *, driving: int, draining: bool) -> bool:
        return self._changed(_RENEW, driving, draining, name) > 0

    def judge(self, by: str, seconds: float) -> Sequence[str]:
        with self._lent("judging silent workers") as db:
            rows = db.execute(_JUDGE, (by, seconds, seconds)).fetchall()
        return [str(row[0]) for row in rows]

    def prove(self, name: str, how: str, by: str) -> bool:
        return self._changed(_PROVE, how, by, name) > 0

    def runs_of(self, name: str) -> Sequence[str]:
        with self._lent("looking for runs of a worker") as db:
            return [str(row[0]) for row in db.execute(_RUNS, {"name": name}).fetchall()]

    def processes(self, *, ended: bool = False, host: str = "") -> Sequence[ProcessSeen]:
        with self._lent("reading the registry of workers") as db:
            if ended:
                rows = db.execute(_ALL, (host,)).fetchall()
            else:
                rows = (db.execute(_HERE, (host,)) if host else db.execute(_OPEN)).fetchall()
        return [_seen(cast("_SeenRow", row)) for row in rows]

    def forget(self, seconds: float) -> int:
        return self._changed(_FORGET, seconds)

    def _changed(self, statement: LiteralString, *values: object) -> int:
        with self._lent("keeping the registry of workers") as db:
            return db.execute(statement, values).rowcount


def _seen(row: _SeenRow) -> ProcessSeen:
    agents = msgspec.json.decode(row[9], type=dict[str, str])
    return ProcessSeen(*row[:9], agents, *row[10:])
