"""One batch: judged by what this transaction sees, then entered into what it will write.

Invariants:
- ``judged`` changes nothing, so that a refused batch leaves no trace.
- What one batch of a group has entered, the next is judged by.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from perdure.adapters.postgres.judging.heads import Head
from perdure.adapters.postgres.judging.remembered import (
    FREE,
    RESULT_COPIED_CHARACTERS_MAX,
    Claim,
    Place,
    Remembrance,
    result_in,
)
from perdure.adapters.postgres.wire import BYTES, INT, TEXT, Many, Statement, Value
from perdure.log.envelope import Stored, chain
from perdure.log.events import ClaimSeen, Content, CounterSeen
from perdure.log.port import Batch, ClaimClosed, CounterMoved
from perdure.values.errors import BadInput, Broken, Conflict, Fenced, StoreDamaged, UnknownRun
from perdure.values.limits import BATCH_EVENTS_MAX

_MOVE_RUNS: Final = Statement(
    """
    UPDATE runs SET position = u.position, head = u.head, wrote = u.wrote, status = u.status, wake = u.wake
    FROM unnest($1, $2, $3, $4, $5, $6) AS u (number, position, head, wrote, status, wake)
    WHERE runs.number = u.number
    """,
    (Many(INT), Many(INT), Many(BYTES), Many(INT), Many(TEXT), Many(INT)),
)
_EVENTS: Final = Statement(
    "INSERT INTO events (run, position, frame, digest) SELECT * FROM unnest($1, $2, $3, $4)",
    (Many(INT), Many(INT), Many(BYTES), Many(BYTES)),
)
_FEED: Final = Statement(
    "INSERT INTO feed (run, first, last) SELECT * FROM unnest($1, $2, $3)", (Many(INT), Many(INT), Many(INT))
)
_OPEN: Final = Statement(
    """
    INSERT INTO claims (key, stem, scope, run, position, tool, attempt, arguments, loose)
    SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
    """,
    (Many(TEXT), Many(TEXT), Many(TEXT), Many(INT), Many(INT), Many(TEXT), Many(INT), Many(TEXT), Many(TEXT)),
)
_CLOSE: Final = Statement(
    """
    UPDATE claims SET outcome = u.outcome, result = u.result, result_run = u.run, result_at = u.at
    FROM unnest($1, $2, $3, $4, $5) AS u (key, outcome, result, run, at) WHERE claims.key = u.key
    """,
    (Many(TEXT), Many(TEXT), Many(BYTES), Many(INT), Many(INT)),
)
_COUNT: Final = Statement(
    """
    INSERT INTO counters (name, used) SELECT * FROM unnest($1, $2)
    ON CONFLICT (name) DO UPDATE SET used = excluded.used
    """,
    (Many(TEXT), Many(INT)),
)
_TAKE: Final = Statement(
    """
    UPDATE inbox SET kind = NULL, body = NULL FROM unnest($1, $2) AS u (run, id)
    WHERE inbox.run = u.run AND inbox.id = u.id
    """,
    (Many(INT), Many(TEXT)),
)


class Objection(NamedTuple):
    """What is remembered against a batch, as of the batch's turn."""

    claims: list[Claim]
    counters: list[CounterSeen]


@dataclass(slots=True)
class Sheet:
    """What one transaction sees, and what it will write."""

    heads: dict[str, Head] = field(default_factory=dict[str, Head])
    ledger: Remembrance = field(default_factory=Remembrance)
    waiting: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])
    """posts that wait: a run's number and the post's id"""
    events: list[tuple[int, int, bytes, bytes]] = field(default_factory=list[tuple[int, int, bytes, bytes]])
    feed: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    opened: list[tuple[Value, ...]] = field(default_factory=list[tuple[Value, ...]])
    closed: dict[str, tuple[Value, ...]] = field(default_factory=dict[str, tuple[Value, ...]])
    moved: set[str] = field(default_factory=set[str])
    taken: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


def judged(sheet: Sheet, batch: Batch) -> Objection | None:
    """Return None if ``batch`` may be written, or what is remembered against it; else raise."""
    run = batch.run
    head = sheet.heads.get(run)
    if head is None:
        raise UnknownRun(f"there is no run {run!r} in this store")
    if not head.held or head.epoch != batch.epoch:
        raise Fenced(f"{run}: epoch {batch.epoch} may not write; the run is at epoch {head.epoch}")
    if head.position != batch.expected:
        raise Conflict(f"{run}: ends at {head.position}, not at {batch.expected}")
    _check_events(head, batch)
    _check_consumed(sheet, head, batch)
    _check_claims(sheet.ledger, batch)
    if not batch.opened and not batch.counters:
        return None
    freed = {claim.key for claim in batch.closed if claim.outcome in FREE}
    claims = list(sheet.ledger.against(batch.opened, freed).values())
    counters = _counters_against(sheet.ledger, batch)
    return Objection(claims, counters) if claims or counters else None


