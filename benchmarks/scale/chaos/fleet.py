"""The workers: processes of ``perdure worker``, each in a place that is filled again when it has died."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from benchmarks.scale.chaos.agent import BANK, BOOK
from benchmarks.scale.chaos.hooks import BROKEN, CLOCK, PLACE, STRIKES, Strikes

ROOT: Final = Path(__file__).parents[3]
TAKEOVER_SECONDS: Final = 6
END_SECONDS: Final = 30.0


class Order(NamedTuple):
    """How workers are started."""

    location: str
    place: Path
    bank: str
    concurrency: int = 4
    strikes: Strikes = Strikes(0)
    broken: str = ""
    takeover_seconds: int = TAKEOVER_SECONDS


class Body:
    """One worker's process."""

    def __init__(self, order: Order, seat: int, life: int) -> None:
        """Start it."""
        self.seat: int = seat
        clock = clock_of(order.place, seat)
        if not clock.exists():
            clock.write_text("0", encoding="utf-8")
        environment = {
            **os.environ,
            PLACE: str(order.place),
            CLOCK: str(clock),
            BANK: order.bank,
            BOOK: str(order.place / "book.db"),
            BROKEN: order.broken,
            STRIKES: msgspec.json.encode(order.strikes).decode(),
        }
        words = [
            *(str(Path(sys.executable).parent / "perdure"), "worker"),
            *("--store", order.location, "--agents", "benchmarks.scale.chaos.agent:AGENTS"),
            *("--concurrency", str(order.concurrency), "--takeover-seconds", str(order.takeover_seconds)),
            "--log-json",
        ]
        self.said: Path = order.place / f"worker-{seat}-{life}.log"
        with self.said.open("wb") as log:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=environment
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def serves(self) -> bool:
        """Tell whether it has said that it serves."""
        return b"worker.serving" in self.said.read_bytes()

    def is_stopped(self) -> bool:
        """Tell whether the process is stopped, by us or by itself."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] in "Tt"

    def moves(self) -> bool:
        """Tell whether the process lives and isn't stopped."""
        return self.process.poll() is None and not self.is_stopped()


class Fleet:
    """All workers of a trial."""

    def __init__(self, order: Order, workers: int) -> None:
        """Start them."""
        self._order: Order = order
        self._lives: list[int] = [1] * workers
        self.bodies: list[Body] = [Body(order, seat, 1) for seat in range(workers)]
        self.deaths: list[tuple[int, int]] = []
        """pid and the code with which it ended, of those that were replaced"""

    def fill(self) -> list[Body]:
        """Every seat has a living process; return those that had died."""
        dead = [body for body in self.bodies if body.process.poll() is not None]
        for body in dead:
            self.deaths.append((body.pid, body.process.returncode))
            self._lives[body.seat] += 1
            self.bodies[body.seat] = Body(self._order, body.seat, self._lives[body.seat])
        return dead

    def freeze(self) -> None:
        """Everybody is stopped."""
        for body in self.bodies:
            with contextlib.suppress(ProcessLookupError):
                body.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Nobody is stopped any more."""
        for body in self.bodies:
            with contextlib.suppress(ProcessLookupError):
                body.process.send_signal(signal.SIGCONT)

    def step(self, seat: int, nanoseconds: int) -> None:
        """The wall clock of that seat's process is off by so much."""
        file = clock_of(self._order.place, seat)
        new = file.with_suffix(".new")
        new.write_text(f"{nanoseconds}\n".ljust(32), encoding="utf-8")
        # In place: processes have it open.
        with file.open("r+b") as old:
            old.write(new.read_bytes())

    def end(self) -> list[int]:
        """Every process has been asked to end, and has; return the codes with which they ended."""
        self.wake()
        for body in self.bodies:
            with contextlib.suppress(ProcessLookupError):
                body.process.terminate()
        codes: list[int] = []
        for body in self.bodies:
            try:
                codes.append(body.process.wait(END_SECONDS))
            except subprocess.TimeoutExpired:
                body.process.kill()
                codes.append(body.process.wait())
        return codes

    def kill(self) -> None:
        """Every process is dead, whatever it was doing."""
        for body in self.bodies:
            body.process.kill()
            body.process.wait()


def clock_of(place: Path, seat: int) -> Path:
    """Return the file with what that seat's wall clock is off by."""
    return place / f"clock-{seat}"
