"""Claims and counters as the store remembers them, for reading and against a batch.

Invariant: within a transaction that claims or counts, every name it looks at is locked first, so that nobody
takes it between the look and the commit.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, LiteralString

import msgspec
from msgspec.structs import replace

from perdure.adapters.postgres.columns import asked, raw, text, whole
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.wire import (
    INT,
    TEXT,
    Many,
    Row,
    Statement,
    read_bytes,
    read_int,
    read_text,
)
from perdure.log.envelope import Stored, peek
from perdure.log.events import ClaimSeen, Content, CounterSeen
from perdure.log.port import Batch, ClaimOpened
from perdure.values.errors import StoreDamaged

FREE: Final = ("failed", "compensated")
"""Outcomes that free an identity; every other claim keeps it."""

RESULT_COPIED_CHARACTERS_MAX: Final = 64
"""Longer results stand once in the log, in the event that settled the claim."""

_COLUMNS: Final[LiteralString] = """
SELECT c.key, c.stem, r.name, c.position, c.tool, c.attempt, c.arguments, c.outcome, c.loose, c.result,
    c.result_run, c.result_at
FROM claims c JOIN runs r ON r.number = c.run
"""
CLAIMS_OF: Final = Statement(
    _COLUMNS + "WHERE c.key = ANY($1) OR c.stem = ANY($2) ORDER BY c.number",
    (Many(TEXT), Many(TEXT)),
    (
        read_text,
        read_text,
        read_text,
        read_int,
        read_text,
        read_int,
        read_text,
        read_text,
        read_text,
        read_bytes,
        read_int,
        read_int,
    ),
)
COUNTERS_OF: Final = Statement(
    "SELECT name, used FROM counters WHERE name = ANY($1)", (Many(TEXT),), (read_text, read_int)
)
SETTLING: Final = Statement(
    """
    SELECT e.run, e.position, r.name, e.frame
    FROM unnest($1, $2) AS u (run, position)
    JOIN events e ON e.run = u.run AND e.position = u.position
    JOIN runs r ON r.number = e.run
    """,
    (Many(INT), Many(INT)),
    (read_int, read_int, read_text, read_bytes),
)
_COUNTERS: Final = "SELECT name, used FROM counters WHERE name = ANY(%s)"
_SETTLING: Final = """
SELECT e.run, e.position, r.name, e.frame
FROM unnest(%s::bigint[], %s::bigint[]) AS u (run, position)
JOIN events e ON e.run = u.run AND e.position = u.position JOIN runs r ON r.number = e.run
"""
_WANTED: Final[dict[tuple[bool, bool], LiteralString]] = {
    (False, False): _COLUMNS + "ORDER BY c.number",
    (True, False): _COLUMNS + "WHERE c.stem = %s ORDER BY c.number",
    (False, True): _COLUMNS + "WHERE c.scope = %s ORDER BY c.number",
    (True, True): _COLUMNS + "WHERE c.stem = %s AND c.scope = %s ORDER BY c.number",
}

Place = tuple[int, int]
"""A run's number and a position: where the event stands that holds a result."""


class _Settling(msgspec.Struct):
    """Any event's body, of which only a result is looked at."""

    result: Content | None = None


_settling = msgspec.json.Decoder(_Settling).decode
_content = msgspec.json.Decoder(Content).decode


@dataclass(slots=True)
class Claim:
    """A claim, and where its result stands if not in it."""

    seen: ClaimSeen
    result_at: Place | None = None


@dataclass(slots=True)
class Remembrance:
    """What this transaction has seen, and written, of claims and counters."""

    by_key: dict[str, Claim] = field(default_factory=dict[str, Claim])
    by_stem: dict[str, list[Claim]] = field(default_factory=dict[str, list[Claim]])
    counters: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, claim: Claim) -> None:
        self.by_key[claim.seen.key] = claim
        self.by_stem.setdefault(claim.seen.stem, []).append(claim)

    def against(self, opened: Sequence[ClaimOpened], freed: set[str]) -> dict[str, Claim]:
        """Return the claims that forbid opening these: the key is taken, or its identity is."""
        found: dict[str, Claim] = {}
        for claim in opened:
            known = list(self.by_stem.get(claim.stem, ()))
            taken = self.by_key.get(claim.key)
            if taken is not None and taken not in known:
                known.insert(0, taken)
            if any(_forbids(each.seen, claim, freed) for each in known):
                found.update((each.seen.key, each) for each in known)
        return found


