"""Claims and counters as the store remembers them, for reading and against a batch."""

from collections.abc import Sequence

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
)
from perdure.log.events import ClaimSeen, Content, CounterSeen
from perdure.log.port import ClaimOpened, CounterMoved

FREE = ("failed", "compensated")
"""Outcomes that free an identity; every other claim keeps it."""

_CLAIMS = """
SELECT c.key, c.stem, r.name, c.position, c.tool, c.attempt, c.arguments, c.outcome, c.result, c.loose
FROM claims c JOIN runs r ON r.number = c.run
WHERE {} ORDER BY c.number
"""
_BY_STEM = _CLAIMS.format("c.stem = ?1")
_BY_SCOPE = _CLAIMS.format("c.scope = (SELECT number FROM scopes WHERE name = ?1)")
_BY_BOTH = _CLAIMS.format("c.stem = ?1 AND c.scope = (SELECT number FROM scopes WHERE name = ?2)")
_ALL = _CLAIMS.format("TRUE")
_AGAINST = _CLAIMS.format("c.key = ?1 OR c.stem = ?2")
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
    return [_seen(row) for row in rows]


def read_counters(db: Database, names: Sequence[str]) -> Sequence[CounterSeen]:
    """Return the counters among ``names`` that were ever moved."""
    found = [(name, ask_one(db, _USED, (name,))) for name in names]
    return [CounterSeen(name, whole(row[0])) for name, row in found if row is not None]


def claims_against(db: Database, opened: Sequence[ClaimOpened]) -> Sequence[ClaimSeen]:
    """Return the claims that forbid opening these: the key is taken, or its identity is."""
    against: dict[str, ClaimSeen] = {}
    for claim in opened:
        known = [_seen(row) for row in ask(db, _AGAINST, (packed(claim.key), packed(claim.stem)))]
        if any(seen.key == claim.key or seen.outcome not in FREE for seen in known):
            against.update((seen.key, seen) for seen in known)
    return tuple(against.values())


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


def _seen(row: Row) -> ClaimSeen:
    key, stem, run, position, tool, attempt, arguments, outcome, result, loose = row
    return ClaimSeen(
        unpacked(key),
        unpacked(stem),
        text(run),
        whole(position),
        text(tool),
        whole(attempt),
        unpacked(arguments),
        text_or_none(outcome),
        None if result is None else msgspec.json.decode(raw(result), type=Content),
        unpacked(loose),
    )
