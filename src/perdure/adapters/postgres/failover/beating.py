"""A sign of life now and then, so that a process that writes nothing can vouch for a server after a failover.

It also shows soon that a server is gone, which tells how old the newest commit was then.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg

from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.failover.sealing import read_seal
from perdure.values.errors import PerdureError
from perdure.values.limits import BEAT_SECONDS

Database = psycopg.Connection[tuple[object, ...]]


class Beating:
    """A thread that commits where nobody else does, as long as the store is synchronous."""

    def __init__(
        self,
        known: Known,
        borrowed: Callable[[str], AbstractContextManager[Database]],
        *,
        seconds: float = BEAT_SECONDS,
    ) -> None:
        """Beat for ``known`` over connections that are ``borrowed``, every ``seconds``."""
        self._known: Known = known
        self._borrowed: Callable[[str], AbstractContextManager[Database]] = borrowed
        self._seconds: float = seconds
        self._ended: threading.Event = threading.Event()
        self._thread: threading.Thread = threading.Thread(
            target=self._beat_on, name="perdure-beat", daemon=True
        )

    def begin(self) -> None:
        """From here on there is a sign of life."""
        self._thread.start()

    def close(self) -> None:
        """No more."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _beat_on(self) -> None:
        while not self._ended.wait(self._seconds):
            if not self._known.is_due(self._seconds):
                continue
            try:
                with self._borrowed("giving a sign of life") as db:
                    if read_seal(db).synchronous:
                        self._known.beat(db)
            except (PerdureError, psycopg.Error, OSError):
                self._known.broke()
