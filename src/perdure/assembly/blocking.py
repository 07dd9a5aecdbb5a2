"""Waiting in the thread that called us, so that a person's Ctrl-C is heard.

The system gives a signal to any thread of the process; where that isn't the main one, a lock that the main one waits
for goes on waiting, and Python's handler with it (https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers).
So nothing is waited for without looking up now and then.
"""

import threading
import time
from concurrent.futures import Future
from typing import Final, TypeVar

LOOK_UP_SECONDS: Final = 0.2
"""A person takes so long for at once."""

T = TypeVar("T")


def result_of(future: "Future[T]", timeout: float | None = None) -> T:
    """Return what the future comes to, or raise it. Raises ``TimeoutError`` after ``timeout`` seconds."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = LOOK_UP_SECONDS if end is None else min(LOOK_UP_SECONDS, end - time.monotonic())
        try:
            return future.result(max(left, 0))
        except TimeoutError:
            if future.done():
                return future.result()
            if left <= 0:
                raise


def until_set(event: threading.Event) -> None:
    """Return when the event is set."""
    while not event.wait(LOOK_UP_SECONDS):
        pass
