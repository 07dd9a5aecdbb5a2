"""What is done inside a worker's process, from the agent's module: nothing of the product is changed for it.

``CHAOS_PLACE`` names the trial's directory and turns the journal on. Beside it:
- ``CHAOS_STRIKES`` (JSON: ``Strikes``): the process kills or stops itself right before it writes a payment to the
  socket, or stops right before it gives the store an outcome and, most often, the claim of the next effect. Whether it
  does depends on the seed and the invoice, or the run, alone, once for each.
- ``CHAOS_CLOCK`` names a file with nanoseconds that are added to ``time.time_ns``, which is all that perdure's clock
  asks: the wall clock is stepped for this process while it runs, and nobody else's is. (The database's and the task
  library's clocks stay as they are.)
- ``CHAOS_BROKEN`` breaks a promise of the store or the engine, by name: see ``BREAKS``.
"""

import asyncio
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, cast

import msgspec

from benchmarks.scale.chaos.journal import Acked, Got, Journal, Struck, Turned
from benchmarks.scale.history.broken import ClaimsOff, FencingOff
from perdure.driver.books import Books
from perdure.log.port import Appended, Batch, Holder, Lease, Remembered, RunRow

PLACE: Final = "CHAOS_PLACE"
STRIKES: Final = "CHAOS_STRIKES"
CLOCK: Final = "CHAOS_CLOCK"
BROKEN: Final = "CHAOS_BROKEN"

Answered = Future[Appended | Remembered]
Append = Callable[[Books, Batch], Answered]
_INVOICE: Final = re.compile(rb'"invoice":"([^"]+)"')


class Strikes(msgspec.Struct, frozen=True):
    """How often a process strikes itself before a payment."""

    seed: int
    kills: float = 0.0
    stops: float = 0.0
    appends: float = 0.0
    """of all runs, not of all payments"""


def arm() -> Journal | None:
    """Set the hooks that the environment asks for; return the journal, if there is one."""
    place = os.environ.get(PLACE)
    if place is None:
        return None
    journal = Journal(Path(place))
    _break(os.environ.get(BROKEN, ""))
    strikes = msgspec.json.decode(os.environ.get(STRIKES, '{"seed":0}'), type=Strikes)
    _witness(journal, Path(place), strikes)
    _strike(journal, Path(place), strikes)
    if CLOCK in os.environ:
        _step(Path(os.environ[CLOCK]))
    return journal


# -- the store ---------------------------------------------------------------------------------------


def _store() -> type:
    from perdure.adapters.postgres.store import PostgresStore

    return PostgresStore


