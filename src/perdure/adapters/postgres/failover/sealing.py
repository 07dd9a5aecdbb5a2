"""What a store says of the server that it went on on last, and the names of what may be missing from one.

Invariant: the seal is written with the number of the transaction that writes it, so that no dump of it passes for it.
Never within a savepoint: that would be another transaction to the row, and the seal would look like a dump's.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import psycopg

from perdure.log.port import Batch, ClaimOpened
from perdure.values.errors import StoreDamaged

Database = psycopg.Connection[tuple[object, ...]]

_SEAL: Final = """
SELECT system, timeline, anchor, sound, synchronous, witnessed, suspended, id, database FROM standing
"""


class ServerLife(NamedTuple):
    """One life of one server."""

    system: str
    timeline: int
    started: str


class Facts(NamedTuple):
    """What a server shows of itself."""

    place: ServerLife
    database: int
    anchor: str | None
    """when its directory was made; None where the role may not see it"""


class KnownHead(NamedTuple):
    """The end of a run's stream as somebody was told that it is durable."""

    run: str
    position: int
    digest: bytes


class Promised(NamedTuple):
    """A claim that somebody was told is durable, with the run that opened it."""

    run: str
    claim: ClaimOpened
    reserved: Mapping[str, int] = MappingProxyType({})
    """what its batch took of shared counters; it stands with the first claim of the batch"""

    @property
    def key(self) -> str:
        return self.claim.key

    @property
    def tool(self) -> str:
        return self.claim.tool

    @property
    def position(self) -> int:
        return self.claim.position


def promises_of(batch: Batch) -> list[Promised]:
    """Return the claims that ``batch`` opens, with what it takes of shared counters."""
    taken: dict[str, int] = {}
    for move in batch.counters:
        # What the batch gives back is given back again, if its claim is.
        if move.amount > 0:
            taken[move.counter] = taken.get(move.counter, 0) + move.amount
    return [
        Promised(batch.run, claim, taken if number == 0 else MappingProxyType({}))
        for number, claim in enumerate(batch.opened)
    ]


class Gone(NamedTuple):
    """What was acknowledged and is not on a server."""

    heads: tuple[KnownHead, ...] = ()
    claims: tuple[Promised, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.heads or self.claims)

    def and_of(self, other: "Gone") -> "Gone":
        """Return this and ``other``, each once."""
        heads = {head.run: head for head in (*self.heads, *other.heads)}
        claims = {claim.key: claim for claim in (*self.claims, *other.claims)}
        return Gone(tuple(heads.values()), tuple(claims.values()))


class Seal(NamedTuple):
    """What the store says of the server that it went on on last."""

    system: str
    timeline: int
    anchor: str | None
    sound: bool
    """whether the row was written here, and not brought by a dump"""
    synchronous: bool
    witnessed: str | None
    suspended: str | None
    id: str
    database: int


def read_seal(db: Database) -> Seal:
    """Return the seal, or raise ``StoreDamaged``."""
    row = db.execute(_SEAL).fetchone()
    if row is None:
        raise StoreDamaged("the store's own row is gone")
    system, timeline, anchor, sound, synchronous, witnessed, suspended, name, database = row
    return Seal(
        str(system),
        timeline if isinstance(timeline, int) else 0,
        None if anchor is None else str(anchor),
        sound is True,
        synchronous is True,
        None if witnessed is None else str(witnessed),
        None if suspended is None else str(suspended),
        str(name),
        database if isinstance(database, int) else 0,
    )
