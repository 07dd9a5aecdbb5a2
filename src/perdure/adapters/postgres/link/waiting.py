"""A connection none of whose waits is without end.

A server ends statements that take too long by itself. Two waits it doesn't end: a commit that waits for a synchronous
standby ignores every timeout, and a server that can't be heard ends nothing.

Invariants:
- What takes longer than the server lets any statement take is cancelled, which ends the wait for a standby as well.
  Where nothing answers that either, the connection is closed.
- A commit of which the server says that a standby may not have it is never answered, whoever ended its wait: it is
  ``Unconfirmed``.
"""

import math
import time
from collections.abc import Callable
from typing import Final, TypeVar, cast

import psycopg
from psycopg.abc import PQGen

from perdure.adapters.postgres.link.faults import Unanswered, Unconfirmed
from perdure.values.errors import PerdureError

T = TypeVar("T")

_INTERVAL: Final = 0.1
"""Between two looks whether the bound has passed."""

_DOUBTFUL: Final = ("01000", "57P01")
"""With one of these codes a server warns that it has ended a wait for a standby, asked to or going down."""

_WORKS: Final = (
    "SELECT wait_event IS DISTINCT FROM 'SyncRep' FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
)


class Database(psycopg.Connection[tuple[object, ...]]):
    """A connection without a transaction of its own: each statement is one, unless it says BEGIN."""

    _seconds: float = math.inf
    _after: float = 0.0
    _beside: "Callable[[], Database] | None" = None
    _is_long: bool = False
    _doubts: bool = False
    silent: bool = False
    """whether the server said nothing for too long"""

    def bounded(self, seconds: float, after: float, beside: "Callable[[], Database]") -> None:
        """From here on nothing is waited for longer than ``seconds``, and for its end no longer than ``after``.

        ``beside`` makes a second connection to the same server.
        """
        self._seconds, self._after, self._beside = seconds, after, beside
        self.add_notice_handler(self._note)

    def take_long(self) -> None:
        """Statements may take as long as the server works on them: their own bound is asked to be off."""
        # A commit whose wait was ended is known by the server's warning.
        self.execute(
            "SELECT set_config('statement_timeout', '0', false), set_config('client_min_messages', 'warning', false)",
            prepare=False,
        )
        self._is_long = True

    def wait(self, gen: PQGen[T], interval: float = _INTERVAL, timeout: float | None = None) -> T:
        """Return what ``gen`` comes to; raises ``Unanswered`` or ``Unconfirmed`` where it doesn't."""
        self._doubts = False
        bounded = self._within(gen)
        if timeout is None:
            answer = super().wait(bounded, interval)
        else:
            answer = super().wait(bounded, interval, timeout)
        if self._doubts:
            raise Unconfirmed
        return answer

    def _within(self, gen: PQGen[T]) -> PQGen[T]:
        until, cancelled = time.monotonic() + self._seconds, False
        try:
            state = next(gen)
            while True:
                ready = yield state
                if not ready and time.monotonic() >= until:
                    if cancelled or not (self._works() or (cancelled := self._cancel())):
                        self.silent = True
                        self.close()
                        raise Unanswered(self._seconds)
                    until = time.monotonic() + (self._after if cancelled else self._seconds)
                state = gen.send(ready)
        except StopIteration as end:
            return cast("T", end.value)

    def _works(self) -> bool:
        """Whether this may take long, and the server says that it is at work and waits for no standby."""
        if not self._is_long or self._beside is None:
            return False
        try:
            with self._beside() as other:
                row = other.execute(_WORKS, (self.info.backend_pid,)).fetchone()
        except (psycopg.Error, PerdureError, OSError):
            return False
        return row == (True,)

    def _cancel(self) -> bool:
        """The server was told to end what it does for us; False where it can't be told."""
        try:
            self.cancel_safe(timeout=self._after)
        except (psycopg.Error, OSError):
            return False
        return True

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING" and notice.sqlstate in _DOUBTFUL:
            self._doubts = True
