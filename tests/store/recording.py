"""Programs that record trees, or collect garbage, until they are killed.

Run as ``python -m tests.store.recording record STORE RUN SECONDS`` or ``... collect STORE GRACE``. A store is a
directory, or a database and the place of its objects: ``postgresql://...|file:///...``.
"""

import random
import sys
import time
from pathlib import Path

from perdure.adapters.holders import this_holder
from perdure.adapters.objects import open_objects
from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log import events as e
from perdure.log.envelope import GENESIS
from perdure.log.port import Batch, NewRun
from perdure.values.errors import BlobMissing
from tests.conformance.stores import SECONDS, Writer
from tests.store.trees import Tree, sealed, taken

SEEDS = 60
"""Trees are few, so that one is given up and taken again, with all the others between."""

RELEASE_TURNS = 8
"""After so many turns what was before them is let go."""

TURNS_MIN = RELEASE_TURNS + 3
"""More than these are recorded, however slow the machine is: something is let go and something kept."""


def store_at(location: str) -> SqliteStore | PostgresStore:
    database, _, objects = location.partition("|")
    if objects:
        return PostgresStore(database, objects=open_objects({"url": objects}))
    return SqliteStore(Path(location))


def record(directory: Path | str, run: str, seconds: float) -> None:
    chance = random.Random(run)
    refused = 0
    with store_at(str(directory)) as store:
        store.create(NewRun(run, run, "acme", 1))
        (row,) = store.rows(run)
        lease = store.acquire(run, this_holder("recording"))
        writer = Writer(store, run, lease, row.position, row.head if row.position else GENESIS)
        before = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end or writer.position <= TURNS_MIN:
            tree = Tree(chance.randrange(SEEDS), large=chance.random() < 0.1)
            parts = list(tree.blobs.items())
            if chance.random() < 0.3:
                for name, content in parts[: len(parts) // 2]:
                    store.put(name, content)
                continue
            body: e.Body = taken(tree.name)
            if writer.position > before + RELEASE_TURNS:
                before = writer.position
                body = e.CheckpointReleased(before, "ann")
            while True:
                for name, content in parts:
                    store.put(name, content)
                batch = Batch(run, writer.position, writer.epoch, sealed(writer, body))
                try:
                    store.append(batch).result(SECONDS)
                    break
                except BlobMissing:
                    refused += 1
            writer.position, writer.head = batch.events[-1].position, batch.events[-1].digest
            print(writer.position, refused, flush=True)


def collect(directory: Path | str, grace: float) -> None:
    with store_at(str(directory)) as store:
        while True:
            print(store.collect(grace_seconds=grace).taken.blobs, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "record":
        record(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        collect(sys.argv[2], float(sys.argv[3]))
