"""A process that writes one store, for tests with several: it does what its arguments say and prints what it got."""

import json
import sys
from concurrent.futures import Future

from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import Appended, CounterMoved, Remembered
from tests.conformance.stores import Writer, claim, opened_run

SECONDS = 60


def many(dsn: str, name: str, runs: int, batches: int) -> None:
    """Append to many runs at once; print how many batches were acknowledged for each."""
    with PostgresStore(dsn) as store:
        writers = [opened_run(store, f"{name}-{number}", token=name) for number in range(runs)]
        print("ready", flush=True)
        sys.stdin.readline()
        done = dict.fromkeys((writer.run for writer in writers), 0)
        for _ in range(batches):
            sent = [(writer, writer.batch(2)) for writer in writers]
            answers = [(writer, batch, store.append(batch)) for writer, batch in sent]
            for writer, batch, answer in answers:
                assert isinstance(answer.result(SECONDS), Appended)
                writer.position, writer.head = batch.expected + 2, batch.events[-1].digest
                done[writer.run] += 1
        print(json.dumps(done), flush=True)


def crossing(dsn: str, name: str, rounds: int) -> None:
    """Claim and count the same things as another process, in another order; print what was won."""
    with PostgresStore(dsn) as store:
        writers = [opened_run(store, f"{name}-{number}", token=name) for number in range(4)]
        print("ready", flush=True)
        sys.stdin.readline()
        won: list[str] = []
        for number in range(rounds):
            order = (1, 2, 3, 4) if name == "first" else (4, 3, 2, 1)
            sent: list[tuple[Writer, str, Future[Appended | Remembered]]] = []
            for writer, part in zip(writers, order, strict=True):
                other = 5 - part
                batch = writer.batch(
                    opened=[claim(f"k{number}-{part}", f"s{number}-{part}")],
                    counters=[CounterMoved(f"c{part}", 1, 10**9), CounterMoved(f"c{other}", 1, 10**9)],
                )
                sent.append((writer, f"k{number}-{part}", store.append(batch)))
            for writer, key, future in sent:
                if isinstance(future.result(SECONDS), Appended):
                    won.append(key)
                    (row,) = store.rows(writer.run)
                    writer.position, writer.head = row.position, row.head
        print(json.dumps(won), flush=True)


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    {"many": many, "crossing": crossing}[what](words[0], words[1], *(int(word) for word in words[2:]))
