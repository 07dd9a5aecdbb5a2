"""Time that passes only where everyone waits for it, and an event loop that can be killed.

Invariants:
- Nothing sleeps: when nothing can run, the clock jumps to the next time that somebody waits for.
- Where threads are at work, the loop waits for them, and time stands still meanwhile.
- A thread begins where everything else has come to rest, one after the other: what it does is seen between the same
  two steps of the loop in each history of a seed, however quick the machine.
- After ``halt`` not one callback runs any more, as after ``kill -9``; ``discard`` then ends what is
  left over, once nobody looks.
"""

import asyncio
import math
import selectors
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Final, TypeVar, TypeVarTuple

T = TypeVar("T")
Args = TypeVarTuple("Args")

NEW_YEAR_NS: Final = 1_767_225_600_000_000_000
"""Where simulated time begins unless said otherwise: 2026-01-01 00:00 UTC."""

PATIENCE_SECONDS: Final = 0.6
"""Real time that threads get before simulated time goes on without them."""

DISCARD_ROUNDS_MAX: Final = 200
"""Turns of a halted loop in which what is left over has to end; what resists is let lie."""


LISTENER: Final = "Drive._listen"
"""The coroutine that looks into the inbox every now and then."""


class Stuck(Exception):
    """Nothing can go on any more: no callback is ready, and nobody waits for a time."""


