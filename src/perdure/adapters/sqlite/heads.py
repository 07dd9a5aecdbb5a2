"""Where each run stands, kept by the writer so that a batch costs no query.

Invariants:
- A head is what the file says as of this transaction: the cache is emptied whenever another
  connection has committed, and whenever one of our own transactions didn't.
- Events that wait to be inserted are part of the head already.
"""

from dataclasses import dataclass

from perdure.adapters.sqlite.database import Database, ask_one, number, raw, text, whole, whole_or_none
from perdure.log.envelope import GENESIS
from perdure.values.errors import UnknownRun

_HEAD = """
SELECT number, epoch, holder IS NOT NULL, wrote, status, wake, parent, forked_at FROM runs WHERE name = ?
"""
_TAIL = "SELECT position, digest FROM events WHERE run = ? ORDER BY position DESC LIMIT 1"
_ORIGIN = "SELECT parent, forked_at FROM runs WHERE number = ?"
_DIGEST = "SELECT digest FROM events WHERE run = ? AND position = ?"


@dataclass(slots=True)
class Head:
    """The end of one run's stream, and who may continue it."""

    number: int
    position: int
    digest: bytes
    epoch: int
    held: bool
    wrote: int
    status: str
    wake: int | None


class Heads:
    """Heads by the run's name."""

    def __init__(self, db: Database) -> None:
        """Begin without knowledge; ``db`` is the writer's connection."""
        self._db = db
        self._known: dict[str, Head] = {}
        self._version = -1

    def refresh(self) -> bool:
        """Within a new transaction: forget everything if another connection has committed; tell whether."""
        version = number(self._db, "PRAGMA data_version")
        if version == self._version:
            return False
        self._known.clear()
        self._version = version
        return True

    def forget(self) -> None:
        self._known.clear()

    def of(self, run: str) -> Head:
        """Return the run's head, or raise ``UnknownRun``."""
        head = self._known.get(run)
        if head is None:
            head = self._known[run] = self._load(run)
        return head

    def _load(self, run: str) -> Head:
        row = ask_one(self._db, _HEAD, (run,))
        if row is None:
            raise UnknownRun(f"there is no run {run!r} in this store")
        number, epoch, held, wrote, status, wake, _, forked_at = row
        position, digest = end_of(self._db, whole(number), whole(forked_at))
        return Head(
            whole(number),
            position,
            digest,
            whole(epoch),
            bool(held),
            whole(wrote),
            text(status),
            whole_or_none(wake),
        )


def end_of(db: Database, number: int, forked_at: int) -> tuple[int, bytes]:
    """Return position and digest of a run's last event; a fresh fork ends where it left its parent."""
    tail = ask_one(db, _TAIL, (number,))
    if tail is not None:
        return whole(tail[0]), raw(tail[1])
    return forked_at, digest_at(db, number, forked_at)


def digest_at(db: Database, number: int, position: int) -> bytes:
    """Return the digest of the event at ``position``, in the run or the ancestor that wrote it."""
    while position:
        own = ask_one(db, _DIGEST, (number, position))
        if own is not None:
            return raw(own[0])
        origin = ask_one(db, _ORIGIN, (number,))
        if origin is None or origin[0] is None:
            break
        number = whole(origin[0])
    return GENESIS
