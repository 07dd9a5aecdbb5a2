"""What the bank and its clients say to each other, as JSON.

Amounts are whole cents, so that no sum ever rounds. Orders come from clients and are checked
strictly; everything else is the bank's own word.
"""

from typing import Annotated, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Cents = Annotated[int, msgspec.Meta(gt=0)]
Route = Literal["transfers", "wires"]
Stage = Literal["received", "booked"]
"""Where a payment request can be held: before the booking, or after it and before the reply."""


class Transfer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order for the route that honours idempotency keys."""

    invoice: Text
    creditor: Text
    amount_cents: Cents
    reference: Text
    currency: str = "EUR"


class Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order for the route that does not; an express wire can't be looked up the same day."""

    invoice: Text
    creditor: Text
    amount_cents: Cents
    reference: Text
    memo: Text
    express: bool = False
    currency: str = "EUR"


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """Money that has left the account."""

    payment_id: str
    route: Route
    invoice: str
    creditor: str
    amount_cents: int
    currency: str
    reference: str
    memo: str
    express: bool
    booked_at_ns: int


class RefundOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for the whole of one payment back; asking again changes nothing."""

    payment_id: Text
    reason: str = ""


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money that has come back."""

    refund_id: str
    payment_id: str
    amount_cents: int
    reason: str
    booked_at_ns: int


class PaymentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One payment request as it reached the ledger, whatever the client heard of it."""

    ordinal: int
    route: Route
    invoice: str
    key: str
    answer: Literal["booked", "repeated", "refused"]
    payment_id: str | None


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The whole ledger, in booking order."""

    payments: tuple[Payment, ...]
    refunds: tuple[Refund, ...]
    requests: tuple[PaymentRequest, ...]


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """The account in one line: `balance = opening - paid + refunded`."""

    opening_cents: int
    paid_cents: int
    refunded_cents: int
    balance_cents: int


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing was done; the code never changes, the reason is for people."""

    status: int
    code: str
    reason: str


class FaultOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New faults; what is left out stays as it was."""

    lose_replies: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    slow_ms: Annotated[int, msgspec.Meta(ge=0)] | None = None
    visible_ms: Annotated[int, msgspec.Meta(ge=0)] | None = None
    lose_next: Annotated[int, msgspec.Meta(ge=0)] | None = None
    lose_invoices: tuple[Text, ...] | None = None
    """the next reply about each of these is lost"""
    stall_next_ms: Annotated[int, msgspec.Meta(ge=0)] | None = None


class HoldOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hold the next `count` payment requests that reach this stage, of one invoice or of any."""

    at: Stage = "booked"
    count: Annotated[int, msgspec.Meta(gt=0)] = 1
    invoice: str = ""


class HeldRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A payment request that waits for `POST /admin/release`."""

    at: Stage
    route: Route
    invoice: str
    key: str
    payment_id: str | None


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What is under way at the bank: requests without a reply, and those of them that are held."""

    in_progress: int
    held: tuple[HeldRequest, ...]
