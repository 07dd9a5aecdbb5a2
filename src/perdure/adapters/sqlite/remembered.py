"""Claims and counters as the store remembers them, for reading and against a batch."""

from collections.abc import Sequence

import msgspec

from perdure.adapters.sqlite.database import (
    Database,
    Row,
    Value,
    ask,
    ask_one,
    packed,
    raw,
    text,
    text_or_none,
    unpacked,
    whole,
)
from perdure.log.envelope import Stored, peek
from perdure.log.events import ClaimSeen, Content, CounterSeen
from perdure.log.port import ClaimClosed, ClaimOpened, CounterMoved
from perdure.values.errors import StoreDamaged

FREE = ("failed", "compensated")
"""Outcomes that free an identity; every other claim keeps it."""

RESULT_COPIED_CHARACTERS_MAX = 64
"""Longer results stand once in the log, in the event that settled the claim."""


class _Settling(msgspec.Struct):
    """Any event's body, of which only a result is looked at."""

    result: Content | None = None


_settling = msgspec.json.Decoder(_Settling).decode

_CLAIMS = """
SELECT c.key, c.stem, r.name, c.position, c.tool, c.attempt, c.arguments, c.outcome, c.result, c.loose,
    c.result_run, c.result_at
FROM claims c JOIN runs r ON r.number = c.run
WHERE {} ORDER BY c.number
"""
_BY_STEM = _CLAIMS.format("c.stem = ?1")
_BY_SCOPE = _CLAIMS.format("c.scope = (SELECT number FROM scopes WHERE name = ?1)")
_BY_BOTH = _CLAIMS.format("c.stem = ?1 AND c.scope = (SELECT number FROM scopes WHERE name = ?2)")
_ALL = _CLAIMS.format("TRUE")
_AGAINST = _CLAIMS.format("c.key = ?1 OR c.stem = ?2")
_SETTLING = """
SELECT r.name, e.frame FROM events e JOIN runs r ON r.number = e.run WHERE e.run = ? AND e.position = ?
"""
_USED = "SELECT used FROM counters WHERE name = ?"


def read_claims(db: Database, stem: str | None, scope: str | None) -> Sequence[ClaimSeen]:
    """Return claims, oldest first."""
    match stem, scope:
        case None, None:
            rows = ask(db, _ALL)
        case str(), None:
            rows = ask(db, _BY_STEM, (packed(stem),))
        case None, str():
            rows = ask(db, _BY_SCOPE, (scope,))
        case _:
            rows = ask(db, _BY_BOTH, (packed(stem or ""), scope))
    return [_seen(db, row) for row in rows]


def read_counters(db: Database, names: Sequence[str]) -> Sequence[CounterSeen]:
    """Return the counters among ``names`` that were ever moved."""
    found = [(name, ask_one(db, _USED, (name,))) for name in names]
    return [CounterSeen(name, whole(row[0])) for name, row in found if row is not None]


def claims_against(
    db: Database, opened: Sequence[ClaimOpened], closed: Sequence[ClaimClosed]
) -> Sequence[ClaimSeen]:
    """Return the claims that forbid opening these: the key is taken, or its identity is.

    What the same batch closes counts as closed: the next attempt may begin with the failure of the last.
    """
    freed = {claim.key for claim in closed if claim.outcome in FREE}
    against: dict[str, ClaimSeen] = {}
    for claim in opened:
        known = [_seen(db, row) for row in ask(db, _AGAINST, (packed(claim.key), packed(claim.stem)))]
        if any(_forbids(seen, claim, freed) for seen in known):
            against.update((seen.key, seen) for seen in known)
    return tuple(against.values())


def _forbids(seen: ClaimSeen, claim: ClaimOpened, freed: set[str]) -> bool:
    return seen.key == claim.key or (seen.outcome not in FREE and seen.key not in freed)


def result_in(stored: Stored) -> Content | None:
    """Return the result that an event holds, if it holds one."""
    return _settling(peek(stored).body).result


def counters_against(db: Database, moves: Sequence[CounterMoved]) -> Sequence[CounterSeen]:
    """Return the counters that these moves would push beyond their limit, as they stand now."""
    against: dict[str, CounterSeen] = {}
    stands: dict[str, int] = {}
    would: dict[str, int] = {}
    for move in moves:
        if move.counter not in stands:
            row = ask_one(db, _USED, (move.counter,))
            stands[move.counter] = would[move.counter] = 0 if row is None else whole(row[0])
        would[move.counter] += move.amount
        if move.amount > 0 and would[move.counter] > move.limit:
            against[move.counter] = CounterSeen(move.counter, stands[move.counter])
    return tuple(against.values())


def _seen(db: Database, row: Row) -> ClaimSeen:
    key, stem, run, position, tool, attempt, arguments, outcome, result, loose, result_run, result_at = row
    return ClaimSeen(
        unpacked(key),
        unpacked(stem),
        text(run),
        whole(position),
        text(tool),
        whole(attempt),
        unpacked(arguments),
        text_or_none(outcome),
        read_claim_result(db, result, result_run, result_at),
        unpacked(loose),
    )


def read_claim_result(db: Database, result: Value, run: Value, at: Value) -> Content | None:
    """Return a claim's result, from the event that holds it or as it stands beside the claim."""
    if at is None:
        return None if result is None else msgspec.json.decode(raw(result), type=Content)
    row = ask_one(db, _SETTLING, (run, at))
    if row is None:
        raise StoreDamaged(f"the event at {at} that settled a claim is gone")
    return result_in(Stored(text(row[0]), whole(at), raw(row[1]), b""))
