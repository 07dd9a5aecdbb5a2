"""Power cuts under the SQLite store: how many lose something that was acknowledged.

``power_cuts(240)`` must lose nothing; ``power_cuts(240, synchronous="OFF")`` shows that the harness
would see it if it did.
"""

import hashlib
import random
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

import msgspec

from perdure.adapters.holders import this_holder
from perdure.adapters.sqlite.layout import Places, Setup
from perdure.adapters.sqlite.opening import close_untouched, open_for_writing
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log.envelope import GENESIS, Event, Stored, seal
from perdure.log.events import Content, MessageReceived
from perdure.log.port import Appended, Batch, ClaimClosed, ClaimOpened, NewRun, Post, Remembered
from perdure.testing.lossy_disk import Acknowledged, Disk, Journal, LossyDisk, Sync, Write
from perdure.values.errors import PerdureError, StoreFailed

RUNS = ("march", "april", "may")
ROUNDS = 60
WAL_BYTES = 96 * 1024
"""Small, so that cuts also fall into the copying of the write-ahead log."""


SYNC_FAILS = 0.03
"""How often a sync fails where some do."""


class Power(NamedTuple):
    """What the cuts showed."""

    cuts: int
    acknowledged: int
    """events that were acknowledged at the moments of the cuts, added up"""
    lost: int
    """of these, how many were not there afterwards, or not as they were"""
    unreadable: int
    """cuts after which the store could not be opened, read or continued"""
    moments: int
    """entries of the journal that the cuts were drawn from"""


class History:
    """What a program wrote to the store, and heard back."""

    def __init__(self) -> None:
        """Begin empty."""
        self.events: dict[str, list[Stored]] = {run: [] for run in RUNS}
        self.blobs: dict[bytes, str] = {}
        """what an event brought along, by the event's digest"""
        self.epochs: dict[str, int] = {}

    def batch(self, run: str, chance: random.Random, number: int) -> Batch:
        """Return the next batch of ``run`` and count it as written."""
        known = self.events[run]
        expected, prev = len(known), known[-1].digest if known else GENESIS
        sealed: list[Stored] = []
        for position in range(expected + 1, expected + 1 + chance.randint(1, 4)):
            text = chance.randbytes(chance.choice((10, 100, 700))).hex()
            body = MessageReceived(f"m{position}", "ann", Content(len(text), text))
            stored = seal(Event(run, position, position, self.epochs[run], expected, body), prev)
            prev = stored.digest
            sealed.append(stored)
        known.extend(sealed)
        content = chance.randbytes(chance.choice((50, 3000, 40_000)))
        name = hashlib.sha256(content).hexdigest()
        self.blobs[prev] = name
        key = f"key-{number}"
        return Batch(
            run,
            expected,
            self.epochs[run],
            sealed,
            [(name, content)],
            [ClaimOpened(key, f"stem-{number}", "acme", "pay", 1, known[-1].position, "a" * 64)],
            [ClaimClosed(key, "succeeded", Content(4, "paid"))],
        )


class Program(NamedTuple):
    """A program, the disk under it, and what it wrote."""

    places: Places
    setup: Setup
    journal: Journal
    history: History
    chance: random.Random
    trusting: bool


def power_cuts(
    n: int, synchronous: str = "FULL", seed: int = 7, *, failing: bool = False, trusting: bool = False
) -> Power:
    """Write to a store, then cut its power at ``n`` moments and count what is missing afterwards.

    With ``failing`` some syncs fail as well, and the program opens the store again after each.
    ``trusting`` is a broken build: it takes what a failed sync left behind for written.
    """
    chance = _chance(seed)
    journal, history, disk = Journal(), History(), Disk(seed)
    if failing:
        journal.sync_fails = _sometimes(_chance(seed + 1))
    with tempfile.TemporaryDirectory(prefix="perdure-power-") as directory:
        # A store is made under another name, synced and put in its place: whole, or not there.
        SqliteStore(directory).close()
        disk.begin(Path(directory))
        with LossyDisk(f"perdure-lossy-{id(journal)}", journal) as shim:
            setup = Setup(vfs=shim.name, synchronous=synchronous, wal_bytes=WAL_BYTES)
            _live(Program(Places(Path(directory)), setup, journal, history, chance, trusting))
    return _cut_everywhere(n, disk, journal, history, chance)


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a seed, not a secret


def _sometimes(chance: random.Random) -> Callable[[str], bool]:
    return lambda _file: chance.random() < SYNC_FAILS


