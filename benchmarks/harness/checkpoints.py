"""Recording a workspace, dying or failing at every call to the store, and restoring one, killed at every system call.

Recording: the store keeps what was flushed and loses the rest, all or half of it, as a killed writer's queue would.
Afterwards a new recorder, with the cache file as it was left, has to make a tree that is so and whole. The same with
a store that fails (a full disk) under a recorder that lives on. Restoring: the enumeration of
`tests/workspace/test_restore_killed.py`. The driver's checkpoints: the cases of `tests/crash` that have a workspace, and
real processes killed at calls of their store (`benchmarks/harness/deaths.py`).
Beside ours stand builds that have to do damage.
"""

import contextlib
import errno
import tempfile
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.harness.deaths import deaths
from perdure.adapters.workspace import directory as recording
from perdure.adapters.workspace.cache import Cache
from perdure.adapters.workspace.directory import Directory
from perdure.adapters.workspace.nodes import Folder
from perdure.log.port import BlobStore
from perdure.values.errors import BlobMissing, PerdureError
from tests.crash.cases import CASES
from tests.crash.test_enumeration import enumerate_case
from tests.workspace.scan_truth import recorded, truth, wait_until_settled
from tests.workspace.test_restore_killed import Scene, every_kill

WORKERS: Final = 2
MOMENTS_STEP: Final = 11
"""Of some 450 moments of a real process at which it can be killed; the tests' soak takes all."""

LEFT: Final = ("nothing", "half")
"""of what was put and not flushed, after a death"""


FULL: Final = "a full disk"


class Killed(Exception):
    """The process is no more."""


class Histories(NamedTuple):
    """What an enumeration came to."""

    histories: int = 0
    damaged: int = 0
    first: str = ""

    def plus(self, other: "Histories") -> "Histories":
        """Return both together."""
        return Histories(
            self.histories + other.histories, self.damaged + other.damaged, self.first or other.first
        )


