"""What goes wrong at the bank, on order and reproducibly.

Invariants:
1. Faults touch when and whether a reply comes; they never touch what is booked.
2. Whether the reply to the n-th payment request is lost by chance depends on (seed, n) alone.
3. A held request goes on when it is released, and not before.
"""

import hashlib
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from msgspec.structs import replace

from perdure.demo.bank_words import FaultOrder, HeldRequest, HoldOrder, Traffic

Number = TypeVar("Number", int, float)


class Faults:
    """The faults in force, the requests in progress, and the ones that are held."""

    def __init__(self, *, seed: int, lose_replies: float, slow_ms: int, visible_ms: int) -> None:
        self._changed = threading.Condition()
        self._seed = seed
        self._lose_replies = lose_replies
        self._slow_ms = slow_ms
        self._visible_ms = visible_ms
        self._lose_next = 0
        self._lose_invoices: list[str] = []
        self._stall_next_ms = 0
        self._holds: list[HoldOrder] = []
        self._held: list[HeldRequest] = []
        self._releases = 0
        self._in_progress = 0

    def set(self, order: FaultOrder) -> None:
        """Put the named faults in force."""
        with self._changed:
            self._lose_replies = _unless_none(order.lose_replies, self._lose_replies)
            self._slow_ms = _unless_none(order.slow_ms, self._slow_ms)
            self._visible_ms = _unless_none(order.visible_ms, self._visible_ms)
            self._lose_next = _unless_none(order.lose_next, self._lose_next)
            self._stall_next_ms = _unless_none(order.stall_next_ms, self._stall_next_ms)
            if order.lose_invoices is not None:
                self._lose_invoices = list(order.lose_invoices)

    def hold(self, order: HoldOrder) -> None:
        """Make the requests that the order names wait; orders add up until the release."""
        with self._changed:
            self._holds.append(order)

    def release(self) -> None:
        """Let every held request go on, and hold none until the next order."""
        with self._changed:
            self._holds.clear()
            self._held.clear()
            self._releases += 1
            self._changed.notify_all()

    def held(self, *, count: int, wait_s: float) -> Traffic:
        """Give the traffic as soon as `count` requests are held, or when the wait is over."""
        return self._traffic_when(lambda: len(self._held) >= count, wait_s)

    def quiet(self, *, wait_s: float) -> Traffic:
        """Give the traffic as soon as no payment request is in progress, or after the wait."""
        return self._traffic_when(lambda: self._in_progress == 0, wait_s)

    @contextmanager
    def request(self) -> Generator[None]:
        """Count one payment request as in progress, from its arrival to the end of its reply."""
        with self._changed:
            self._in_progress += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_progress -= 1
                self._changed.notify_all()

    def pause(self, request: HeldRequest) -> None:
        """Return at once, or, if a hold is in force at this stage, when it is released."""
        with self._changed:
            if not self._takes_hold(request):
                return
            self._held.append(request)
            self._changed.notify_all()
            before = self._releases
            self._changed.wait_for(lambda: self._releases > before)

    def delay_s(self) -> float:
        """Take the time that this request waits before it is booked; a stall serves one request."""
        with self._changed:
            stall_ms, self._stall_next_ms = self._stall_next_ms, 0
            return (self._slow_ms + stall_ms) / 1000

    def loses(self, ordinal: int, invoice: str) -> bool:
        """Decide whether the reply to the n-th request is lost; an ordered loss serves one."""
        with self._changed:
            if invoice in self._lose_invoices:
                self._lose_invoices.remove(invoice)
                return True
            if self._lose_next > 0:
                self._lose_next -= 1
                return True
            return _chance(self._seed, ordinal) < self._lose_replies

    def lag_ns(self) -> int:
        """Give the age that a booked wire must have before it is listed."""
        with self._changed:
            return self._visible_ms * 1_000_000

    def _takes_hold(self, request: HeldRequest) -> bool:
        for nth, order in enumerate(self._holds):
            if order.at == request.at and order.invoice in ("", request.invoice):
                left = order.count - 1
                self._holds[nth : nth + 1] = [replace(order, count=left)] if left else []
                return True
        return False

    def _traffic_when(self, so: Callable[[], bool], wait_s: float) -> Traffic:
        with self._changed:
            self._changed.wait_for(so, wait_s)
            return Traffic(in_progress=self._in_progress, held=tuple(self._held))


def _chance(seed: int, ordinal: int) -> float:
    drawn = hashlib.sha256(f"{seed}:{ordinal}".encode()).digest()[:8]
    return int.from_bytes(drawn) / 2**64


def _unless_none(new: Number | None, old: Number) -> Number:
    return old if new is None else new