def _witness(journal: Journal, place: Path, strikes: Strikes) -> None:
    """Every answer of the store to this process's writers is written down."""
    store = _store()
    append = cast("Append", getattr(store, "append"))  # noqa: B009 - the class is patched, not used
    acquire = cast("Callable[..., Lease]", getattr(store, "acquire"))  # noqa: B009

    def appending(self: Books, batch: Batch) -> Answered:
        began = time.monotonic_ns()
        if batch.closed and random.Random(f"{strikes.seed} {batch.run}").random() < strikes.appends:
            _struck(journal, place, "stop", "append", batch.run)
        future = append(self, batch)
        future.add_done_callback(lambda done: journal.write(_told(batch, began, done)))
        return future

    def acquiring(self: Books, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        lease = acquire(self, run, holder, take_over=take_over)
        journal.write(Got(time.monotonic_ns(), run, lease.epoch, tuple(lease.dead)))
        return lease

    setattr(store, "append", appending)  # noqa: B010
    setattr(store, "acquire", acquiring)  # noqa: B010


def _told(batch: Batch, began: int, done: Answered) -> Acked | Turned:
    now = time.monotonic_ns()
    error = done.exception()
    if error is not None:
        return Turned(now, batch.run, batch.epoch, type(error).__name__)
    if isinstance(done.result(), Remembered) or not batch.events:
        return Turned(now, batch.run, batch.epoch, "remembered" if batch.events else "empty")
    last = batch.events[-1]
    return Acked(began, now, batch.run, batch.epoch, last.position, last.digest.hex())


# -- the process -------------------------------------------------------------------------------------

Write = Callable[[asyncio.StreamWriter, bytes | bytearray | memoryview], None]


def _strike(journal: Journal, place: Path, strikes: Strikes) -> None:
    """This process strikes itself before some of its payments reach the socket."""
    write: Write = asyncio.StreamWriter.write

    def striking(self: asyncio.StreamWriter, data: bytes | bytearray | memoryview) -> None:
        request = bytes(data)
        if request.startswith((b"POST /transfers", b"POST /wires")):
            found = _INVOICE.search(request)
            invoice = found.group(1).decode() if found else ""
            drawn = random.Random(f"{strikes.seed} {invoice}").random()
            if drawn < strikes.kills + strikes.stops:
                _struck(journal, place, "kill" if drawn < strikes.kills else "stop", "socket", invoice)
        write(self, data)

    asyncio.StreamWriter.write = striking


def _struck(journal: Journal, place: Path, how: str, before: str, about: str) -> None:
    """This process is killed or stopped here, unless one was for the same before."""
    done = place / "strikes"
    done.mkdir(exist_ok=True)
    try:
        os.close(os.open(done / f"{before} {about}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    journal.write(Struck(time.monotonic_ns(), how, before, about))
    # At this thread: a signal at the process may be taken by another one, and this one goes on.
    signal.pthread_kill(threading.get_ident(), signal.SIGKILL if how == "kill" else signal.SIGSTOP)


def _step(file: Path) -> None:
    """The wall clock of this process is off by what stands in ``file``, from moment to moment."""
    real = time.time_ns
    opened = os.open(file, os.O_RDONLY)

    def stepped() -> int:
        return real() + int(os.pread(opened, 32, 0) or b"0")

    time.time_ns = stepped


# -- what is broken on purpose -----------------------------------------------------------------------


def _fencing_off() -> None:
    """Neither the store refuses a stale writer, nor does its own process end when it hears that it was judged."""
    from perdure.worker.pulse import Pulse

    setattr(Pulse, "_go", lambda _pulse, _event, _why: None)  # noqa: B010
    store = _store()
    append = cast("Append", getattr(store, "append"))  # noqa: B009

    def unfenced(self: Books, batch: Batch) -> Answered:
        return FencingOff(_Through(self, append)).append(batch)

    setattr(store, "append", unfenced)  # noqa: B010


def _claims_off() -> None:
    store = _store()
    append = cast("Append", getattr(store, "append"))  # noqa: B009

    def unclaimed(self: Books, batch: Batch) -> Answered:
        return ClaimsOff(_Through(self, append)).append(batch)

    setattr(store, "append", unclaimed)  # noqa: B010


class _Through:
    """A store by way of the append that it had before."""

    def __init__(self, books: Books, append: Append) -> None:
        self._books: Books = books
        self._append: Append = append

    def append(self, batch: Batch) -> Answered:
        return self._append(self._books, batch)

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        return self._books.acquire(run, holder, take_over=take_over)

    def rows(
        self, run: str | None = None, *, lineage: str | None = None, newest: int | None = None
    ) -> Sequence[RunRow]:
        return self._books.rows(run, lineage=lineage, newest=newest)


def _notify_lost() -> None:
    """Nobody is told of anything, and nobody looks: what is placed after the start waits for ever."""
    from procrastinate.worker import Worker

    from perdure.worker import hearing, sweeping

    setattr(sweeping, "SWEEPS", False)  # noqa: B010
    setattr(hearing, "HEARS", False)  # noqa: B010
    made = cast("Callable[..., None]", getattr(Worker, "__init__"))  # noqa: B009

    def unheard(self: Worker, *args: object, **words: object) -> None:
        made(self, *args, **{**words, "fetch_job_polling_interval": 3600.0, "listen_notify": False})

    setattr(Worker, "__init__", unheard)  # noqa: B010


BREAKS: Final[dict[str, Callable[[], None]]] = {
    "fencing-off": _fencing_off,
    "claims-off": _claims_off,
    "notify-lost": _notify_lost,
}


def _break(name: str) -> None:
    if name:
        BREAKS[name]()