class FrailStore:
    """Blobs in memory, of which only those that were flushed survive; it dies or fails at one call."""

    def __init__(self) -> None:
        """Nothing is stored, and nothing is going to happen."""
        self._durable: dict[str, bytes] = {}
        self._queue: dict[str, bytes] = {}
        self._how: Exception = Killed()
        self._end: int | None = None
        self.calls: int = 0
        """since ``end_at``"""

    def end_at(self, call: int | None, how: Exception) -> None:
        """Raise ``how`` at each call after so many others; None is never."""
        self.calls, self._end, self._how = 0, call, how

    def left(self, what: str) -> "FrailStore":
        """Return what the next process finds."""
        found = FrailStore()
        kept = list(self._queue.items())[: len(self._queue) // 2 if what == "half" else 0]
        found._durable = self._durable | dict(kept)
        return found

    def get(self, digest: str, start: int = 0, size: int | None = None) -> bytes:
        """Return a blob."""
        found = self._queue.get(digest) or self._durable.get(digest)
        if found is None:
            raise BlobMissing(f"blob {digest} is not here")
        return found[start : None if size is None else start + size]

    def put(self, digest: str, content: bytes) -> None:
        """Store a blob, until the next death."""
        self._call()
        self._queue[digest] = content

    def has(self, digest: str) -> bool:
        """Tell whether it is here."""
        self._call()
        return digest in self._queue or digest in self._durable

    def flush(self) -> None:
        """What is here survives."""
        self._call()
        self._durable |= self._queue
        self._queue.clear()

    def _call(self) -> None:
        self.calls += 1
        if self._end is not None and self.calls > self._end:
            raise self._how


def checkpoint_figures() -> dict[str, Any]:
    """Enumerate everything; then the builds that must be caught."""
    cases = [name for name, case in CASES.items() if case.workspace]
    with ProcessPoolExecutor(WORKERS) as pool:
        dying = pool.submit(recordings)
        restoring = pool.submit(restores)
        driven = list(pool.map(enumerate_case, cases))
        trusting = pool.submit(trusting_recordings)
        recorded_, restored = dying.result(), restoring.result()
        builds = {"trusts its cache": trusting.result().damaged}
    killed = deaths(step=MOMENTS_STEP)
    late = deaths(step=25, life="benchmarks.harness.late_life")
    runs = Histories(
        sum(each.histories + each.pairs for each in driven),
        sum(
            each.lost + each.forgotten + each.duplicates + each.needless_stops + each.faults
            for each in driven
        ),
        next((each.trace[:300] for each in driven if not each.ok), ""),
    )
    processes = Histories(killed.histories, killed.damaged, killed.wrong[0] if killed.wrong else "")
    every = runs.plus(recorded_).plus(restored).plus(processes)
    return {
        "crash_histories": every.histories,
        "damaged": every.damaged,
        "first_damage": every.first,
        "crash_histories_runs": runs.histories,
        "crash_histories_recording": recorded_.histories,
        "crash_histories_restoring": restored.histories,
        "crash_histories_killed": processes.histories,
        "damaged_broken": {**builds, "names a tree too early": late.damaged},
    }


def restores() -> Histories:
    """Kill a restore before each call that changes something."""
    with tempfile.TemporaryDirectory() as place:
        count, wrong = every_kill(Scene(Path(place)))
    return Histories(count, len(wrong), wrong[0] if wrong else "")


def recordings() -> Histories:
    """End a recording at each call to its store, by a death or a full disk."""
    calls = _recording(None, "nothing")[0]
    total = Histories()
    for how in (*LEFT, FULL):
        for call in range(calls + 1):
            wrong = _recording(call, how)[1]
            first = f"recording, {how} left at call {call} of {calls}: {wrong}" if wrong else ""
            total = total.plus(Histories(1, bool(wrong), first))
    return total


def trusting_recordings() -> Histories:
    """The same with a recorder that takes its cache for the store."""
    with _swapped("all_kept", lambda *_args: True), _swapped("Cache", _TrustedCache):
        return recordings()


class _TrustedCache(Cache):
    """A cache that doesn't ask whether the store has what it names."""

    def load(self, store: BlobStore) -> Folder | None:
        del store
        return super().load(_Everything())


class _Everything(FrailStore):
    """A store that says it has all."""

    def has(self, digest: str) -> bool:
        del digest
        return True


def _recording(call: int | None, how: str) -> tuple[int, str]:
    """Record, change, end the second recording at ``call``, and record again; return its calls and what is wrong.

    None is never; a ``call`` after the last is a death when all is put and nothing yet flushed.
    """
    with tempfile.TemporaryDirectory(prefix="perdure-recording-") as place, _swapped("CACHE_WORTH_BYTES", 0):
        root, cache, store = Path(place) / "work", Path(place) / "marks", FrailStore()
        _work(root, "before")
        known = Directory(root, store, cache=cache).record("", ()).tree
        store.flush()
        _work(root, "after")
        wait_until_settled(root)
        directory = Directory(root, store, cache=cache)
        store.end_at(call, OSError(errno.ENOSPC, "no room") if how == FULL else Killed())
        with contextlib.suppress(Killed, OSError):
            directory.record(known, ())
        calls = store.calls
        store.end_at(None, Killed())
        if how != FULL:
            store = store.left(how)
            directory = Directory(root, store, cache=cache)
        return calls, _wrong(directory, root, known, store)


def _wrong(directory: Directory, root: Path, known: str, store: FrailStore) -> str:
    """Return what is wrong with the next checkpoint; empty if it is so and whole, and the one before is whole too."""
    try:
        tree = directory.record(known, ()).tree
        list(recorded(store.get, known))
        return "" if recorded(store.get, tree) == truth(root) else "the tree says otherwise"
    except (OSError, PerdureError) as error:
        return str(error)


def _work(root: Path, word: str) -> None:
    """Files in three directories; some are the same before and after."""
    for folder in ("", "src/", "src/deep/"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for nth in range(4):
            (root / f"{folder}{word if nth < 2 else 'same'}-{nth}").write_text(
                f"{word if nth < 3 else ''} {folder}{nth}\n"
            )


@contextlib.contextmanager
def _swapped(name: str, value: object) -> Generator[None]:
    """Give the recorder another ``name``."""
    own = getattr(recording, name)
    setattr(recording, name, value)
    try:
        yield
    finally:
        setattr(recording, name, own)
