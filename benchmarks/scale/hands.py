"""Worker processes for measuring, and a look at the rows that they change: times are taken where a run is leased."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, LiteralString, Self

import psycopg

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.002
TAKEOVER_SECONDS: Final = 3


class NotSeen(Exception):
    """What was waited for did not come true in time."""


class Hand:
    """One process of ``perdure worker``."""

    def __init__(self, dsn: str, said: Path, *, concurrency: int = 16) -> None:
        """Start it; what it says goes to ``said``."""
        self.began: float = time.perf_counter()
        self._said: Path = said
        words = [str(Path(sys.executable).parent / "perdure"), "worker", "--store", dsn]
        words += ["--agents", "benchmarks.scale.sitters:AGENTS", "--concurrency", str(concurrency)]
        words += ["--takeover-seconds", str(TAKEOVER_SECONDS), "--log-json"]
        with said.open("wb") as log:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def serving(self) -> float:
        """Wait until it says that it serves; return the seconds since it was started."""
        while b"serving" not in self._said.read_bytes():
            if self._process.poll() is not None or time.perf_counter() - self.began > START_SECONDS:
                raise NotSeen(f"the worker doesn't serve: {self._said.read_text()[-1000:]}")
            time.sleep(LOOK_SECONDS)
        return time.perf_counter() - self.began

    def kill(self) -> float:
        """It is dead; return when."""
        at = time.perf_counter()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        return at

    def end(self) -> None:
        """It has ended in order, or at all."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def hands(dsn: str, place: Path, count: int, *, concurrency: int = 16) -> Generator[Sequence[Hand]]:
    """``count`` workers serve, until the block ends."""
    started = [
        Hand(dsn, place / f"hand-{time.monotonic_ns()}-{number}.log", concurrency=concurrency)
        for number in range(count)
    ]
    try:
        for hand in started:
            hand.serving()
        yield started
    finally:
        for hand in started:
            hand.end()


class Looker:
    """Looks at the store's rows from outside of perdure."""

    def __init__(self, dsn: str) -> None:
        """Connect."""
        self.db: psycopg.Connection[Any] = psycopg.connect(
            dsn, autocommit=True, options="-csearch_path=perdure", prepare_threshold=0
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.db.close()

    def one(self, statement: LiteralString, *values: object) -> Any:
        """Return the first column of the first row."""
        row = self.db.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def epoch(self, run: str) -> int:
        """Return the epoch of ``run``: it grows with each lease."""
        return int(self.one("SELECT epoch FROM runs WHERE name = %s", run) or 0)

    def until(self, true: Callable[[], object], *, seconds: float = 60.0, what: str = "") -> float:
        """Look until ``true`` answers truly; return when it did."""
        deadline = time.perf_counter() + seconds
        while not true():
            if time.perf_counter() > deadline:
                raise NotSeen(f"{what or 'it'} did not come true within {seconds} s")
            time.sleep(LOOK_SECONDS)
        return time.perf_counter()

    def rests(self, run: str, status: str) -> bool:
        """Whether nobody holds ``run``, and its status is this."""
        return bool(self.one("SELECT holder IS NULL AND status = %s FROM runs WHERE name = %s", status, run))
