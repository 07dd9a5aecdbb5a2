"""Carrying runs out of a store in PostgreSQL, and into it."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

import msgspec

from perdure.adapters.postgres.judging.reading import holder_of, number_of
from perdure.adapters.postgres.judging.remembered import locks_of_counters, read_claims
from perdure.adapters.postgres.link.desk import Desk
from perdure.adapters.postgres.link.readers import Readers
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.writing.leases import make_run, process_of
from perdure.log.carrying import Carried, CarriedClaim, CarriedPost, CarriedWriter, received
from perdure.log.events import ClaimSeen
from perdure.log.port import ClaimOpened, Holder, NewRun
from perdure.values.errors import Conflict, Fenced, StoreDamaged

_IDENTITY: Final = "SELECT id FROM store"
_HELD: Final = (
    "UPDATE runs SET epoch = 1, holder = %s, process = %s WHERE name = %s AND epoch = 0 AND holder IS NULL"
)
_RUN: Final = """
SELECT r.number, r.lineage, r.tenant, p.name, r.forked_at, r.created, r.epoch, r.wrote, r.status, r.wake
FROM runs r LEFT JOIN runs p ON p.number = r.parent WHERE r.name = %s
"""
_LOCK: Final = "SELECT 1 FROM runs WHERE name = %s FOR UPDATE"
"""Waits for posts and forks under way, which hold the row by its key."""

_WRITERS: Final = "SELECT epoch, holder, told FROM writers WHERE run = %s ORDER BY epoch"
_POSTS: Final = "SELECT id, at, kind, body FROM inbox WHERE run = %s ORDER BY number"
_SETTLE: Final = """
UPDATE runs SET epoch = greatest(epoch, %s), wrote = %s, status = %s, wake = %s
WHERE number = %s AND (epoch = %s OR epoch = greatest(%s, %s)) AND holder IS NOT NULL RETURNING 1
"""
_NO_WRITERS: Final = "DELETE FROM writers WHERE run = %s"
_WRITER: Final = "INSERT INTO writers (run, epoch, holder, process, told) VALUES (%s, %s, %s, %s, %s)"
_NO_POSTS: Final = "DELETE FROM inbox WHERE run = %s"
_POST: Final = "INSERT INTO inbox (run, id, at, kind, body) VALUES (%s, %s, %s, %s, %s)"
_CLAIMS: Final = """
SELECT c.key, c.scope FROM claims c JOIN runs r ON r.number = c.run WHERE r.name = ANY(%s) ORDER BY c.number
"""
_NO_CLAIMS: Final = "DELETE FROM claims WHERE run = ANY(%s)"
_TAKEN: Final = "SELECT r.name FROM claims c JOIN runs r ON r.number = c.run WHERE c.key = %s"
_CLAIM: Final = """
INSERT INTO claims (key, stem, scope, run, position, tool, attempt, arguments, loose, outcome, result)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (key) DO NOTHING
"""
_COUNTERS: Final = "SELECT name, used FROM counters"
_LOCK_COUNTERS: Final = "SELECT pg_advisory_xact_lock(name) FROM unnest(%s::bigint[]) AS names (name)"
_USED: Final = "SELECT used FROM counters WHERE name = %s FOR UPDATE"
_COUNT: Final = """
INSERT INTO counters (name, used) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET used = counters.used + %s
"""
_COUNTED: Final = """
INSERT INTO counters (name, used) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET used = excluded.used
"""


class PostgresCarrier:
    """``CarryStore`` of one database. Each change is made anew where its answer was lost, and ends the same."""

    def __init__(self, desk: Desk, readers: Readers) -> None:
        """Read over ``readers``, change by ``desk``."""
        self._desk: Desk = desk
        self._readers: Readers = readers

    def identity(self) -> str:
        row = self._readers.read("reading whose store this is", lambda db: db.execute(_IDENTITY).fetchone())
        if row is None:
            raise StoreDamaged("the store's own row is gone")
        return str(row[0])

    def fork(self, new: NewRun, holder: Holder) -> None:
        def change(db: Database, again: bool) -> None:  # noqa: FBT001 - the desk's way
            make_run(db, new, again=again)
            db.execute(_HELD, (_json(holder), process_of(holder), new.run))

        self._desk.do(f"making {new.run}", change)

    def carried(self, run: str) -> Carried:
        return self._desk.do(f"reading {run}", lambda db, _: _carried(db, run))

    def settle(self, part: Carried, epoch: int) -> None:
        self._desk.do(f"writing {part.new.run}", lambda db, _: _settle(db, part, epoch))

    def carried_claims(self, runs: Sequence[str]) -> Sequence[CarriedClaim]:
        return self._readers.read("reading claims", lambda db: _claims(db, runs))

    def settle_claims(self, runs: Sequence[str], claims: Sequence[CarriedClaim]) -> None:
        self._desk.do("writing claims", lambda db, _: _settle_claims(db, runs, claims))

    def totals(self) -> Mapping[str, int]:
        def read(db: Database) -> Mapping[str, int]:
            return dict(cast("list[tuple[str, int]]", db.execute(_COUNTERS).fetchall()))

        return self._readers.read("reading counters", read)

    def receive(self, origin: str, totals: Mapping[str, int]) -> None:
        self._desk.do("writing counters", lambda db, _: _receive(db, origin, totals))


def _carried(db: Database, run: str) -> Carried:
    number_of(db, run)
    db.execute(_LOCK, (run,))
    row = db.execute(_RUN, (run,)).fetchone()
    if row is None:
        raise StoreDamaged(f"{run} is gone")
    number, lineage, tenant, parent, forked_at, created, epoch, wrote, status, wake = cast(
        "tuple[int, str, str, str | None, int, int, int, int, str, int | None]", row
    )
    writers = cast("list[tuple[int, str | None, int | None]]", db.execute(_WRITERS, (number,)).fetchall())
    posts = cast("list[tuple[str, int, str | None, bytes | None]]", db.execute(_POSTS, (number,)).fetchall())
    return Carried(
        NewRun(run, lineage, tenant, created, parent, forked_at),
        epoch,
        wrote,
        status,
        wake,
        tuple(CarriedWriter(at, holder_of(who), told) for at, who, told in writers),
        tuple(
            CarriedPost(name, at, kind, None if body is None else bytes(body))
            for name, at, kind, body in posts
        ),
    )


def _settle(db: Database, part: Carried, epoch: int) -> None:
    run = part.new.run
    number = number_of(db, run)
    values = (part.epoch, part.wrote, part.status, part.wake, number, epoch, part.epoch, epoch)
    if db.execute(_SETTLE, values).fetchone() is None:
        raise Fenced(f"{run}: epoch {epoch} may not write")
    db.execute(_NO_WRITERS, (number,))
    for each in part.writers:
        who = None if each.holder is None else process_of(each.holder)
        db.execute(_WRITER, (number, each.epoch, _json(each.holder), who, each.told))
    db.execute(_NO_POSTS, (number,))
    for post in part.posts:
        db.execute(_POST, (number, post.id, post.at, post.kind, post.body))


def _claims(db: Database, runs: Sequence[str]) -> Sequence[CarriedClaim]:
    found = cast("list[tuple[str, str]]", db.execute(_CLAIMS, (list(runs),)).fetchall())
    seen = {
        claim.key: claim for scope in {scope for _, scope in found} for claim in read_claims(db, None, scope)
    }
    return [_claim(seen[key], scope) for key, scope in found]


def _claim(seen: ClaimSeen, scope: str) -> CarriedClaim:
    words = (seen.tool, seen.attempt, seen.position, seen.arguments, seen.loose)
    return CarriedClaim(seen.run, ClaimOpened(seen.key, seen.stem, scope, *words), seen.outcome, seen.result)


def _settle_claims(db: Database, runs: Sequence[str], claims: Sequence[CarriedClaim]) -> None:
    numbers = {run: number_of(db, run) for run in runs}
    db.execute(_NO_CLAIMS, (list(numbers.values()),))
    for each in claims:
        opened = each.opened
        values = (opened.key, opened.stem, opened.scope, numbers[each.run], opened.position, opened.tool)
        result = None if each.result is None else msgspec.json.encode(each.result)
        rest = (opened.attempt, opened.arguments, opened.loose, each.outcome, result)
        if db.execute(_CLAIM, (*values, *rest)).rowcount != 1:
            taken = db.execute(_TAKEN, (opened.key,)).fetchone()
            raise Conflict(
                f"claim {opened.key} of {each.run} is {'gone' if taken is None else taken[0]}'s here"
            )


def _receive(db: Database, origin: str, totals: Mapping[str, int]) -> None:
    # A writer counts by what it has read under these locks.
    db.execute(_LOCK_COUNTERS, (locks_of_counters(totals),))
    for name, amount in sorted(totals.items()):
        row = db.execute(_USED, (received(origin, name),)).fetchone()
        more = amount - (0 if row is None else cast("int", row[0]))
        db.execute(_COUNT, (name, more, more))
        db.execute(_COUNTED, (received(origin, name), amount))


def _json(holder: Holder | None) -> str | None:
    return None if holder is None else msgspec.json.encode(holder).decode()
