"""The witness outside: what was acknowledged, written down where no failover of the database can lose it.

Objects under ``STORE/``, each made once:
- ``claims/TIME-PROCESS-NUMBER``: claims that a group commit opened, one JSON object a line.
- ``heads/PROCESS-NUMBER``: ends of the runs that a process wrote lately; the one before it is taken away.
- ``servers/TIMELINE-SYSTEM-START``: that this life of a server was compared, and held everything or was mended.
- ``pruned``: that old claims were taken away.

Invariants:
- With ``claims="before"`` a claim is here before its transaction commits, so before its effect is sent, whoever sends
  it. What isn't here wasn't sent: a witness that reaches back to before a loss knows all that may have been done. A
  transaction that fails afterwards leaves a claim here that nobody has; if a failover comes, it costs a question.
- It grows with what was claimed in ``WITNESS_KEEP_SECONDS``, and no further.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import psycopg

from perdure.adapters.postgres.failover.sealing import (
    Gone,
    KnownHead,
    Promised,
    Seal,
    ServerLife,
    promises_of,
)
from perdure.log.port import Batch, ClaimOpened, ObjectStore
from perdure.values.errors import BlobMissing, Busy, OldPrimary, PerdureError, StoreDamaged
from perdure.values.limits import (
    REMEMBERED_HEADS_MAX,
    WITNESS_HEADS_SECONDS,
    WITNESS_KEEP_SECONDS,
    WITNESS_LOOK_SECONDS,
    WITNESS_PRUNE_LISTS,
)

Database = psycopg.Connection[tuple[object, ...]]

_LACKING: Final = """
SELECT c.key FROM unnest(%s::text[]) AS c (key) WHERE NOT EXISTS (SELECT FROM claims k WHERE k.key = c.key)
"""
_BEHIND: Final = """
SELECT h.run FROM unnest(%s::text[], %s::bigint[], %s::bytea[]) AS h (run, position, digest)
WHERE NOT EXISTS (
    SELECT FROM runs r JOIN events e ON e.run = r.number AND e.position = h.position
    WHERE r.name = h.run AND e.digest = h.digest
)
"""


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    run: str
    position: int
    key: str
    stem: str
    scope: str
    tool: str
    attempt: int
    arguments: str
    loose: str = ""
    reserved: dict[str, int] = {}


class _Heads(msgspec.Struct, frozen=True):
    heads: dict[str, tuple[int, str]]


class Told(NamedTuple):
    """What the witness says of a server."""

    name: str
    gone: Gone
    complete: bool
    """whether it knows every claim that may be missing"""


class OutsideWitness:
    """One process's voice in a witness, and its ear."""

    def __init__(
        self,
        objects: ObjectStore,
        name: str,
        *,
        claims_before: bool = True,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        """Write to ``objects``, which people know as ``name``; times in names are from ``wall`` (ns)."""
        self.name: str = name
        self.claims_before: bool = claims_before
        self._objects: ObjectStore = objects
        self._wall: Callable[[], int] = wall
        self._token: str = uuid.uuid4().hex[:12]
        self._guard: threading.Lock = threading.Lock()
        self._store: str = ""
        self._number: int = 0
        self._heads: dict[str, tuple[int, str]] = {}
        self._heads_at: int = 0
        self._heads_name: str = ""

    # -- telling -------------------------------------------------------------------------------------

    def promising(self, batches: Sequence[Batch]) -> None:
        """The claims of these batches, which are about to be committed, are written down.

        Raises ``Busy`` or ``StoreFailed`` where they can't be.
        """
        lines = [_line(promised) for batch in batches for promised in promises_of(batch)]
        if not lines or not self.claims_before:
            return
        if not self._store:
            raise Busy(f"the witness {self.name} doesn't know of which store it is told")
        self._objects.put(self._named("claims"), b"\n".join(lines))

    def told(self, batches: Sequence[Batch]) -> None:
        """These batches are durable: the ends of their runs are written down soon."""
        with self._guard:
            for batch in batches:
                if batch.events:
                    last = batch.events[-1]
                    self._heads[batch.run] = last.position, last.digest.hex()
            while len(self._heads) > REMEMBERED_HEADS_MAX:
                del self._heads[next(iter(self._heads))]
        now = self._wall()
        if self._store and now - self._heads_at >= WITNESS_HEADS_SECONDS * 10**9:
            self._heads_at = now
            self._tell_heads()

    def close(self) -> None:
        """The ends of all runs that this process wrote are written down."""
        if self._store and self._heads:
            self._tell_heads()

    def _tell_heads(self) -> None:
        """Heads explain; what may be sent again hangs on claims alone. So a witness that is away is no reason to stop."""
        with self._guard:
            content = msgspec.json.encode(_Heads(dict(self._heads)))
        self._number += 1
        name = f"{self._store}/heads/{self._token}-{self._number:08d}"
        try:
            self._objects.put(name, content)
            if self._heads_name:
                self._objects.delete([self._heads_name])
            self._heads_name = name
            if self._number % WITNESS_PRUNE_LISTS == 0:
                self.prune()
        except PerdureError:
            self._heads_at = 0

    def _named(self, kind: str) -> str:
        with self._guard:
            self._number += 1
            return f"{self._store}/{kind}/{self._wall():020d}-{self._token}-{self._number:08d}"

    # -- hearing -------------------------------------------------------------------------------------

    def begin(self, store: Seal) -> bool:
        """Know whose witness this is; tell whether it was told of all that the store can lack.

        What the store has never heard of a witness is from before there was one.
        """
        self._store = store.id
        return store.witnessed is not None

    def arrived(self, here: ServerLife) -> None:
        """This life of a server holds everything, or was mended."""
        self._objects.put(_server(self._store, here), b"")

    def was_compared(self, here: ServerLife) -> bool:
        """Tell whether somebody has compared this life of a server. Raises ``OldPrimary`` if it was left behind."""
        prefix, after, found = f"{self._store}/servers/", "", False
        mine = _server(self._store, here)
        while page := self._objects.names(prefix, after):
            for name, _ in page:
                timeline, system, _ = name.removeprefix(prefix).split("-", 2)
                if system == here.system and int(timeline, 16) > here.timeline:
                    raise OldPrimary(
                        f"this server is on timeline {here.timeline}, and the witness {self.name} has seen the store on "
                        f"timeline {int(timeline, 16)}: an old primary has come back"
                    )
                found = found or name == mine
            after = page[-1][0]
        return found

    def gone(self, db: Database) -> tuple[Gone, bool]:
        """Return what is missing here by this witness, and whether it reaches back to before that."""
        heads = self._behind(db)
        missing: list[Promised] = []
        newest_missing = 0
        names = self._all("claims")
        reached = False
        for name in reversed(names):
            at = int(name.rpartition("/")[2].split("-")[0])
            if reached and newest_missing - at > WITNESS_LOOK_SECONDS * 10**9:
                break
            promised = self._promised(name)
            rows = db.execute(_LACKING, ([each.key for each in promised],)).fetchall()
            lacking = {str(row[0]) for row in rows}
            missing += (each for each in promised if each.key in lacking)
            newest_missing = newest_missing or at
            if lacking:
                newest_missing, reached = at, False
            else:
                reached = True
        whole = reached or not self._is_pruned()
        return Gone(heads, tuple(reversed(missing))), whole

    def prune(self) -> None:
        """Claims that are older than what a backup may be are gone."""
        old = self._wall() - int(WITNESS_KEEP_SECONDS * 10**9)
        page = self._objects.names(f"{self._store}/claims/", "")
        gone = [name for name, _ in page if int(name.rpartition("/")[2].split("-")[0]) < old]
        if gone:
            self._objects.put(f"{self._store}/pruned", b"")
            self._objects.delete(gone)

    def _behind(self, db: Database) -> tuple[KnownHead, ...]:
        known: dict[str, KnownHead] = {}
        for name in self._all("heads"):
            try:
                found = msgspec.json.decode(self._objects.get(name), type=_Heads)
            except BlobMissing:
                continue
            for run, (position, digest) in found.heads.items():
                if run not in known or known[run].position < position:
                    known[run] = KnownHead(run, position, bytes.fromhex(digest))
        if not known:
            return ()
        heads = list(known.values())
        columns = ([h.run for h in heads], [h.position for h in heads], [h.digest for h in heads])
        lacking = {str(row[0]) for row in db.execute(_BEHIND, columns)}
        return tuple(head for head in heads if head.run in lacking)

    def _promised(self, name: str) -> list[Promised]:
        try:
            lines = self._objects.get(name).splitlines()
            return [_promise(msgspec.json.decode(line, type=_Line)) for line in lines]
        except msgspec.DecodeError as error:
            raise StoreDamaged(f"{name} of the witness {self.name} can't be read") from error

    def _all(self, kind: str) -> list[str]:
        return list(self._names(f"{self._store}/{kind}/"))

    def _names(self, prefix: str) -> Iterator[str]:
        after = ""
        while page := self._objects.names(prefix, after):
            yield from (name for name, _ in page)
            after = page[-1][0]

    def _is_pruned(self) -> bool:
        name = f"{self._store}/pruned"
        return any(found == name for found, _ in self._objects.names(name, ""))


def compared(db: Database, witness: OutsideWitness, here: ServerLife, store: Seal) -> Told:
    """Hold a server that this process hasn't seen before against the witness.

    Raises ``OldPrimary`` where the witness has seen the store go on elsewhere, and what its object store raises.
    """
    since = witness.begin(store)
    witness.prune()
    if witness.was_compared(here):
        return Told(witness.name, Gone(), complete=False)
    gone, whole = witness.gone(db)
    return Told(witness.name, gone, complete=since and whole and witness.claims_before)


def _server(store: str, here: ServerLife) -> str:
    started = "".join(each if each.isalnum() else "." for each in here.started)
    return f"{store}/servers/{here.timeline:08x}-{here.system}-{started}"


def _line(promised: Promised) -> bytes:
    run, claim, reserved = promised
    return msgspec.json.encode(
        _Line(
            run,
            claim.position,
            claim.key,
            claim.stem,
            claim.scope,
            claim.tool,
            claim.attempt,
            claim.arguments,
            claim.loose,
            dict(reserved),
        )
    )


def _promise(line: _Line) -> Promised:
    claim = ClaimOpened(
        key=line.key,
        stem=line.stem,
        scope=line.scope,
        tool=line.tool,
        attempt=line.attempt,
        position=line.position,
        arguments=line.arguments,
        loose=line.loose,
    )
    return Promised(line.run, claim, line.reserved)
