"""Real workers for tests: started, listened to, killed, stopped; and the deeds that their agents did."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self, TypeVar

from perdure.assembly.store import Store
from perdure.projection.state import State
from tests.servers.ending import Guard
from tests.worker.agents import DEEDS

ROOT: Final = Path(__file__).parents[2]
PATIENCE_SECONDS: Final = 60.0
AGENTS: Final = "tests.worker.agents"

T = TypeVar("T")

Said = dict[str, object]


def until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Return what ``look`` finds, once it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {seconds} seconds")


class Living:
    """One worker process, and all that it says."""

    def __init__(
        self, dsn: str, deeds: Path, *words: str, agents: str = AGENTS, env: Mapping[str, str] | None = None
    ) -> None:
        """Start it; it may not serve yet."""
        self.said: list[Said] = []
        self._spoke: threading.Condition = threading.Condition()
        # A pause of this busy machine is no silence: who wants takeovers to be quick says so.
        words = (*words,) if "--takeover-seconds" in words else (*words, "--takeover-seconds", "30")
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "perdure.cli",
                "worker",
                "--store",
                dsn,
                "--agents",
                agents,
                "--log-json",
                *words,
            ],
            cwd=ROOT,
            env={**os.environ, DEEDS: str(deeds), "PYTHONPATH": str(ROOT), **(env or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._guard: Guard = Guard(self.process.pid)
        self._ear: threading.Thread = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._guard.end()
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self._ear.join()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                words: Said = {"event": "noise", "line": line}
                with suppress(ValueError):
                    words = json.loads(line)
                with self._spoke:
                    self.said.append(words)
                    self._spoke.notify_all()
        with self._spoke:
            self.said.append({"event": "over"})
            self._spoke.notify_all()

    def heard(self, event: str, **words: object) -> Said:
        """Return what it says of ``event`` with these words, once it does."""

        def match() -> Said | None:
            for each in self.said:
                if each["event"] == event and all(each.get(name) == value for name, value in words.items()):
                    return each
            return None

        with self._spoke:
            done = self._spoke.wait_for(
                lambda: match() or self.said[-1:] == [{"event": "over"}], PATIENCE_SECONDS
            )
            found = match()
            if not done or found is None:
                said = "\n".join(str(each.get("line", each)).rstrip() for each in self.said)
                raise AssertionError(f"{event} {words} was not said, but:\n{said}")
        return found

    def serving(self) -> Self:
        """It takes runs."""
        self.heard("worker.serving")
        return self

    @property
    def name(self) -> str:
        """The process, as runs name it."""
        return str(self.heard("worker.serving")["process"])

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Return its exit code, once it has ended and all that it said was heard."""
        code = self.process.wait(PATIENCE_SECONDS)
        self.heard("over")
        return code


class Deeds:
    """What agents did to the world, and the gates that hold them up."""

    def __init__(self, path: Path) -> None:
        self.path: Path = path

    def lines(self, kind: str, what: str) -> list[str]:
        """Return the lines of that kind about ``what``."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.startswith(f"{kind} {what} ")]

    def begun(self, what: str) -> int:
        """Return the process that does ``what``, once it has begun."""
        return int(until(lambda: self.lines("begin", what), f"{what} begins")[-1].split()[2])

    def open(self, gate: str) -> None:
        """What waits at the gate goes on."""
        self.path.with_name(gate).touch()


def told(*steps: tuple[str, Mapping[str, object]]) -> str:
    """Return the task that makes the agent take these steps."""
    return json.dumps(steps)


def rested(store: Store, run: str, *statuses: str) -> State:
    """Return the run's state, once it has one of these statuses and nobody holds it."""

    def look() -> State | None:
        rows = store.books.rows(run)
        if not rows or rows[0].holder is not None or rows[0].status not in (statuses or ("finished",)):
            return None
        return store.state(run)

    return until(look, f"{run} is {' or '.join(statuses or ('finished',))}")


def kinds(store: Store, run: str) -> list[str]:
    """Return the kinds of the run's events."""
    return [event.kind for event in store.events(run)]


@contextmanager
def workers(count: int, dsn: str, deeds: Path, *words: str, agents: str = AGENTS) -> Generator[list[Living]]:
    """Workers that serve, started side by side."""
    started: list[Living] = []
    try:
        started += [Living(dsn, deeds, *words, agents=agents) for _ in range(count)]
        yield [each.serving() for each in started]
    finally:
        for each in started:
            each.__exit__()
