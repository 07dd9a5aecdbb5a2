"""Carrying runs out of a store in a file, and into it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol, TypeVar

import msgspec

from perdure.adapters.sqlite.database import (
    Database,
    Row,
    ask,
    ask_one,
    packed,
    raw,
    text,
    text_or_none,
    unpacked,
    whole,
    whole_or_none,
)
from perdure.adapters.sqlite.identity import read_seal
from perdure.adapters.sqlite.leases import make_run
from perdure.adapters.sqlite.reading import holder_of, number_of
from perdure.adapters.sqlite.remembered import read_claim_result
from perdure.log.carrying import Carried, CarriedClaim, CarriedPost, CarriedWriter, received
from perdure.log.port import ClaimOpened, Holder, NewRun
from perdure.values.errors import Conflict, Fenced

T = TypeVar("T")

_RUN: Final = """
SELECT r.number, r.lineage, r.tenant, p.name, r.forked_at, r.created, r.epoch, r.wrote, r.status, r.wake
FROM runs r LEFT JOIN runs p ON p.number = r.parent WHERE r.name = ?
"""
_HELD: Final = "UPDATE runs SET epoch = 1, holder = ? WHERE name = ?"
_WRITERS: Final = "SELECT epoch, holder, told FROM writers WHERE run = ? ORDER BY epoch"
_POSTS: Final = "SELECT id, at, kind, body FROM inbox WHERE run = ? ORDER BY number"
_SETTLE: Final = """
UPDATE runs SET epoch = max(epoch, ?), wrote = ?, status = ?, wake = ? WHERE number = ? AND epoch = ? AND holder NOT NULL
RETURNING 1
"""
_NO_WRITERS: Final = "DELETE FROM writers WHERE run = ?"
_WRITER: Final = "INSERT INTO writers VALUES (?, ?, ?, ?)"
_NO_POSTS: Final = "DELETE FROM inbox WHERE run = ?"
_POST: Final = "INSERT INTO inbox (run, id, at, kind, body) VALUES (?, ?, ?, ?, ?)"
_CLAIMS: Final = """
SELECT r.name, c.key, c.stem, s.name, c.tool, c.attempt, c.position, c.arguments, c.loose, c.outcome, c.result,
    c.result_run, c.result_at, c.number
FROM claims c JOIN runs r ON r.number = c.run JOIN scopes s ON s.number = c.scope WHERE c.run = ?
"""
_NO_CLAIMS: Final = "DELETE FROM claims WHERE run = ?"
_TAKEN: Final = "SELECT r.name FROM claims c JOIN runs r ON r.number = c.run WHERE c.key = ?"
_SCOPE: Final = (
    "INSERT INTO scopes (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET name = name RETURNING number"
)
_CLAIM: Final = """
INSERT INTO claims (key, stem, scope, run, position, tool, attempt, arguments, loose, outcome, result)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_COUNTERS: Final = "SELECT name, used FROM counters"
_USED: Final = "SELECT used FROM counters WHERE name = ?"
_COUNT: Final = "INSERT OR REPLACE INTO counters VALUES (?, ?)"


class Does(Protocol):
    """Runs a verb in a transaction of the writer."""

    def do(self, verb: Callable[[Database], T]) -> T:
        """Return the verb's result when it is durable."""
        ...


class SqliteCarrier:
    """``CarryStore`` of one file."""

    def __init__(
        self, borrowed: Callable[[str], AbstractContextManager[Database]], writing: Callable[[], Does]
    ) -> None:
        """Read over ``borrowed`` connections, write by ``writing``."""
        self._borrowed: Callable[[str], AbstractContextManager[Database]] = borrowed
        self._writing: Callable[[], Does] = writing

    def identity(self) -> str:
        with self._borrowed("reading whose store this is") as db:
            return read_seal(db).id

    def fork(self, new: NewRun, holder: Holder) -> None:
        def change(db: Database) -> None:
            if make_run(db, new, arriving=True):
                db.execute(_HELD, (msgspec.json.encode(holder).decode(), new.run))

        self._writing().do(change)

    def carried(self, run: str) -> Carried:
        # In a transaction of the writer, since several tables have to agree.
        return self._writing().do(lambda db: _carried(db, run))

    def settle(self, part: Carried, epoch: int) -> None:
        self._writing().do(lambda db: _settle(db, part, epoch))

    def carried_claims(self, runs: Sequence[str]) -> Sequence[CarriedClaim]:
        return self._writing().do(lambda db: _claims(db, runs))

    def settle_claims(self, runs: Sequence[str], claims: Sequence[CarriedClaim]) -> None:
        self._writing().do(lambda db: _settle_claims(db, runs, claims))

    def totals(self) -> Mapping[str, int]:
        with self._borrowed("reading counters") as db:
            return {text(name): whole(used) for name, used in ask(db, _COUNTERS)}

    def receive(self, origin: str, totals: Mapping[str, int]) -> None:
        self._writing().do(lambda db: _receive(db, origin, totals))


