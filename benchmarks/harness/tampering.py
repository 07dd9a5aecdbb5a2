"""Somebody with the file in hand: each way of changing a store behind its back, and whether `verify` tells.

Every case works on a fresh copy of one real store and changes the SQLite file as an attacker with a database
tool would, without perdure. The forger's cases also mend all digests after the change, as one who has read
our format can: those are found against a head that was remembered outside the store.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw

import perdure
from perdure.adapters.sqlite import SqliteStore
from perdure.testing.scripted import ScriptedModel, call, say, together

Case = Callable[[apsw.Connection], None]


class Verdict(NamedTuple):
    """One case: which run it harmed, and what was said of it."""

    name: str
    detected: bool
    said: str


def _agent(name: str) -> perdure.Agent:
    @perdure.tool(effect="idempotent", identity=("invoice",), on_divergence="refuse")
    async def pay(invoice: str, cents: int) -> dict[str, str]:
        """Pay an invoice."""
        return {"paid": invoice, "proof": "p" * 900 + str(cents)}

    @perdure.tool(effect="read")
    async def look(invoice: str) -> str:
        """Look at an invoice."""
        return f"{invoice} is due " + "x" * 600

    play = ScriptedModel(
        [
            together(call("look", invoice="a"), call("look", invoice="b")),
            call("pay", invoice="a", cents=100),
            call("pay", invoice="b", cents=200),
            call("look", invoice="c"),
            say("paid"),
        ]
    )
    return perdure.Agent(name=name, instructions="Pay.", tools=[pay, look], model=play)


def make(directory: Path) -> None:
    """Make the store that is tampered with: two runs, and a fork of one."""
    with perdure.open(directory) as store:
        for run in ("march", "april"):
            store.start(_agent("payer"), f"Pay for {run}", run=run).wait()
        store.fork("march", at=14, run="march-b")
        store.resume(_agent("payer"), "march-b").wait()


def _sql(*statements: str) -> Case:
    def work(db: apsw.Connection) -> None:
        for statement in statements:
            db.execute(statement)

    return work


_RUN = "run = (SELECT number FROM runs WHERE name = 'march')"
_OTHER = "run = (SELECT number FROM runs WHERE name = 'april')"


def _at(position: int) -> str:
    return f"{_RUN} AND position = {position}"


def _rechained(change: Callable[[list[tuple[int, bytes]]], list[tuple[int, bytes]]]) -> Case:
    """Change the frames of a run, then mend positions' digests and the run's head as a forger would."""

    def work(db: apsw.Connection) -> None:
        rows = [
            (int(p), bytes(f))
            for p, f in db.execute(f"SELECT position, frame FROM events WHERE {_RUN} ORDER BY 1")
        ]
        head = bytes(32)
        db.execute(f"DELETE FROM events WHERE {_RUN}")
        number = next(iter(db.execute("SELECT number FROM runs WHERE name = 'march'")))[0]
        for position, frame in change(rows):
            head = hashlib.sha256(head + frame).digest()
            db.execute(
                "INSERT INTO events (run, position, frame, digest) VALUES (?,?,?,?)",
                (number, position, frame, head),
            )

    return work


def _edit(rows: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return [(position, frame.replace(b'"cents":200', b'"cents":900')) for position, frame in rows]


def _cut(rows: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return rows[:-3]


def cases(events: int) -> Iterator[tuple[str, str, Case]]:
    """Yield (name, run that is looked at, change)."""
    middle = events // 2
    for position in (1, middle, events):
        yield (
            f"edit a frame at {position}",
            "march",
            _sql(
                f"UPDATE events SET frame = CAST(replace(CAST(frame AS TEXT), '\"', '\" ') AS BLOB) WHERE {_at(position)}"
            ),
        )
        yield (
            f"flip a digest at {position}",
            "march",
            _sql(f"UPDATE events SET digest = zeroblob(32) WHERE {_at(position)}"),
        )
        yield f"delete event {position}", "march", _sql(f"DELETE FROM events WHERE {_at(position)}")
    yield (
        "edit an amount",
        "march",
        _sql(
            f"UPDATE events SET frame = CAST(replace(CAST(frame AS TEXT), '200', '900') AS BLOB) WHERE {_RUN}"
        ),
    )
    yield (
        "insert a copy of an event at the end",
        "march",
        _sql(
            f"INSERT INTO events (run, position, frame, digest) SELECT run, {events + 1}, frame, digest FROM events WHERE {_at(events)}"
        ),
    )
    yield (
        "insert another run's event",
        "march",
        _sql(
            f"UPDATE events SET frame = (SELECT frame FROM events WHERE {_OTHER} AND position = {middle}) WHERE {_at(middle)}"
        ),
    )
    yield (
        "reorder two events",
        "march",
        _sql(
            f"UPDATE events SET position = -1 WHERE {_at(middle)}",
            f"UPDATE events SET position = {middle} WHERE {_at(middle + 1)}",
            f"UPDATE events SET position = {middle + 1} WHERE {_RUN} AND position = -1",
        ),
    )
    yield "cut the tail", "march", _sql(f"DELETE FROM events WHERE {_RUN} AND position > {events - 3}")
    yield from _cases_beside_the_stream()


def _cases_beside_the_stream() -> Iterator[tuple[str, str, Case]]:
    """Yield the cases that leave the run's own events alone, and the forger's."""
    yield (
        "swap two runs' names",
        "march",
        _sql(
            "UPDATE runs SET name = 'x' WHERE name = 'march'",
            "UPDATE runs SET name = 'march' WHERE name = 'april'",
            "UPDATE runs SET name = 'april' WHERE name = 'x'",
        ),
    )
    yield (
        "move a fork's origin",
        "march-b",
        _sql("UPDATE runs SET forked_at = forked_at - 1 WHERE name = 'march-b'"),
    )
    yield "edit a blob", "march", _sql("UPDATE blobs SET content = zeroblob(length(content))")
    yield "delete the blobs", "march", _sql("DELETE FROM blobs")
    yield (
        "delete a claim",
        "march",
        _sql(f"DELETE FROM claims WHERE number IN (SELECT number FROM claims WHERE {_RUN} LIMIT 1)"),
    )
    yield "reopen a claim", "march", _sql(f"UPDATE claims SET outcome = 'failed' WHERE {_RUN}")
    yield "forge an amount and every digest after it", "march", _rechained(_edit)
    yield "forge the tail away with every digest right", "march", _rechained(_cut)


def tampering_figures() -> dict[str, object]:
    """Return how many ways there are, how many went undetected, and which."""
    verdicts = list(try_all())
    missed = [verdict.name for verdict in verdicts if not verdict.detected]
    return {"tampers": len(verdicts), "undetected": len(missed), "undetected_names": missed}


def try_all() -> Iterator[Verdict]:
    """Tamper in every way, each on a copy, and yield what `verify` said."""
    with tempfile.TemporaryDirectory() as place:
        original = Path(place) / "original"
        early = Path(place) / "early"
        make(original)
        heads = _heads(original)
        events = heads["march"][0]
        for index, (name, run, change) in enumerate(cases(events)):
            copy = Path(place) / f"case-{index}"
            shutil.copytree(original, copy)
            db = apsw.Connection(str(copy / "log.db"))
            change(db)
            db.close()
            yield _verdict(name, run, copy, heads[run])
        # An old copy of the whole directory, put back: everything in it is consistent.
        shutil.copytree(original, early)
        with closing(SqliteStore(early)) as copied:
            copied.release_store("tampering")
        with perdure.open(early) as store:
            store.start(_agent("payer"), "Pay for may", run="may").wait()
            store.rewind("march", to=events - 4)
            later = store.verify("march")
        yield _verdict("restore an old copy of the store", "march", original, (later.events, later.head))


def _heads(directory: Path) -> dict[str, tuple[int, str]]:
    with perdure.open(directory) as store:
        return {row.run: (row.position, row.head.hex()) for row in store.runs()}


def _verdict(name: str, run: str, directory: Path, head: tuple[int, str]) -> Verdict:
    with perdure.open(directory) as store:
        try:
            found = store.verify(run, head=f"{head[0]}:{head[1]}")
        except perdure.PerdureError as error:
            return Verdict(name, detected=True, said=str(error))
    return Verdict(name, not found.ok, found.wrong)


if __name__ == "__main__":
    for each in try_all():
        print("found  " if each.detected else "MISSED ", each.name, "|", each.said[:150])
