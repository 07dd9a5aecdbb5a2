"""Who may write which run, and what is known of those who wrote it before.

A new epoch is granted in two steps: look (and prove, which takes system calls and so happens outside
any transaction), then grant in a transaction that goes through only if what was seen still stands.
"""

from typing import Final, NamedTuple

import msgspec

from perdure.adapters.holders import Fate, Proof
from perdure.adapters.postgres.columns import asked, asked_one
from perdure.adapters.postgres.failover.identity import ground
from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.failover.losses import lost_of
from perdure.adapters.postgres.judging.reading import digest_at, holder_of, number_of, stretches
from perdure.adapters.postgres.layout import LEASE_LOCK_MS
from perdure.adapters.postgres.link.desk import stand_behind
from perdure.adapters.postgres.link.waiting import Database
from perdure.log.carrying import check_moved
from perdure.log.envelope import GENESIS
from perdure.log.port import Holder, Lease, NewRun
from perdure.values.errors import BadPosition, Held, UnknownRun

_CREATE: Final = """
INSERT INTO runs (name, lineage, tenant, parent, forked_at, created, position, head)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING RETURNING number
"""
_HOLDER: Final = "SELECT holder FROM runs WHERE name = %s"
_MADE: Final = "SELECT lineage, tenant, parent, forked_at, created FROM runs WHERE name = %s"
_LEASE: Final = "SELECT number, epoch, holder, wrote FROM runs WHERE name = %s"
_PATIENCE: Final = "SELECT set_config('lock_timeout', %s, true)"
_LOCK: Final = "SELECT 1 FROM runs WHERE name = %s FOR NO KEY UPDATE"
_WRITERS: Final = "SELECT epoch, holder, told FROM writers WHERE run = %s ORDER BY epoch"
_WRITER: Final = """
INSERT INTO writers (run, epoch, holder, process, told) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (run, epoch) DO UPDATE SET holder = excluded.holder, process = excluded.process, told = excluded.told
"""
_FORGET: Final = "DELETE FROM writers WHERE run = %s AND epoch = ANY(%s)"
_GRANT: Final = "UPDATE runs SET epoch = %s, holder = %s, process = %s WHERE number = %s"
_MAY_LIVE: Final = """
INSERT INTO writers (run, epoch, holder, process) SELECT number, epoch, holder, process FROM runs
WHERE name = %s AND epoch = %s AND holder IS NOT NULL
ON CONFLICT (run, epoch) DO UPDATE SET holder = excluded.holder, process = excluded.process, told = NULL
"""
_GIVE_BACK: Final = "UPDATE runs SET holder = NULL, process = NULL WHERE name = %s AND epoch = %s"
_ENDED: Final = """
UPDATE writers SET holder = NULL, process = NULL
WHERE epoch = %s AND run = (SELECT number FROM runs WHERE name = %s)
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


def process_of(holder: Holder) -> str:
    """Return the holder's process in one word, the same for all that it holds."""
    return f"{holder.host}/{holder.pid}/{holder.started}"


def make_run(db: Database, new: NewRun, *, again: bool) -> bool:
    """Within a transaction: the run is there; False if the name is taken, unless ``again`` it was taken by us."""
    parent, head = None, GENESIS
    if new.parent is not None:
        parent = number_of(db, new.parent)
        parts = stretches(db, new.parent)
        if not 1 <= new.forked_at <= parts[-1].last:
            raise BadPosition(f"{new.parent} has no position {new.forked_at} to fork at")
        head = digest_at(db, parts, new.forked_at)
    elif new.forked_at:
        raise BadPosition(f"{new.run} forks at {new.forked_at} of no parent")
    words = (new.lineage, new.tenant, parent, new.forked_at, new.at)
    if db.execute(_CREATE, (new.run, *words, new.forked_at, head)).fetchone() is not None:
        return True
    stand_behind(db)
    return again and db.execute(_MADE, (new.run,), binary=True).fetchone() == words


def check_here(db: Database, run: str) -> None:
    """Raise ``Moved`` or ``Held`` if the run is in another store, or not all here yet."""
    check_moved(run, asked_one(db, holder_of, _HOLDER, (run,)))


def seen_lease(db: Database, run: str) -> Seen:
    """Return the run's lease as it stands, or raise ``UnknownRun``."""
    found = asked_one(db, _seen, _LEASE, (run,))
    if found is None:
        raise UnknownRun(f"there is no run {run!r} in this store")
    return found._replace(earlier=tuple(asked(db, _past, _WRITERS, (found.number,))))


def _seen(number: int, epoch: int, holder: str | None, wrote: int) -> Seen:
    return Seen(number, epoch, holder_of(holder), wrote, ())


def _past(epoch: int, holder: str | None, told: int | None) -> PastWriter:
    return PastWriter(epoch, holder_of(holder), told)


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
    db: Database,
    run: str,
    seen: Seen,
    heard: tuple[PastWriter, ...],
    holder: Holder,
    known: Known,
    *,
    again: bool,
) -> Lease | None:
    """Within a transaction: ``holder`` has the run under the next epoch; None if the lease has moved.

    ``again``: it may have been granted before, and the answer lost. Then that grant stands, also where it was given
    up to another one meanwhile: an epoch is given out once, and once only for each who asks.
    """
    # Who holds the row and has gone silent is found after a moment, and ended: see ``silence``.
    db.execute(_PATIENCE, (f"{LEASE_LOCK_MS}ms",))
    db.execute(_LOCK, (run,))
    epoch = max(seen.epoch, ground(db, known)) + 1
    lease = Lease(
        epoch,
        tuple(writer.epoch for writer in heard if writer.told is not None),
        tuple(writer.epoch for writer in heard if writer.told is None),
        lost=tuple(lost_of(db, seen.number)),
    )
    now = seen_lease(db, run)
    if again and _was_granted(now, epoch, holder):
        return lease
    if now != seen:
        return None
    kept = {writer.epoch for writer in heard}
    gone = [writer.epoch for writer in seen.earlier if writer.epoch not in kept]
    if gone:
        db.execute(_FORGET, (seen.number, gone))
    for writer in heard:
        who = None if writer.holder is None else _json(writer.holder)
        process = None if writer.holder is None else process_of(writer.holder)
        db.execute(_WRITER, (seen.number, writer.epoch, who, process, writer.told))
    db.execute(_GRANT, (epoch, _json(holder), process_of(holder), seen.number))
    return lease


def _was_granted(now: Seen, epoch: int, holder: Holder) -> bool:
    if now.epoch == epoch:
        return now.holder == holder
    return any(writer.epoch == epoch and writer.holder == holder for writer in now.earlier)


def end_lease(db: Database, run: str, epoch: int, *, ended: bool) -> None:
    """Within a transaction: the writer of ``epoch`` has given the run back; a stale one only says so."""
    if db.execute(_LOCK, (run,)).fetchone() is None:
        raise UnknownRun(f"there is no run {run!r} in this store")
    if not ended:
        db.execute(_MAY_LIVE, (run, epoch))
    db.execute(_GIVE_BACK, (run, epoch))
    if ended:
        db.execute(_ENDED, (epoch, run))


def _json(holder: Holder) -> str:
    return msgspec.json.encode(holder).decode()