def _forbids(seen: ClaimSeen, claim: ClaimOpened, freed: set[str]) -> bool:
    return seen.key == claim.key or (seen.outcome not in FREE and seen.key not in freed)


def locks_of(batches: Iterable[Batch]) -> list[int]:
    """Return the locks that stand for all names that ``batches`` claim or count, in the order to take them."""
    names = set[str]()
    for batch in batches:
        for claim in batch.opened:
            names.add(f"stem {claim.stem}")
            names.add(f"key {claim.key}")
        names.update(f"key {claim.key}" for claim in batch.closed)
        names.update(f"counter {move.counter}" for move in batch.counters)
    return _locks(names)


def locks_of_counters(names: Iterable[str]) -> list[int]:
    """Return the locks that stand for these counters, in the order to take them."""
    return _locks({f"counter {name}" for name in names})


def _locks(names: set[str]) -> list[int]:
    return sorted(
        int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
        for name in names
    )


def claim_of(row: Row) -> Claim:
    key, stem, run, position, tool, attempt, arguments, outcome, loose, result, result_run, result_at = row
    return _claim(
        text(key),
        text(stem),
        text(run),
        whole(position),
        text(tool),
        whole(attempt),
        text(arguments),
        None if outcome is None else text(outcome),
        text(loose),
        None if result is None else raw(result),
        None if result_run is None else whole(result_run),
        None if result_at is None else whole(result_at),
    )


def _claim(
    key: str,
    stem: str,
    run: str,
    position: int,
    tool: str,
    attempt: int,
    arguments: str,
    outcome: str | None,
    loose: str,
    result: bytes | None,
    result_run: int | None,
    result_at: int | None,
) -> Claim:
    content = None if result is None else _content(result)
    place = None if result_run is None or result_at is None else (result_run, result_at)
    seen = ClaimSeen(key, stem, run, position, tool, attempt, arguments, outcome, content, loose)
    return Claim(seen, place)


def results_in(rows: Iterable[Row]) -> dict[Place, Content | None]:
    """Return the results that settling events hold, by where they stand."""
    return dict(_settled(whole(run), whole(at), text(name), raw(frame)) for run, at, name, frame in rows)


def _settled(run: int, at: int, name: str, frame: bytes) -> tuple[Place, Content | None]:
    return (run, at), result_in(Stored(name, at, frame, b""))


def result_in(stored: Stored) -> Content | None:
    """Return the result that an event holds, if it holds one."""
    return _settling(peek(stored).body).result


def told(claim: Claim, results: dict[Place, Content | None]) -> ClaimSeen:
    """Return what is known of ``claim``, its result included."""
    if claim.result_at is None:
        return claim.seen
    if claim.result_at not in results:
        raise StoreDamaged(f"the event at {claim.result_at[1]} that settled claim {claim.seen.key} is gone")
    return replace(claim.seen, result=results[claim.result_at])


def read_claims(db: Database, stem: str | None, scope: str | None) -> Sequence[ClaimSeen]:
    """Return claims, oldest first."""
    words = [word for word in (stem, scope) if word is not None]
    claims = asked(db, _claim, _WANTED[stem is not None, scope is not None], words)
    places = [claim.result_at for claim in claims if claim.result_at is not None]
    results = dict[Place, Content | None]()
    if places:
        runs, positions = [run for run, _ in places], [at for _, at in places]
        results = dict(asked(db, _settled, _SETTLING, (runs, positions)))
    return [told(claim, results) for claim in claims]


def read_counters(db: Database, names: Sequence[str]) -> Sequence[CounterSeen]:
    """Return the counters among ``names`` that were ever moved."""
    used = {seen.counter: seen for seen in asked(db, CounterSeen, _COUNTERS, (list(names),))}
    return [used[name] for name in names if name in used]
