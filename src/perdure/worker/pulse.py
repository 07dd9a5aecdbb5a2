"""This process in the registry: its signs of life, and its judgement of others.

Invariants:
- Signs of life come from a thread of its own: whatever the loop waits for, the process is seen as long as it lives.
- A process whose signs of life have ended for whatever reason ends.
- Who may not go on ends at once: it was judged silent, and others have its runs.
- Nobody judges who has not been seen without a gap for as long as it judges others by: after the store was away, all
  have time to come back.
- The bounds are ordered (``perdure.values.limits``): adrift, before silent, before alone.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from perdure.assembly.fleet import Base, has_ended
from perdure.log.placing import ProcessBegun
from perdure.values.errors import PerdureError
from perdure.values.limits import (
    WORKER_ADRIFT_SECONDS,
    WORKER_ALONE_SECONDS,
    WORKER_BEAT_SECONDS,
    WORKER_FORGET_SECONDS,
    WORKER_SILENT_SECONDS,
)
from perdure.worker.telling import Tell

JUDGED: Final = 75
"""The exit code of a process that was judged silent, or heard nothing of its store: start it again (EX_TEMPFAIL)."""

_FORGET_EACH_SECONDS: Final = 600.0


class Bounds(NamedTuple):
    """After how many seconds of silence what happens; the shorter the first, the shorter the others."""

    beat: float = WORKER_BEAT_SECONDS
    adrift: float = WORKER_ADRIFT_SECONDS
    silent: float = WORKER_SILENT_SECONDS
    alone: float = WORKER_ALONE_SECONDS

    @classmethod
    def of(cls, silent: float) -> "Bounds":
        """Return bounds in the same proportions that judge after ``silent`` seconds."""
        part = silent / WORKER_SILENT_SECONDS
        return cls(
            min(WORKER_BEAT_SECONDS, part * WORKER_BEAT_SECONDS),
            part * WORKER_ADRIFT_SECONDS,
            silent,
            max(WORKER_ALONE_SECONDS, 5 * silent),
        )


def passed() -> float:
    """Return seconds on a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Pulse:
    """The signs of life of this process, in every database of the store."""

    def __init__(
        self,
        bases: Sequence[Base],
        begun: ProcessBegun,
        *,
        bounds: Bounds,
        driving: Callable[[], int],
        tell: Tell,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        """Be seen in ``bases`` as ``begun``; ``end`` ends this process at once."""
        self._bases: tuple[Base, ...] = tuple(bases)
        self._begun: ProcessBegun = begun
        self._bounds: Bounds = bounds
        self._driving: Callable[[], int] = driving
        self._tell: Tell = tell
        self._end: Callable[[int], None] = end
        self._stop: threading.Event = threading.Event()
        self._thread: threading.Thread | None = None
        now = passed()
        self._seen: list[float] = [now for _ in bases]
        self._since: list[float] = [now for _ in bases]
        """since when it has been seen without a gap"""
        self._told: bool = False
        self._forgets: float = now + _FORGET_EACH_SECONDS
        self.draining: bool = False
        self.found: Callable[[], None] = _nothing
        """called, in the thread, when another process was judged or its end was proved: its runs want to be looked at"""

    @property
    def name(self) -> str:
        """This process, as runs name it."""
        return self._begun.name

    @property
    def silence_seconds(self) -> float:
        """How long ago the store saw this process for the last time, for the worst of its databases."""
        return passed() - min(self._seen)

    @property
    def adrift(self) -> bool:
        """Whether this process may soon be judged: it begins nothing now."""
        return self.silence_seconds > self._bounds.adrift

    def begin(self) -> None:
        """The process is in the registry, and is seen from here on. Raises what reaching the store raises."""
        for at, base in enumerate(self._bases):
            base.registry.enter(self._begun)
            self._seen[at] = self._since[at] = passed()
        self._thread = threading.Thread(target=self._run, name="perdure-pulse", daemon=True)
        self._thread.start()

    def close(self, *, how: str) -> None:
        """The process has ended as far as runs are concerned, and says so itself: it sends nothing any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for base in self._bases:
            try:
                if how:
                    base.registry.prove(self.name, how, self.name)
            except PerdureError as error:
                self._tell("worker.end_unsaid", base=base.name, why=str(error))

    def _run(self) -> None:
        while not self._stop.wait(self._bounds.beat):
            try:
                for at, base in enumerate(self._bases):
                    self._beat(at, base)
            except Exception as error:  # noqa: BLE001 - whatever it is: unseen, and deaf to a judgement, nobody may go on
                self._go("worker.broke", f"its signs of life have ended: {type(error).__name__}: {error}")
                return
            if self.silence_seconds > self._bounds.alone:
                self._go(
                    "worker.alone", f"the store has not been heard of for {self._bounds.alone:.0f} seconds"
                )
            if self.adrift and not self._told:
                self._tell("worker.adrift", seconds=round(self.silence_seconds, 1))
            self._told = self.adrift

    def _beat(self, at: int, base: Base) -> None:
        sent = passed()
        try:
            may_go_on = base.registry.renew(self.name, driving=self._driving(), draining=self.draining)
            if not may_go_on:
                self._go(
                    "worker.judged",
                    "this process was judged silent, or to have ended, and others have its runs",
                )
                return
            if sent - self._seen[at] > self._bounds.adrift:
                self._since[at] = sent
            self._seen[at] = sent
            self._look_around(base, judges=sent - self._since[at] >= self._bounds.silent)
        except PerdureError as error:
            self._tell("worker.unheard", base=base.name, why=str(error), code=error.code)

    def _look_around(self, base: Base, *, judges: bool) -> None:
        """Whoever of this host has ended is proved to have; whoever was not seen has lapsed, if this one may judge."""
        found = False
        for process in base.registry.processes():
            if process.name != self.name and has_ended(process):
                found |= base.registry.prove(process.name, "seen to have ended from its own host", self.name)
                self._tell("worker.ended", ended=process.name, base=base.name)
        for name in base.registry.judge(self.name, self._bounds.silent) if judges else ():
            found = True
            self._tell("worker.silent", silent=name, base=base.name)
        if found:
            self.found()
        if passed() > self._forgets:
            self._forgets = passed() + _FORGET_EACH_SECONDS
            base.registry.forget(WORKER_FORGET_SECONDS)

    def _go(self, event: str, why: str) -> None:
        self._tell(event, why=why)
        self._end(JUDGED)


def _nothing() -> None:
    return None
