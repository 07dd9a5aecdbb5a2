"""The bank's routes: one function each, from a request to an answer, without HTTP."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from perdure.demo.bank_faults import Faults
from perdure.demo.bank_ledger import Ledger
from perdure.demo.bank_words import (
    FaultOrder,
    HeldRequest,
    HoldOrder,
    Payment,
    RefundOrder,
    Refusal,
    Stage,
    Transfer,
    Wire,
)

LONG_POLL_MS = 10_000
"""How long a long poll waits when the client doesn't say: shorter than any client's own limit."""


class Bank(NamedTuple):
    """All that a route needs; time is handed in."""

    ledger: Ledger
    faults: Faults
    now_ns: Callable[[], int]
    wait_s: Callable[[float], None]


class Ask(NamedTuple):
    """One request, taken off the wire."""

    query: Mapping[str, str]
    body: bytes
    key: str | None


class Answer(NamedTuple):
    """One reply, to be put on the wire."""

    status: int
    body: bytes


class Lost(NamedTuple):
    """The connection ends here, without a reply."""


Route = Callable[[Bank, Ask], Answer | Lost]


def answer(bank: Bank, method: str, path: str, ask: Ask) -> Answer | Lost:
    """Give the route's answer; a request that can't be read is refused and nothing is done."""
    route = ROUTES.get((method, path))
    if route is None:
        return _refused(Refusal(status=404, code="no-such-route", reason=f"{method} {path}"))
    try:
        return route(bank, ask)
    except msgspec.DecodeError as error:  # also the base of every validation error
        return _refused(Refusal(status=400, code="unreadable", reason=str(error)))


def _transfer(bank: Bank, ask: Ask) -> Answer | Lost:
    return _pay(bank, msgspec.json.decode(ask.body, type=Transfer), ask.key)


def _wire(bank: Bank, ask: Ask) -> Answer | Lost:
    return _pay(bank, msgspec.json.decode(ask.body, type=Wire), None)


def _pay(bank: Bank, order: Transfer | Wire, key: str | None) -> Answer | Lost:
    with bank.faults.request():
        bank.faults.pause(_held(order, key, "received", None))
        delay_s = bank.faults.delay_s()
        if delay_s > 0:
            bank.wait_s(delay_s)
        entry = bank.ledger.book(order, key=key, at_ns=bank.now_ns())
        if isinstance(entry.outcome, Refusal):
            return _refused(entry.outcome)
        bank.faults.pause(_held(order, key, "booked", entry.outcome))
        if bank.faults.loses(entry.ordinal, order.invoice):
            return Lost()
        return _said(entry.outcome, status=201)


def _wires(bank: Bank, ask: Ask) -> Answer:
    memo = ask.query.get("memo", "")
    if not memo:
        return _refused(Refusal(status=400, code="no-memo", reason="ask for /wires?memo=KEY"))
    until_ns = bank.now_ns() - bank.faults.lag_ns()
    return _said(bank.ledger.listed(memo, booked_until_ns=until_ns))


def _refund(bank: Bank, ask: Ask) -> Answer:
    order = msgspec.json.decode(ask.body, type=RefundOrder)
    outcome = bank.ledger.refund(order, at_ns=bank.now_ns())
    return _refused(outcome) if isinstance(outcome, Refusal) else _said(outcome, status=201)


def _statement(bank: Bank, _: Ask) -> Answer:
    return _said(bank.ledger.statement())


def _balance(bank: Bank, _: Ask) -> Answer:
    return _said(bank.ledger.balance())


def _set_faults(bank: Bank, ask: Ask) -> Answer:
    bank.faults.set(msgspec.json.decode(ask.body, type=FaultOrder))
    return _said({})


def _hold(bank: Bank, ask: Ask) -> Answer:
    bank.faults.hold(msgspec.json.decode(ask.body or b"{}", type=HoldOrder))
    return _said({})


def _release(bank: Bank, _: Ask) -> Answer:
    bank.faults.release()
    return _said({})


def _held_now(bank: Bank, ask: Ask) -> Answer:
    count = _number(ask, "count", 1)
    return _said(bank.faults.held(count=count, wait_s=_number(ask, "wait_ms", LONG_POLL_MS) / 1000))


def _quiet(bank: Bank, ask: Ask) -> Answer:
    return _said(bank.faults.quiet(wait_s=_number(ask, "wait_ms", LONG_POLL_MS) / 1000))


def _end_of_day(bank: Bank, _: Ask) -> Answer:
    bank.ledger.close_day()
    return _said({})


ROUTES: Mapping[tuple[str, str], Route] = {
    ("POST", "/transfers"): _transfer,
    ("POST", "/wires"): _wire,
    ("GET", "/wires"): _wires,
    ("POST", "/refunds"): _refund,
    ("GET", "/ledger"): _statement,
    ("GET", "/balance"): _balance,
    ("POST", "/admin/faults"): _set_faults,
    ("POST", "/admin/hold"): _hold,
    ("POST", "/admin/release"): _release,
    ("GET", "/admin/held"): _held_now,
    ("GET", "/admin/quiet"): _quiet,
    ("POST", "/admin/end-of-day"): _end_of_day,
}


def _held(order: Transfer | Wire, key: str | None, at: Stage, payment: Payment | None) -> HeldRequest:
    wire = isinstance(order, Wire)
    return HeldRequest(
        at=at,
        route="wires" if wire else "transfers",
        invoice=order.invoice,
        key=order.memo if wire else key or "",
        payment_id=payment.payment_id if payment else None,
    )


def _number(ask: Ask, name: str, otherwise: int) -> int:
    return msgspec.convert(ask.query.get(name, str(otherwise)), int, strict=False)


def _said(words: object, *, status: int = 200) -> Answer:
    return Answer(status, msgspec.json.encode(words))


def _refused(refusal: Refusal) -> Answer:
    return Answer(refusal.status, msgspec.json.encode(refusal))
