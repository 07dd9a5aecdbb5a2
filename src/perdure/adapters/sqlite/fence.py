"""What a writer does about blobs that a collector took away while it was preparing events.

Invariants:
- Within a transaction that follows a sweep, and for ``COLLECT_GRACE_SECONDS`` after, everything that an event names is
  looked at before the event is written. Later no recording is left that began before the sweep.
- What was looked at once, and then named, stays: it isn't looked at again.
"""

import time

import msgspec

from perdure.adapters.sqlite.blobs import has_blob, read_blob
from perdure.adapters.sqlite.database import Database, number
from perdure.adapters.sqlite.layout import Places
from perdure.checkpoint.tree import objects
from perdure.log import events as e
from perdure.log.envelope import unseal
from perdure.log.naming import named_blobs, named_trees
from perdure.log.port import Batch, Post
from perdure.values.errors import BlobMissing
from perdure.values.limits import COLLECT_GRACE_SECONDS

_SWEPT = "SELECT value FROM settings WHERE name = 'swept'"


class Fence:
    """One writer's watch over what it names."""

    def __init__(self, db: Database, places: Places) -> None:
        """Know how often blobs were taken away before this writer looked at any."""
        self._db = db
        self._places = places
        self._swept = number(db, _SWEPT)
        self._until = 0.0
        self._seen: set[str] = set()
        self.moved = False
        """whether blobs were taken away since the last transaction"""

    def look(self) -> None:
        """Within a new transaction, after others have written: learn whether blobs were taken away."""
        swept = number(self._db, _SWEPT)
        self.moved = swept != self._swept
        if self.moved:
            self._swept = swept
            self._until = time.monotonic() + COLLECT_GRACE_SECONDS
            self._seen.clear()

    def rest(self) -> None:
        """Within a new transaction, after nobody else has written."""
        self.moved = False

    def check(self, batch: Batch) -> None:
        """Raise ``BlobMissing`` if an event of ``batch`` names what is gone."""
        if self._watches():
            brought = {name for name, _ in batch.blobs}
            for stored in batch.events:
                self._look_at(f"{stored.run} at {stored.position}", unseal(stored).body, brought)

    def check_post(self, run: str, post: Post) -> None:
        """Raise ``BlobMissing`` if ``post`` names what is gone."""
        if self._watches() and post.kind in e.KINDS:
            body = msgspec.json.decode(post.body, type=e.KINDS[post.kind])
            self._look_at(f"the post {post.id!r} to {run}", body, set())

    def _watches(self) -> bool:
        if not self._until:
            return False
        if time.monotonic() > self._until:
            self._until = 0.0
            self._seen.clear()
            return False
        return True

    def _look_at(self, who: str, body: e.Body, brought: set[str]) -> None:
        trees = named_trees(body)
        try:
            for name in named_blobs(body):
                if name not in trees and name not in brought:
                    self._must_be_here(name)
            for tree in trees:
                for name in objects(self._fetch, tree, self._seen):
                    self._must_be_here(name)
        except BlobMissing as error:
            # What was seen on the way to it is not named yet.
            self._seen.clear()
            raise BlobMissing(
                f"{who}: it names content that was collected as garbage while it was being prepared: {error}",
                hint="resume the run: it records what it needs anew",
            ) from error

    def _must_be_here(self, name: str) -> None:
        if not has_blob(self._db, name):
            raise BlobMissing(f"blob {name} is not in this store")

    def _fetch(self, name: str) -> bytes:
        return read_blob(self._db, self._places, name, 0, None)
