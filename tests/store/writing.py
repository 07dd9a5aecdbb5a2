"""A program that writes to a store until it is killed, and says what it was told is durable.

Run as ``python -m tests.store.writing DIRECTORY RUN SECONDS``: prints ``RUN POSITION`` after each
acknowledgement.
"""

import hashlib
import random
import sys
import time
from pathlib import Path

from perdure.adapters.holders import this_holder
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log.envelope import GENESIS, Event, Stored, seal
from perdure.log.events import Content, MessageReceived
from perdure.log.port import Appended, Batch, ClaimOpened, NewRun


def events_of(run: str, after: int, count: int, prev: bytes) -> list[Stored]:
    """Return the events that this program would write: the same for every life."""
    sealed: list[Stored] = []
    for position in range(after + 1, after + 1 + count):
        text = hashlib.sha256(f"{run} {position}".encode()).hexdigest()
        body = MessageReceived(f"m{position}", "ann", Content(len(text), text))
        sealed.append(seal(Event(run, position, position, 1, 0, body), prev))
        prev = sealed[-1].digest
    return sealed


def blob_of(run: str, position: int) -> tuple[str, bytes]:
    content = random.Random(f"{run} {position}").randbytes(2_500_000 if position % 97 == 0 else 2_000)
    return hashlib.sha256(content).hexdigest(), content


def main(directory: Path, run: str, seconds: float) -> None:
    with SqliteStore(directory) as store:
        store.create(NewRun(run, run, "acme", 1))
        (row,) = store.rows(run)
        lease = store.acquire(run, this_holder("writing"))
        position, head = row.position, row.head if row.position else GENESIS
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sealed = events_of(run, position, 3, head)
            position, head = sealed[-1].position, sealed[-1].digest
            batch = Batch(
                run,
                position - 3,
                lease.epoch,
                sealed,
                [blob_of(run, position)],
                [ClaimOpened(f"{run}-{position}", f"{run}-{position}", "acme", "pay", 1, position, "a" * 64)],
            )
            answer = store.append(batch).result(30)
            assert isinstance(answer, Appended)
            print(run, answer.position, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