def _check_events(head: Head, batch: Batch) -> None:
    if len(batch.events) > BATCH_EVENTS_MAX:
        raise BadInput(f"{len(batch.events)} events; a batch holds at most {BATCH_EVENTS_MAX}")
    run, position, prev = batch.run, head.position, head.digest
    for stored in batch.events:
        position += 1
        if stored.run != run or stored.position != position:
            raise Conflict(f"{run}: event {stored.run} {stored.position} stands where {position} is due")
        if chain(prev, stored.frame) != stored.digest:
            raise Conflict(f"{run}: event {position} doesn't continue the chain")
        prev = stored.digest


def _check_consumed(sheet: Sheet, head: Head, batch: Batch) -> None:
    seen = set[str]()
    for post in batch.consumed:
        if post in seen or (head.number, post) not in sheet.waiting:
            raise Conflict(f"{batch.run}: post {post!r} doesn't wait in the inbox")
        seen.add(post)


def _check_claims(ledger: Remembrance, batch: Batch) -> None:
    opened = {claim.key for claim in batch.opened}
    for closed in batch.closed:
        if closed.key not in opened and closed.key not in ledger.by_key:
            raise Broken(f"{batch.run}: closes claim {closed.key}, which nobody opened")
    if len({claim.stem for claim in batch.opened}) != len(batch.opened):
        raise Broken(f"{batch.run}: one batch opens two claims of one stem")


def _counters_against(ledger: Remembrance, batch: Batch) -> list[CounterSeen]:
    against: dict[str, CounterSeen] = {}
    would: dict[str, int] = {}
    for move in batch.counters:
        stands = ledger.counters.get(move.counter, 0)
        would[move.counter] = would.get(move.counter, stands) + move.amount
        if move.amount > 0 and would[move.counter] > move.limit:
            against[move.counter] = CounterSeen(move.counter, stands)
    return list(against.values())


def entered(sheet: Sheet, batch: Batch) -> int:
    """Enter a batch that was judged good; return the stream's new end."""
    head = sheet.heads[batch.run]
    head.touched = True
    if batch.events:
        number = head.number
        first, last = batch.events[0], batch.events[-1]
        sheet.events += [(number, each.position, each.frame, each.digest) for each in batch.events]
        sheet.feed.append((number, first.position, last.position))
        head.position, head.digest, head.wrote = last.position, last.digest, batch.epoch
    if batch.status is not None:
        head.status, head.wake = batch.status, batch.wake
    for claim in batch.opened:
        seen = ClaimSeen(
            claim.key,
            claim.stem,
            batch.run,
            claim.position,
            claim.tool,
            claim.attempt,
            claim.arguments,
            None,
            None,
            claim.loose,
        )
        sheet.ledger.add(Claim(seen))
        words = (claim.position, claim.tool, claim.attempt, claim.arguments, claim.loose)
        sheet.opened.append((claim.key, claim.stem, claim.scope, head.number, *words))
    for claim in batch.closed:
        _close(sheet, head, batch, claim)
    for move in batch.counters:
        _move(sheet, move)
    for post in batch.consumed:
        sheet.waiting.discard((head.number, post))
        sheet.taken.append((head.number, post))
    return head.position


def _close(sheet: Sheet, head: Head, batch: Batch, closed: ClaimClosed) -> None:
    claim = sheet.ledger.by_key[closed.key]
    claim.seen = replace(claim.seen, outcome=closed.outcome, result=closed.result)
    claim.result_at = None
    at = _position_of(batch, closed)
    result = None if closed.result is None or at else msgspec.json.encode(closed.result)
    sheet.closed[closed.key] = (closed.key, closed.outcome, result, head.number if at else None, at)


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


def _move(sheet: Sheet, move: CounterMoved) -> None:
    counters = sheet.ledger.counters
    counters[move.counter] = counters.get(move.counter, 0) + move.amount
    sheet.moved.add(move.counter)


Asked = tuple[Statement, tuple[list[Value], ...]]
"""A statement and its columns."""


def statements_of(sheet: Sheet) -> list[Asked]:
    """Return what writes the sheet, in the order in which every transaction writes."""
    touched = [head for head in sheet.heads.values() if head.touched]
    runs = [(each.number, each.position, each.digest, each.wrote, each.status, each.wake) for each in touched]
    counts = [(name, sheet.ledger.counters[name]) for name in sorted(sheet.moved)]
    parts: list[tuple[Statement, list[tuple[Value, ...]]]] = [
        (_MOVE_RUNS, [*runs]),
        (_EVENTS, [*sheet.events]),
        (_FEED, [*sheet.feed]),
        (_OPEN, sheet.opened),
        (_CLOSE, list(sheet.closed.values())),
        (_COUNT, [*counts]),
        (_TAKE, [*sheet.taken]),
    ]
    return [(statement, columns_of(rows)) for statement, rows in parts if rows]


def columns_of(rows: list[tuple[Value, ...]]) -> tuple[list[Value], ...]:
    """Return rows as the columns that ``unnest`` takes."""
    return tuple(map(list, zip(*rows, strict=True)))


def places_of(refusal: Objection) -> list[Place]:
    """Return where the results stand that a refusal tells of and that aren't known yet."""
    return [claim.result_at for claim in refusal.claims if claim.result_at is not None]
