"""One batch: looked at first, then written. What was looked at and found good can only fail fatally."""

from collections.abc import Sequence

import msgspec

from perdure.adapters.sqlite.blobs import Packed, insert_blob
from perdure.adapters.sqlite.database import Database, Row, ask_one, packed, whole
from perdure.adapters.sqlite.heads import Head
from perdure.adapters.sqlite.remembered import (
    RESULT_COPIED_CHARACTERS_MAX,
    claims_against,
    counters_against,
    result_in,
)
from perdure.log.envelope import Stored, chain
from perdure.log.events import Content
from perdure.log.port import Batch, ClaimClosed, ClaimOpened, CounterMoved, Remembered
from perdure.values.errors import BadInput, Broken, Conflict, Fenced, StoreDamaged
from perdure.values.limits import BATCH_EVENTS_MAX

INSERT_EVENT = "INSERT INTO events (run, position, frame, digest) VALUES (?, ?, ?, ?)"

_CLAIM_KNOWN = "SELECT 1 FROM claims WHERE key = ?"
_POST_WAITS = "SELECT 1 FROM inbox WHERE run = ? AND id = ? AND kind IS NOT NULL"
_POST_TAKEN = "UPDATE inbox SET kind = NULL, body = NULL WHERE run = ? AND id = ?"
_SCOPE = "SELECT number FROM scopes WHERE name = ?"
_SCOPE_NEW = "INSERT INTO scopes (name) VALUES (?) RETURNING number"
_OPEN = """
INSERT INTO claims (key, stem, scope, run, position, tool, attempt, arguments, loose)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_CLOSE = "UPDATE claims SET outcome = ?, result = ?, result_run = ?, result_at = ? WHERE key = ?"
_COUNT = """
INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET used = used + excluded.used
"""


def refusal(db: Database, head: Head, batch: Batch) -> Remembered | None:
    """Return None if ``batch`` may be written, or what is remembered against it; else raise."""
    run = batch.run
    if not head.held or head.epoch != batch.epoch:
        raise Fenced(f"{run}: epoch {batch.epoch} may not write; the run is at epoch {head.epoch}")
    if head.position != batch.expected:
        raise Conflict(f"{run}: ends at {head.position}, not at {batch.expected}")
    if len(batch.events) > BATCH_EVENTS_MAX:
        raise BadInput(f"{len(batch.events)} events; a batch holds at most {BATCH_EVENTS_MAX}")
    position, prev = head.position, head.digest
    for stored in batch.events:
        position += 1
        if stored.run != run or stored.position != position:
            raise Conflict(f"{run}: event {stored.run} {stored.position} stands where {position} is due")
        if chain(prev, stored.frame) != stored.digest:
            raise Conflict(f"{run}: event {position} doesn't continue the chain")
        prev = stored.digest
    if batch.consumed:
        _check_consumed(db, head, batch)
    if batch.closed or len(batch.opened) > 1:
        _check_claims(db, batch)
    if not batch.opened and not batch.counters:
        return None
    claims = claims_against(db, batch.opened, batch.closed)
    counters = counters_against(db, batch.counters)
    return Remembered(claims, counters) if claims or counters else None


def _check_consumed(db: Database, head: Head, batch: Batch) -> None:
    seen = set[str]()
    for post in batch.consumed:
        if post in seen or ask_one(db, _POST_WAITS, (head.number, post)) is None:
            raise Conflict(f"{batch.run}: post {post!r} doesn't wait in the inbox")
        seen.add(post)


def _check_claims(db: Database, batch: Batch) -> None:
    opened = {claim.key for claim in batch.opened}
    for closed in batch.closed:
        if closed.key not in opened and ask_one(db, _CLAIM_KNOWN, (packed(closed.key),)) is None:
            raise Broken(f"{batch.run}: closes claim {closed.key}, which nobody opened")
    if len({claim.stem for claim in batch.opened}) != len(batch.opened):
        raise Broken(f"{batch.run}: one batch opens two claims of one stem")


def write_batch(db: Database, head: Head, batch: Batch, blobs: Sequence[Packed], events: list[Row]) -> int:
    """Write an admitted batch, its events by way of ``events``; return the stream's new end."""
    if batch.events:
        number = head.number
        events += [(number, stored.position, stored.frame, stored.digest) for stored in batch.events]
        last = batch.events[-1]
        head.position, head.digest = last.position, last.digest
        if head.wrote != batch.epoch:
            head.wrote = batch.epoch
            db.execute("UPDATE runs SET wrote = ? WHERE number = ?", (batch.epoch, number))
    for blob in blobs:
        insert_blob(db, blob)
    for claim in batch.opened:
        _open(db, head, claim)
    for claim in batch.closed:
        _close(db, head, batch, claim)
    for move in batch.counters:
        _move(db, move)
    if batch.consumed:
        db.executemany(_POST_TAKEN, [(head.number, post) for post in batch.consumed])
    if batch.status is not None and (batch.status, batch.wake) != (head.status, head.wake):
        head.status, head.wake = batch.status, batch.wake
        db.execute(
            "UPDATE runs SET status = ?, wake = ? WHERE number = ?", (batch.status, batch.wake, head.number)
        )
    return head.position


def _open(db: Database, head: Head, claim: ClaimOpened) -> None:
    scope = ask_one(db, _SCOPE, (claim.scope,)) or ask_one(db, _SCOPE_NEW, (claim.scope,))
    db.execute(
        _OPEN,
        (
            packed(claim.key),
            packed(claim.stem),
            whole(scope[0]) if scope else 0,
            head.number,
            claim.position,
            claim.tool,
            claim.attempt,
            packed(claim.arguments),
            packed(claim.loose),
        ),
    )


def _close(db: Database, head: Head, batch: Batch, claim: ClaimClosed) -> None:
    at = _position_of(batch, claim)
    result = None if claim.result is None or at else msgspec.json.encode(claim.result)
    db.execute(_CLOSE, (claim.outcome, result, head.number if at else None, at, packed(claim.key)))


def _position_of(batch: Batch, claim: ClaimClosed) -> int | None:
    """Return the position of an event in the batch that holds the claim's result word for word."""
    if claim.result is None or len(claim.result.text or "") < RESULT_COPIED_CHARACTERS_MAX:
        return None
    key = claim.key.encode()
    for stored in batch.events:
        if key in stored.frame and _holds(stored, claim.result):
            return stored.position
    return None


def _holds(stored: Stored, result: Content) -> bool:
    try:
        return result_in(stored) == result
    except (StoreDamaged, msgspec.MsgspecError):
        return False


def _move(db: Database, move: CounterMoved) -> None:
    db.execute(_COUNT, (move.counter, move.amount))