def _carried(db: Database, run: str) -> Carried:
    number_of(db, run)
    (row,) = ask(db, _RUN, (run,))
    number, lineage, tenant, parent, forked_at, created, epoch, wrote, status, wake = row
    new = NewRun(run, text(lineage), text(tenant), whole(created), text_or_none(parent), whole(forked_at))
    writers = tuple(
        CarriedWriter(whole(at), holder_of(text_or_none(who)), whole_or_none(told))
        for at, who, told in ask(db, _WRITERS, (number,))
    )
    posts = tuple(
        CarriedPost(text(name), whole(at), text_or_none(kind), None if body is None else raw(body))
        for name, at, kind, body in ask(db, _POSTS, (number,))
    )
    return Carried(new, whole(epoch), whole(wrote), text(status), whole_or_none(wake), writers, posts)


def _settle(db: Database, part: Carried, epoch: int) -> None:
    run = part.new.run
    number = number_of(db, run)
    values = (part.epoch, part.wrote, part.status, part.wake, number, epoch)
    if ask_one(db, _SETTLE, values) is None:
        raise Fenced(f"{run}: epoch {epoch} may not write")
    db.execute(_NO_WRITERS, (number,))
    for each in part.writers:
        who = None if each.holder is None else msgspec.json.encode(each.holder).decode()
        db.execute(_WRITER, (number, each.epoch, who, each.told))
    db.execute(_NO_POSTS, (number,))
    for post in part.posts:
        db.execute(_POST, (number, post.id, post.at, post.kind, post.body))


def _claims(db: Database, runs: Sequence[str]) -> Sequence[CarriedClaim]:
    found = [row for run in runs for row in ask(db, _CLAIMS, (number_of(db, run),))]
    return [_claim(db, row) for row in sorted(found, key=lambda row: whole(row[-1]))]


def _claim(db: Database, row: Row) -> CarriedClaim:
    run, key, stem, scope, tool, attempt, position, arguments, loose, outcome, result, result_run, at, _ = row
    opened = ClaimOpened(
        unpacked(key),
        unpacked(stem),
        text(scope),
        text(tool),
        whole(attempt),
        whole(position),
        unpacked(arguments),
        unpacked(loose),
    )
    return CarriedClaim(
        text(run), opened, text_or_none(outcome), read_claim_result(db, result, result_run, at)
    )


def _settle_claims(db: Database, runs: Sequence[str], claims: Sequence[CarriedClaim]) -> None:
    numbers = {run: number_of(db, run) for run in runs}
    for number in numbers.values():
        db.execute(_NO_CLAIMS, (number,))
    for each in claims:
        opened = each.opened
        taken = ask_one(db, _TAKEN, (packed(opened.key),))
        if taken is not None:
            raise Conflict(f"claim {opened.key} of {each.run} is {text(taken[0])}'s here")
        scope = ask(db, _SCOPE, (opened.scope,))[0][0]
        db.execute(
            _CLAIM,
            (
                packed(opened.key),
                packed(opened.stem),
                scope,
                numbers[each.run],
                opened.position,
                opened.tool,
                opened.attempt,
                packed(opened.arguments),
                packed(opened.loose),
                each.outcome,
                None if each.result is None else msgspec.json.encode(each.result),
            ),
        )


def _receive(db: Database, origin: str, totals: Mapping[str, int]) -> None:
    for name, amount in totals.items():
        before, used = (ask_one(db, _USED, (each,)) for each in (received(origin, name), name))
        was = 0 if before is None else whole(before[0])
        stands = 0 if used is None else whole(used[0])
        db.execute(_COUNT, (name, stands + amount - was))
        db.execute(_COUNT, (received(origin, name), amount))
