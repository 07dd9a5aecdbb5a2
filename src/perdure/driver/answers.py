"""Answers of other threads brought into an event loop, many with one wake-up.

A commit answers every run that shared it. Waking the loop costs a system call and a fight for the
interpreter, so it is done once for all answers that are ready, not once for each.
"""

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Answers(Generic[T]):
    """The way into one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bring answers into ``loop``."""
        self._loop: asyncio.AbstractEventLoop = loop
        self._ready: deque[tuple[asyncio.Future[T], Future[T]]] = deque()
        self._guard: threading.Lock = threading.Lock()
        self._woken: bool = False
        self.writers: int = 0
        """writers that append from this loop"""

    @property
    def only_one(self) -> bool:
        """Whether waiting for an answer in this loop holds up no other run."""
        return self.writers == 1

    async def of(self, future: "Future[T]") -> T:
        """Return the result of ``future``, or raise what it raises."""
        if future.done():
            return future.result()
        waiter: asyncio.Future[T] = self._loop.create_future()

        def arrived(done: "Future[T]") -> None:
            self._arrived(waiter, done)

        future.add_done_callback(arrived)
        return await waiter

    def _arrived(self, waiter: "asyncio.Future[T]", done: "Future[T]") -> None:
        """Note the answer and see that the loop looks; called in the thread that gives it."""
        self._ready.append((waiter, done))
        with self._guard:
            if self._woken:
                return
            self._woken = True
        # A loop that was closed has nobody left who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._guard:
            self._woken = False
        while self._ready:
            waiter, done = self._ready.popleft()
            if waiter.done():
                continue
            error = done.exception()
            if error is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(done.result())
