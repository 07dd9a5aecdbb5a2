"""Waiting for change: our own commits wake at once, other processes' by a notice, or by a look where it was lost.

Invariants:
- A mark is the server's count of changes; it grows after the commit that it tells of, and never before.
- A notice is a hint only: the count is looked at all the same, every ``Setup.poll_seconds``.
- Where nobody has waited for a while nobody looks at the count: who begins to wait looks first.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg

from perdure.adapters.postgres.columns import whole
from perdure.adapters.postgres.layout import CHANNEL, PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.waiting import Database
from perdure.values.errors import PerdureError

_MARK: Final = "SELECT last_value FROM changes"

REST_SECONDS: Final = 0.01
"""After each notice: on a busy store they come by the thousand, and one look answers them all."""

FOLLOWED_SECONDS: Final = 5.0
"""Who waits does so again and again; whoever hasn't for so long has gone."""

BESIDE_SECONDS: Final = 0.1
"""Between two looks for something else, however busy the store is."""


class Watch:
    """Owns a connection on which the server tells that anybody has committed."""

    def __init__(
        self, dialer: Dialer, *, hears: bool = True, beside: Callable[[Database], None] | None = None
    ) -> None:
        """Connect when somebody first waits. Without ``hears`` only the looks are left: tests of lost notices.

        ``beside`` looks for something else over the same connection, every ``Setup.poll_seconds`` at least.
        """
        self._dialer: Dialer = dialer
        self._hears: bool = hears
        self._beside: Callable[[Database], None] | None = beside
        self._beside_at: float = 0.0
        self._changed: threading.Condition = threading.Condition()
        self._mark: int = -1
        self._waiters: int = 0
        self._waited_at: float = -FOLLOWED_SECONDS
        self._closed: threading.Event = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, mark: int) -> None:
        """Somebody has committed; ``mark`` tells of it."""
        with self._changed:
            if mark > self._mark:
                self._mark = mark
                self._changed.notify_all()

    def begin(self) -> None:
        """Listen from now on."""
        with self._changed:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._listen, name="perdure-watch", daemon=True)
                self._thread.start()

    def wait(self, after: int, timeout: float, look: Callable[[], int]) -> int:
        """Return the mark once it is past ``after``, or ``after`` when ``timeout`` seconds have passed."""
        deadline = time.monotonic() + timeout
        followed, alone = self._is_followed(), self._thread is None
        with self._changed:
            self._waiters += 1
        try:
            if timeout > 0:
                self.begin()
            if alone or timeout <= 0:
                self.note(look())
            elif not followed:
                # The thread looks as well, as soon as the server answers.
                with suppress(PerdureError):
                    self.note(look())
            with self._changed:
                while self._mark <= after and not self._closed.is_set():
                    left = deadline - time.monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        break
                return max(self._mark, after)
        finally:
            with self._changed:
                self._waiters -= 1
                self._waited_at = time.monotonic()

    def close(self) -> None:
        """Wake everybody who waits, for good."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _listen(self) -> None:
        pause = 0.0
        while not self._closed.wait(pause):
            try:
                with self._dialer.connected() as db:
                    if self._hears:
                        db.execute(f"LISTEN {CHANNEL}".encode())
                    self.note(read_mark(db))
                    while not self._closed.is_set():
                        self._hear(db)
                        pause = 0.0
            except (psycopg.Error, PerdureError, OSError):
                pause = min(PAUSE_SECONDS_MAX, 2 * pause + PAUSE_SECONDS_MIN)

    def _hear(self, db: Database) -> None:
        if self._beside is not None and time.monotonic() - self._beside_at >= BESIDE_SECONDS:
            self._beside_at = time.monotonic()
            self._beside(db)
        followed = self._is_followed()
        if followed:
            self.note(read_mark(db))
        for _ in db.notifies(timeout=self._dialer.setup.poll_seconds, stop_after=1):
            self._closed.wait(REST_SECONDS if followed else BESIDE_SECONDS)

    def _is_followed(self) -> bool:
        """Whether somebody waits, or is about to do so again."""
        return self._waiters > 0 or time.monotonic() - self._waited_at < FOLLOWED_SECONDS


def read_mark(db: Database) -> int:
    """Return the count of changes."""
    row = db.execute(_MARK, binary=True).fetchone()
    return 0 if row is None else whole(row[0])