class SimClock:
    """A clock for the driver, and the time of every loop that it makes."""

    def __init__(self, start_ns: int = NEW_YEAR_NS) -> None:
        """Begin at ``start_ns`` (since the epoch)."""
        self._wall: int = start_ns
        self.passed_ns: int = 0
        """since the beginning, whatever the wall clock was set to"""

    def now(self) -> int:
        """Return nanoseconds since the epoch."""
        return self._wall + self.passed_ns

    async def until(self, due: int) -> None:
        """Return when ``now()`` is at least ``due``."""
        while (rest := due - self.now()) > 0:  # noqa: ASYNC110 - the wall clock may be set meanwhile
            await asyncio.sleep(rest / 1e9)

    def set_wall(self, by_ns: int) -> None:
        """Set the wall clock forward or back, as an operator or a time server does."""
        self._wall += by_ns

    def pass_ns(self, ns: int) -> None:
        """Let time pass while nobody runs."""
        self.passed_ns += max(ns, 0)

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run ``work`` in a loop of its own, in simulated time, and return its result."""
        loop = SimLoop(self)
        try:
            return loop.complete(work)
        finally:
            loop.discard()


class SimLoop(asyncio.SelectorEventLoop):
    """An event loop in simulated time."""

    def __init__(self, clock: SimClock) -> None:
        """Take the time from ``clock``."""
        self._clock: SimClock = clock
        self._threads: int = 0
        self._timers: list[asyncio.TimerHandle] = []
        """but those of listeners"""
        self.idle: Callable[[], bool] = _never
        """whether looking again would show nothing new; then time passes to what else is waited for"""
        self._left: list[Callable[[], object]] = []
        self._arrived: deque[tuple[Callable[[], object], Context | None]] = deque()
        self._to_begin: deque[asyncio.Future[None]] = deque()
        self.halted: bool = False
        super().__init__(_Jumps(self))
        self.set_exception_handler(_unheard)

    def time(self) -> float:
        """Return seconds since the clock began."""
        return self._clock.passed_ns / 1e9

    def complete(self, work: Coroutine[object, object, T]) -> T:
        """Run until ``work`` has ended; raise ``Halted`` if the loop was halted before."""
        task = self.create_task(work)
        task.add_done_callback(lambda _: self.stop())
        self.run_forever()
        if self.halted or not task.done():
            raise Halted
        return task.result()

    def halt(self) -> None:
        """Run nothing any more; may be called from any thread."""
        self.halted = True
        super().call_soon_threadsafe(self.stop)

    @asynccontextmanager
    async def thread_at_work(self, *, threaded: bool = True) -> AsyncGenerator[None]:
        """Begin what is ``threaded`` once the loop rests, and say that it is going to call back."""
        if threaded:
            turn = self.create_future()
            self._to_begin.append(turn)
            await turn
        self._threads += threaded
        try:
            yield
        finally:
            self._threads -= threaded

    def begin_next(self) -> bool:
        """Let the next thread begin; tell whether there was one."""
        while self._to_begin:
            turn = self._to_begin.popleft()
            if not turn.done():
                turn.set_result(None)
                return True
        return False

    def discard(self) -> None:
        """End every task that is left over, and close the loop."""
        self.halted = False
        for again in self._left:
            super().call_soon(again)
        self._left.clear()
        for _ in range(DISCARD_ROUNDS_MAX):
            tasks = asyncio.all_tasks(self)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            super().call_soon(self.stop)
            self.run_forever()
        self.close()

    def call_soon(
        self,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Call ``callback`` in the next turn, unless the loop is halted by then."""
        return super().call_soon(self._unless_halted, lambda: callback(*args), context=context)

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Like ``call_soon``, from another thread: but not before everything else has come to rest.

        How long a thread takes hangs on the machine, so nothing may hang on whether it was quicker than a task.
        """
        self._arrived.append((lambda: callback(*args), context))
        return super().call_soon_threadsafe(_woken)

    def let_in(self) -> bool:
        """Let what other threads called back with go on; tell whether there was anything."""
        found = False
        while self._arrived:
            callback, context = self._arrived.popleft()
            super().call_soon(self._unless_halted, callback, context=context)
            found = True
        return found

    def call_at(
        self,
        when: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call ``callback`` at ``when``, unless the loop is halted by then."""
        timer = super().call_at(when, self._unless_halted, lambda: callback(*args), context=context)
        if not self._listens():
            self._timers.append(timer)
        return timer

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Args], T],
        *args: *Args,
    ) -> asyncio.Future[T]:
        """Run ``func`` in a thread; time stands still until it has returned."""
        answer = super().run_in_executor(executor, func, *args)
        self._threads += 1
        answer.add_done_callback(self._thread_ended)
        return answer

    @property
    def threads_work(self) -> bool:
        """Whether something outside of the loop is going to call back."""
        return self._threads > 0

    def let_pass(self, seconds: float | None) -> None:
        """Let ``seconds`` pass because nothing can run; raise ``Stuck`` if nobody waits for a time."""
        if not self._threads and (seconds is None or self.idle()):
            now = self.time()
            self._timers = [each for each in self._timers if each.when() > now and not each.cancelled()]
            if not self._timers:
                raise Stuck("nothing can go on: no time is waited for")
            seconds = min(each.when() for each in self._timers) - now
        if seconds is not None:
            self._clock.pass_ns(max(1, math.ceil(seconds * 1e9)))

    def _listens(self) -> bool:
        """Tell whether the present code looks into an inbox every now and then, and does nothing else."""
        task = asyncio.current_task(self)
        return task is not None and getattr(task.get_coro(), "__qualname__", "") == LISTENER

    def _thread_ended(self, answer: "asyncio.Future[T]") -> None:
        del answer
        self._threads -= 1

    def _unless_halted(self, callback: Callable[[], object]) -> None:
        if self.halted:
            self._left.append(callback)
        else:
            callback()


class Halted(BaseException):
    """The loop was halted."""


class _Jumps(selectors.DefaultSelector):
    """A selector that lets simulated time pass instead of waiting."""

    def __init__(self, loop: SimLoop) -> None:
        super().__init__()
        self._loop: SimLoop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if timeout == 0 or self._loop.let_in():
            return found
        if not found and self._loop.threads_work:
            found = super().select(PATIENCE_SECONDS)
            if self._loop.let_in():
                return found
        if not found and not self._loop.begin_next():
            self._loop.let_pass(timeout)
        return found


def _woken() -> None:
    """The selector has looked up."""


def _never() -> bool:
    return False


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """What a killed program would have printed, nobody reads."""
    del loop, context
