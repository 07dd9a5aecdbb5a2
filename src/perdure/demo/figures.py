"""What the demo is asked to show, and what it has shown."""

from pathlib import Path

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to show."""

    folder: Path
    seed: int
    invoices: int
    kills: int
    model: str | None = None
    base_url: str | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The figures; all are counted from the bank's ledger and from the log."""

    invoices: int
    paid_once: int
    duplicates: int
    lost: int
    in_doubt: int = 0
    """payments that waited for a person"""
    kills: int
    seed: int
    kills_in_flight: int
    """of the kills, those between the durable promise of an effect and its settlement, by the log"""
    replies_lost: int
    settled_by_probe: int
    settled_by_person: int
    resumers_refused: int
    asked_again: int = 0
    """payments that the model asked for again after the rewind"""
    duplicates_without_claims: int | None
    verified: bool = False
    """the log is whole, and extends every end of it that was seen on the way"""
    finished: bool = False
    seconds: float
    promised: bool = False


def as_promised(order: Order, shown: Shown) -> bool:
    """Tell whether all is as the demo says; a real model may leave invoices unpaid, but pays none twice."""
    safe = shown.duplicates == 0 and shown.lost == 0 and shown.verified
    if order.model is not None or not safe:
        return safe
    paid = shown.paid_once == shown.invoices and shown.finished
    struck = shown.kills >= order.kills and shown.in_doubt == int(order.kills > 0)
    remembered = order.kills <= 1 or (shown.asked_again > 0 and shown.resumers_refused > 0)
    return paid and struck and remembered and bool(shown.duplicates_without_claims or not order.kills)
