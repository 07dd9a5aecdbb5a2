"""Who may write which run, and what is known of those who wrote it before.

A new epoch is granted in two steps: look (and prove, which takes system calls and so happens outside
any transaction), then grant in a transaction that goes through only if what was seen still stands.
"""

from typing import NamedTuple

import msgspec

from perdure.adapters.holders import Fate, Proof
from perdure.adapters.sqlite.database import Database, ask, ask_one, text_or_none, whole, whole_or_none
from perdure.adapters.sqlite.heads import end_of
from perdure.adapters.sqlite.reading import holder_of, number_of
from perdure.log.carrying import check_moved
from perdure.log.port import Holder, Lease, NewRun
from perdure.values.errors import BadPosition, Held, UnknownRun

_HOLDER = "SELECT holder FROM runs WHERE number = ?"
_RUN_KNOWN = "SELECT 1 FROM runs WHERE name = ?"
_FORKED_AT = "SELECT forked_at FROM runs WHERE number = ?"
_CREATE = """
INSERT INTO runs (name, lineage, tenant, parent, forked_at, created, status, epoch, wrote)
VALUES (?, ?, ?, ?, ?, ?, 'running', 0, 0)
"""
_LEASE = "SELECT number, epoch, holder, wrote FROM runs WHERE name = ?"
_WRITERS = "SELECT epoch, holder, told FROM writers WHERE run = ? ORDER BY epoch"
_WRITER = "INSERT OR REPLACE INTO writers VALUES (?, ?, ?, ?)"
_FORGET = "DELETE FROM writers WHERE run = ? AND epoch = ?"
_GRANT = "UPDATE runs SET epoch = ?, holder = ? WHERE number = ?"
_GIVE_BACK = "UPDATE runs SET holder = NULL WHERE name = ? AND epoch = ?"
_MAY_LIVE = """
INSERT OR REPLACE INTO writers SELECT number, epoch, holder, NULL FROM runs
WHERE name = ? AND epoch = ? AND holder IS NOT NULL
"""
_ENDED = """
UPDATE writers SET holder = NULL WHERE epoch = ?2 AND run = (SELECT number FROM runs WHERE name = ?1)
"""


class PastWriter(NamedTuple):
    """The writer of an earlier epoch. Without a holder it ended in order."""

    epoch: int
    holder: Holder | None
    told: int | None
    """the epoch that was told of its end"""


class Seen(NamedTuple):
    """A run's lease as it stood when somebody looked."""

    number: int
    epoch: int
    holder: Holder | None
    wrote: int
    earlier: tuple[PastWriter, ...]


def make_run(db: Database, new: NewRun, *, arriving: bool = False) -> bool:
    """Within a transaction: the run is there; False if the name is taken. One that arrives may come before its parent."""
    if ask_one(db, _RUN_KNOWN, (new.run,)) is not None:
        return False
    parent = None
    if new.parent is not None:
        parent = number_of(db, new.parent)
        if not arriving:
            check_here(db, new.parent, parent)
        origin = ask_one(db, _FORKED_AT, (parent,))
        end, _ = end_of(db, parent, whole(origin[0]) if origin else 0)
        if not 1 <= new.forked_at <= end:
            raise BadPosition(f"{new.parent} has no position {new.forked_at} to fork at")
    elif new.forked_at:
        raise BadPosition(f"{new.run} forks at {new.forked_at} of no parent")
    db.execute(_CREATE, (new.run, new.lineage, new.tenant, parent, new.forked_at, new.at))
    return True


def check_here(db: Database, run: str, number: int) -> None:
    """Raise ``Moved`` or ``Held`` if the run is in another store, or not all here yet."""
    row = ask_one(db, _HOLDER, (number,))
    check_moved(run, holder_of(text_or_none(row[0])) if row is not None else None)


def seen_lease(db: Database, run: str) -> Seen:
    """Return the run's lease as it stands, or raise ``UnknownRun``."""
    row = ask_one(db, _LEASE, (run,))
    if row is None:
        raise UnknownRun(f"there is no run {run!r} in this store")
    number, epoch, holder, wrote = row
    earlier = tuple(
        PastWriter(whole(at), holder_of(text_or_none(who)), whole_or_none(told))
        for at, who, told in ask(db, _WRITERS, (number,))
    )
    return Seen(whole(number), whole(epoch), holder_of(text_or_none(holder)), whole(wrote), earlier)


def prove_writers(
    run: str, seen: Seen, proof: Proof, by: Holder, *, take_over: bool
) -> tuple[PastWriter, ...]:
    """Return the writers whom ``by`` hears of, the dead marked with its epoch; or raise ``Held`` or ``Moved``."""
    check_moved(run, seen.holder, by)
    if seen.holder is not None and not take_over:
        verdict = proof(seen.holder)
        if verdict is not Fate.DEAD:
            raise Held(
                f"{run}: process {seen.holder.pid} holds it under epoch {seen.epoch}"
                + ("" if verdict is Fate.ALIVE else ", and can't be seen from here")
            )
    # Told, and since then something was appended: the log itself says now that it is dead.
    heard = [writer for writer in seen.earlier if writer.told is None or writer.told > seen.wrote]
    if seen.epoch and not any(writer.epoch == seen.epoch for writer in seen.earlier):
        heard.append(PastWriter(seen.epoch, seen.holder, None))
    return tuple(writer._replace(told=_told(writer, seen.epoch + 1, proof)) for writer in heard)


def _told(writer: PastWriter, epoch: int, proof: Proof) -> int | None:
    ended = writer.told is not None or writer.holder is None or proof(writer.holder) is Fate.DEAD
    return epoch if ended else None


def grant_lease(
    db: Database, run: str, seen: Seen, heard: tuple[PastWriter, ...], holder: Holder
) -> Lease | None:
    """Within a transaction: ``holder`` has the run under the next epoch; None if the lease has moved."""
    if seen_lease(db, run) != seen:
        return None
    kept = {writer.epoch for writer in heard}
    for writer in seen.earlier:
        if writer.epoch not in kept:
            db.execute(_FORGET, (seen.number, writer.epoch))
    for writer in heard:
        who = None if writer.holder is None else msgspec.json.encode(writer.holder).decode()
        db.execute(_WRITER, (seen.number, writer.epoch, who, writer.told))
    epoch = seen.epoch + 1
    db.execute(_GRANT, (epoch, msgspec.json.encode(holder).decode(), seen.number))
    return Lease(
        epoch,
        tuple(writer.epoch for writer in heard if writer.told is not None),
        tuple(writer.epoch for writer in heard if writer.told is None),
    )


def end_lease(db: Database, run: str, epoch: int, *, ended: bool) -> None:
    """Within a transaction: the writer of ``epoch`` has given the run back; a stale one only says so."""
    if ask_one(db, _RUN_KNOWN, (run,)) is None:
        raise UnknownRun(f"there is no run {run!r} in this store")
    if not ended:
        db.execute(_MAY_LIVE, (run, epoch))
    db.execute(_GIVE_BACK, (run, epoch))
    if ended:
        db.execute(_ENDED, (run, epoch))
