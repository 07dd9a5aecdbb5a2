"""Batches that bring large blobs: these are settled first, and meanwhile nobody else waits.

Invariant: batches of one run go on in the order in which they came, also those that bring none.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from perdure.adapters.postgres.content.blobs import is_large
from perdure.log.port import Appended, Batch, Remembered

Answer = Future[Appended | Remembered]


class _Come(NamedTuple):
    batch: Batch
    answer: Answer


class Preparing:
    """Stands before the writer."""

    def __init__(
        self, settle: Callable[[str, bytes], None], enqueue: Callable[[Batch, Answer], None]
    ) -> None:
        """Settle large blobs by ``settle``, then hand the batch, without them, to ``enqueue``."""
        self._settle = settle
        self._enqueue = enqueue
        self._guard = threading.Lock()
        self._behind: dict[str, deque[_Come]] = {}

    def append(self, batch: Batch) -> Answer:
        """Return the answer to ``batch``, which is on its way."""
        answer: Answer = Future()
        answer.set_running_or_notify_cancel()
        large = any(is_large(content) for _, content in batch.blobs)
        with self._guard:
            behind = self._behind.get(batch.run)
            if behind is not None:
                behind.append(_Come(batch, answer))
                return answer
            if large:
                self._behind[batch.run] = deque()
        if large:
            # One thread for each: as many as runs that bring large content at this moment, and each is bounded.
            words = (batch.run, _Come(batch, answer))
            threading.Thread(target=self._prepare, args=words, name="perdure-large", daemon=True).start()
        else:
            self._enqueue(batch, answer)
        return answer

    def _prepare(self, run: str, first: _Come) -> None:
        come: _Come | None = first
        while come is not None:
            self._settled(come)
            with self._guard:
                behind = self._behind[run]
                come = behind.popleft() if behind else None
                if come is None:
                    del self._behind[run]

    def _settled(self, come: _Come) -> None:
        batch, answer = come
        try:
            for name, content in batch.blobs:
                if is_large(content):
                    self._settle(name, content)
            small = tuple(each for each in batch.blobs if not is_large(each[1]))
            self._enqueue(batch._replace(blobs=small), answer)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the answer raises it
            answer.set_exception(error)