def _live(program: Program) -> None:
    history, chance = program.history, program.chance
    store = _opened(program)
    waiting: list[tuple[str, int, Future[Appended | Remembered]]] = []
    for number in range(ROUNDS):
        run = chance.choice(RUNS)
        answer = store.append(history.batch(run, chance, number))
        waiting.append((run, len(history.events[run]), answer))
        if chance.random() < 0.1:
            _attempt(store, number)
        closing = chance.random() < 0.05
        if closing:
            store.close()
        if closing or chance.random() < 0.6:
            whole = _settled(waiting, program.journal)
            if closing or not whole:
                store.close()
                store = _opened(program)
    store.close()
    _settled(waiting, program.journal)


def _attempt(store: SqliteStore, number: int) -> None:
    run = RUNS[number % len(RUNS)]
    store.save(run, number, b"manifest", [(f"{number:064x}", bytes(500))])
    try:
        store.post(run, Post(f"post-{number}", "timer.fired", msgspec.Raw(b"{}"), 1))
    except StoreFailed:
        return


def _opened(program: Program) -> SqliteStore:
    """Open the store until that works, and learn what is there of what nobody acknowledged."""
    while True:
        _make_sure(program)
        store = SqliteStore(program.places.directory, setup=program.setup)
        try:
            for run in RUNS:
                store.create(NewRun(run, run, "acme", 1))
                lease = store.acquire(run, this_holder("power"), take_over=True)
                program.history.epochs[run] = lease.epoch
                program.history.events[run] = list(store.read(run, 0, 100_000))
        except StoreFailed:
            store.close()
            continue
        return store


def _make_sure(program: Program) -> None:
    """After a failed sync: what the store does when it is opened, noted, since it goes past the shim."""
    places = program.places
    while places.unsynced.exists():
        if program.trusting:
            places.unsynced.unlink()
            return
        try:
            opened = open_for_writing(places, program.setup)
        except StoreFailed:
            continue
        close_untouched(opened.db)
        opened.turnstile.close()
        program.journal.note(Write(places.wal.name, 0, places.wal.read_bytes()))
        program.journal.note(Sync(places.wal.name))


def _settled(waiting: list[tuple[str, int, "Future[Appended | Remembered]"]], journal: Journal) -> bool:
    """Note what was acknowledged; False if the store has failed."""
    whole = True
    for run, position, answer in waiting:
        if answer.exception() is not None:
            whole = False
        elif isinstance(answer.result(), Appended):
            journal.note(Acknowledged(run, position))
    waiting.clear()
    return whole


def _cut_everywhere(n: int, disk: Disk, journal: Journal, history: History, chance: random.Random) -> Power:
    entries = journal.entries
    moments = sorted(chance.randrange(len(entries)) for _ in range(n))
    played = 0
    acknowledged = lost = unreadable = 0
    for moment in moments:
        for entry in entries[played:moment]:
            disk.play(entry)
        played = moment
        with tempfile.TemporaryDirectory(prefix="perdure-cut-") as directory:
            disk.cut(Path(directory), chance)
            acknowledged += sum(disk.acknowledged.values())
            try:
                lost += _missing(Path(directory), disk.acknowledged, history)
            except PerdureError:
                unreadable += 1
    return Power(n, acknowledged, lost, unreadable, len(entries))


def _missing(directory: Path, acknowledged: dict[str, int], history: History) -> int:
    """Return how many acknowledged events, or blobs that they name, the store doesn't have any more."""
    missing = 0
    with SqliteStore(directory) as store:
        for run, position in acknowledged.items():
            if not store.rows(run):
                missing += position
                continue
            there = list(store.read(run, 0, 100_000))
            missing += sum(
                1 for due, found in zip(history.events[run][:position], there, strict=False) if due != found
            )
            missing += max(0, position - len(there))
            named = [history.blobs.get(stored.digest) for stored in there[:position]]
            missing += sum(1 for name in named if name is not None and not store.has(name))
        _go_on(store)
    return missing


def _go_on(store: SqliteStore) -> None:
    """The store takes new events: a cut doesn't end it."""
    store.release_store("power")
    store.create(NewRun("june", "june", "acme", 1))
    lease = store.acquire("june", this_holder("after"), take_over=True)
    body = MessageReceived("m1", "ann", Content(2, "hi"))
    stored = seal(Event("june", 1, 1, lease.epoch, 0, body), GENESIS)
    store.append(Batch("june", 0, lease.epoch, [stored])).result()
