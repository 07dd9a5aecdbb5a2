"""What a writer does about blobs that a collector took away while it was preparing events.

Invariants:
- A transaction that writes events or posts reads the count of sweeps after it has its number. The collector counts a
  sweep first and then waits for all transactions that are older; so either the collector sees what they name, or they
  see the count move.
- Within ``COLLECT_GRACE_SECONDS`` of a move, everything that an event names is looked at, and pardoned, in the
  event's own transaction. Later no recording is left that began before the sweep.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec

from perdure.adapters.postgres.columns import raw
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.wire import BYTES, Many, Row, Statement, Value, read_bytes, read_int
from perdure.checkpoint.tree import objects
from perdure.log import events as e
from perdure.log.envelope import unseal
from perdure.log.naming import named_blobs, named_trees
from perdure.log.port import Batch, Post
from perdure.values.errors import BlobMissing
from perdure.values.limits import COLLECT_GRACE_SECONDS

SWEPT: Final = Statement("SELECT swept FROM store", (), (read_int,))
"""To be asked after the transaction has its number, which locking a run's row gives it."""

_PARDON: Final = "UPDATE blobs SET condemned = NULL WHERE digest = ANY({}) AND condemned IS NOT NULL"
_HERE: Final = "SELECT digest FROM blobs WHERE digest = ANY({})"
PARDON: Final = Statement(_PARDON.format("$1"), (Many(BYTES),))
HERE: Final = Statement(_HERE.format("$1"), (Many(BYTES),), (read_bytes,))


class Present(Protocol):
    """Asks within the transaction that will name blobs."""

    def __call__(self, keys: list[bytes], /) -> set[bytes]:
        """Return which of ``keys`` are here; none of them is condemned any more."""
        ...


def present_by(ask: Callable[[Statement, Sequence[Value]], Sequence[Row]]) -> Present:
    """Return what asks through a line of statements."""

    def present(keys: list[bytes], /) -> set[bytes]:
        ask(PARDON, keys)
        return {raw(row[0]) for row in ask(HERE, keys)}

    return present


def present_in(db: Database) -> Present:
    """Return what asks through a connection that is within a transaction."""

    def present(keys: list[bytes], /) -> set[bytes]:
        db.execute(_PARDON.format("%s").encode(), (keys,))
        return {raw(row[0]) for row in db.execute(_HERE.format("%s").encode(), (keys,), binary=True)}

    return present


class Fence:
    """One store object's watch over what its events name."""

    def __init__(self, swept: int, fetch: Callable[[str], bytes]) -> None:
        """Know how often blobs were taken away before this store object looked at any; ``fetch`` reads one."""
        self._swept = swept
        self._fetch = fetch
        self._until = 0.0

    def watches(self, swept: int) -> bool:
        """Within a transaction that read ``swept``: tell whether what it names has to be looked at."""
        if swept != self._swept:
            self._swept = swept
            self._until = time.monotonic() + COLLECT_GRACE_SECONDS
        elif self._until and time.monotonic() > self._until:
            self._until = 0.0
        return bool(self._until)

    def check(self, present: Present, batch: Batch, brought: Iterable[str] = ()) -> None:
        """Raise ``BlobMissing`` if an event of ``batch`` names what is gone; ``brought`` comes with the transaction."""
        known = {*brought, *(name for name, _ in batch.blobs)}
        for stored in batch.events:
            self._look_at(f"{stored.run} at {stored.position}", unseal(stored).body, known, present)

    def check_post(self, present: Present, run: str, post: Post) -> None:
        """Raise ``BlobMissing`` if ``post`` names what is gone."""
        if post.kind in e.KINDS:
            body = msgspec.json.decode(post.body, type=e.KINDS[post.kind])
            self._look_at(f"the post {post.id!r} to {run}", body, set(), present)

    def _look_at(self, who: str, body: e.Body, brought: set[str], present: Present) -> None:
        trees = named_trees(body)
        names = [name for name in named_blobs(body) if name not in trees]
        # Not remembered beyond this body: its transaction may yet be taken back, and the pardon with it.
        seen: set[str] = set()
        try:
            for tree in trees:
                names += objects(self._fetch, tree, seen)
            _check({name for name in names if name not in brought}, present)
        except BlobMissing as error:
            raise BlobMissing(
                f"{who}: it names content that was collected as garbage while it was being prepared: {error}",
                hint="resume the run: it records what it needs anew",
            ) from error


def _check(names: set[str], present: Present) -> None:
    keys = sorted(bytes.fromhex(name) for name in names)
    gone = set(keys) - present(keys) if keys else set[bytes]()
    if gone:
        raise BlobMissing(f"blob {min(gone).hex()} is not in this store")
