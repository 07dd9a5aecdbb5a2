"""This process in the registry: its signs of life, and its judgement of others.

Invariants:
- Signs of life come from threads of their own, one for each database: whatever the loop waits for, the process is seen
  as long as it lives, and a database that is away makes it silent in no other.
- A process whose signs of life have ended for whatever reason ends.
- Who may not go on ends at once: it was judged silent, and others have its runs.
- Who has ended on this host is seen in each beat; others are looked at by some of a large fleet in each.
- Nobody judges who has not been seen without a gap for as long as it judges others by: after the store was away, all
  have time to come back.
- The bounds are ordered (``perdure.values.limits``): adrift, before silent, before alone.
"""

import math
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from perdure.assembly.stores.fleet import Base, has_ended
from perdure.log.placing import ProcessBegun
from perdure.values.errors import Busy, PerdureError
from perdure.values.limits import (
    WORKER_ADRIFT_SECONDS,
    WORKER_ALONE_SECONDS,
    WORKER_BEAT_SECONDS,
    WORKER_FORGET_SECONDS,
    WORKER_JUDGES,
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


class Sign:
    """The signs of life of this process in one database, and its judgement of others there."""

    def __init__(self, base: Base, begun: ProcessBegun, bounds: Bounds, tell: Tell) -> None:
        """Be seen in ``base`` as ``begun``, once ``enter`` was called."""
        self.base: Base = base
        self._begun: ProcessBegun = begun
        self._bounds: Bounds = bounds
        self._tell: Tell = tell
        self._entered: bool = False
        self._since: float = 0.0
        """since when it has been seen without a gap"""
        self._fleet: int = 1
        """how many processes there were when all were looked at"""
        self._forgets: float = passed() + _FORGET_EACH_SECONDS
        self.seen: float = passed()

    @property
    def silence_seconds(self) -> float:
        """How long ago the database saw this process for the last time; where it never has, since it could have."""
        return passed() - self.seen

    @property
    def adrift(self) -> bool:
        """Whether this process may soon be judged there, or isn't known: it begins nothing of that database."""
        return not self._entered or self.silence_seconds > self._bounds.adrift

    def enter(self) -> None:
        """The process is in the registry, and is seen from here on. Raises what reaching the database raises."""
        self.base.registry.enter(self._begun)
        self._entered = True
        self.seen = self._since = passed()

    def beat(self, driving: int, *, draining: bool) -> bool | None:
        """Be seen, and judge: whether something was found that concerns others; None if this process may not go on.

        Raises what reaching the database raises.
        """
        if not self._entered:
            self.enter()
            return True
        sent = passed()
        if not self.base.registry.renew(self._begun.name, driving=driving, draining=draining):
            return None
        if sent - self.seen > self._bounds.adrift:
            self._since = sent
        self.seen = sent
        return self._look_around(judges=sent - self._since >= self._bounds.silent)

    def _look_around(self, *, judges: bool) -> bool:
        """Whoever of this host has ended is proved to have; whoever was not seen has lapsed, if this one may judge."""
        found, base, me = False, self.base, self._begun.name
        # The first look is one at all: what this machine ran before it was started anew bears another host's name.
        all_ = random.random() * math.sqrt(self._fleet) < WORKER_JUDGES  # noqa: S311 - spreads the work
        seen = base.registry.processes(host="" if all_ else self._begun.host)
        if all_:
            self._fleet = len(seen)
        for process in seen:
            if process.name != me and has_ended(process):
                found |= base.registry.prove(process.name, "seen to have ended from its own host", me)
                self._tell("worker.ended", ended=process.name, base=base.name)
        for name in base.registry.judge(me, self._bounds.silent) if judges and all_ else ():
            found = True
            self._tell("worker.silent", silent=name, base=base.name)
        if passed() > self._forgets:
            self._forgets = passed() + _FORGET_EACH_SECONDS
            base.registry.forget(WORKER_FORGET_SECONDS)
        return found


class Pulse:
    """The signs of life of this process, in every database of the store."""

    def __init__(
        self,
        bases: Sequence[Base],
        begun: ProcessBegun,
        *,
        bounds: Bounds,
        driving: Callable[[str], int],
        tell: Tell,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        """Be seen in ``bases`` as ``begun``; ``driving`` tells how many runs of one, ``end`` ends this process at once."""
        self._begun: ProcessBegun = begun
        self._bounds: Bounds = bounds
        self._driving: Callable[[str], int] = driving
        self._tell: Tell = tell
        self._end: Callable[[int], None] = end
        self._signs: tuple[Sign, ...] = tuple(Sign(base, begun, bounds, tell) for base in bases)
        self._stop: threading.Event = threading.Event()
        self._going: threading.Lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._told: set[str] = set()
        """databases of which was said that it is adrift"""
        self.draining: bool = False
        self.found: Callable[[], None] = _nothing
        """called, in a thread, when another process was judged or its end was proved: its runs want to be looked at"""

    @property
    def name(self) -> str:
        """This process, as runs name it."""
        return self._begun.name

    @property
    def silence_seconds(self) -> float:
        """How long ago the store saw this process for the last time, for the worst of its databases."""
        return max(sign.silence_seconds for sign in self._signs)

    @property
    def unheard_seconds(self) -> float:
        """How long ago any of the store's databases saw this process."""
        return min(sign.silence_seconds for sign in self._signs)

    @property
    def adrift(self) -> bool:
        """Whether this process begins nothing now, in none of its databases."""
        return all(sign.adrift for sign in self._signs)

    def adrift_in(self, base: str) -> bool:
        """Whether this process may soon be judged in that database, or isn't known there."""
        return any(sign.adrift for sign in self._signs if sign.base.name == base)

    def begin(self) -> None:
        """The process is in the registry of each database that can be reached, and soon in the others'.

        Raises what reaching them raises where none can be.
        """
        away: list[Busy] = []
        for sign in self._signs:
            try:
                sign.enter()
            except Busy as error:
                away.append(error)
                self._tell("worker.unheard", base=sign.base.name, why=str(error), code=error.code)
        if len(away) == len(self._signs):
            raise away[0]
        for sign in self._signs:
            self._begin(lambda sign=sign: self._beat(sign), f"perdure-pulse {sign.base.name}".rstrip())
        self._begin(self._watch, "perdure-pulse-watch")

    def close(self, *, how: str) -> None:
        """The process has ended as far as runs are concerned, and says so itself: it sends nothing any more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for sign in self._signs:
            try:
                if how:
                    sign.base.registry.prove(self.name, how, self.name)
            except PerdureError as error:
                self._tell("worker.end_unsaid", base=sign.base.name, why=str(error))

    def _begin(self, each: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=self._again_and_again, args=(each,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _again_and_again(self, each: Callable[[], None]) -> None:
        while not self._stop.wait(self._bounds.beat):
            try:
                each()
            except Exception as error:  # noqa: BLE001 - whatever it is: unseen, and deaf to a judgement, nobody may go on
                self._go("worker.broke", f"its signs of life have ended: {type(error).__name__}: {error}")
                return

    def _beat(self, sign: Sign) -> None:
        try:
            found = sign.beat(self._driving(sign.base.name), draining=self.draining)
        except PerdureError as error:
            self._tell("worker.unheard", base=sign.base.name, why=str(error), code=error.code)
            return
        if found is None:
            self._go(
                "worker.judged",
                "this process was judged silent, or to have ended, and others have its runs",
            )
        elif found:
            self.found()

    def _watch(self) -> None:
        """Who isn't seen for too long ends, but for a database of which it drives nothing while others see it."""
        lost = [sign for sign in self._signs if sign.silence_seconds > self._bounds.alone]
        if lost and (len(lost) == len(self._signs) or any(self._driving(sign.base.name) for sign in lost)):
            self._go("worker.alone", f"the store has not been heard of for {self._bounds.alone:.0f} seconds")
        for sign in self._signs:
            if sign.adrift and sign.base.name not in self._told:
                self._tell("worker.adrift", base=sign.base.name, seconds=round(sign.silence_seconds, 1))
        self._told = {sign.base.name for sign in self._signs if sign.adrift}

    def _go(self, event: str, why: str) -> None:
        """The process ends at once, and says why: once, whichever thread finds it first."""
        if self._going.acquire(blocking=False):
            self._tell(event, why=why)
            self._end(JUDGED)


def _nothing() -> None:
    return None
