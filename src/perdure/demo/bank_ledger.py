"""The bank's book: one SQLite file, each booking durable before anyone hears of it.

Invariants:
1. A payment, the record of the request that caused it and its idempotency key are one transaction.
2. A transfer's key belongs to one payment for ever, and answers with that payment.
3. A payment is refunded at most once, and in full.
4. The balance never goes below zero.

It uses the standard library's SQLite and shares neither code nor database engine with perdure, so
that a mistake there can't hide itself here. The journal is a rollback journal: the engine that
comes with older Pythons has a known bug in the other one (WAL).
"""

import hashlib
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar, assert_never

import msgspec

from perdure.demo.bank_words import (
    Balance,
    Payment,
    PaymentRequest,
    Refund,
    RefundOrder,
    Refusal,
    Route,
    Statement,
    Transfer,
    Wire,
)

CURRENCY = "EUR"

_TABLES = """
CREATE TABLE IF NOT EXISTS account (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  opening_cents INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS payment (
  ordinal INTEGER PRIMARY KEY,
  payment_id TEXT GENERATED ALWAYS AS (printf('P-%06d', ordinal)) VIRTUAL,
  route TEXT NOT NULL,
  invoice TEXT NOT NULL,
  creditor TEXT NOT NULL,
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
  currency TEXT NOT NULL,
  reference TEXT NOT NULL,
  memo TEXT NOT NULL,
  express INTEGER NOT NULL,
  day_closed INTEGER NOT NULL DEFAULT 0,
  booked_at_ns INTEGER NOT NULL,
  idempotency_key TEXT UNIQUE,
  order_digest TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS payment_memo ON payment (memo);
CREATE TABLE IF NOT EXISTS refund (
  ordinal INTEGER PRIMARY KEY,
  refund_id TEXT GENERATED ALWAYS AS (printf('R-%06d', ordinal)) VIRTUAL,
  payment_id TEXT NOT NULL UNIQUE,
  amount_cents INTEGER NOT NULL,
  reason TEXT NOT NULL,
  booked_at_ns INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS request (
  ordinal INTEGER PRIMARY KEY,
  route TEXT NOT NULL,
  invoice TEXT NOT NULL,
  key TEXT NOT NULL,
  answer TEXT NOT NULL,
  payment_id TEXT
);
"""
_PAYMENT = """
SELECT payment_id, route, invoice, creditor, amount_cents, currency, reference, memo, express,
       booked_at_ns
FROM payment """
_REFUND = "SELECT refund_id, payment_id, amount_cents, reason, booked_at_ns FROM refund "
_REQUEST = "SELECT ordinal, route, invoice, key, answer, payment_id FROM request "

Row = TypeVar("Row", bound=msgspec.Struct)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the n-th payment request."""

    ordinal: int
    outcome: Payment | Refusal


class _KeyOwner(msgspec.Struct, frozen=True):
    payment_id: str
    order_digest: str


class Ledger:
    """The open book. Safe to share between threads: one transaction at a time."""

    def __init__(self, file: Path, *, opening_cents: int) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        for rule in ("journal_mode=TRUNCATE", "synchronous=FULL"):
            self._run(f"PRAGMA {rule}")
        with self._transaction():
            for table in _TABLES.split(";"):
                self._run(table)
            self._run("INSERT OR IGNORE INTO account VALUES (1, ?)", opening_cents)

    def close(self) -> None:
        """End after the transaction in progress, if there is one."""
        with self._lock:
            self._db.close()

    def book(self, order: Transfer | Wire, *, key: str | None, at_ns: int) -> Entry:
        """Book the order once; a transfer whose key is known is answered from the book."""
        match order:
            case Transfer():
                key_honoured, key_shown = key or None, key or ""
            case Wire():
                key_honoured, key_shown = None, order.memo
            case _:
                assert_never(order)
        with self._transaction():
            known = self._known(order, key_honoured) if key_honoured else None
            outcome = known or self._booked(order, key_honoured, at_ns)
            if isinstance(outcome, Refusal):
                return self._entered(order, key_shown, "refused", outcome)
            return self._entered(order, key_shown, "repeated" if known else "booked", outcome)

    def listed(self, memo: str, *, booked_until_ns: int) -> list[Payment]:
        """Give the wires with this memo that the listing shows: express ones only from next day."""
        where = """WHERE memo = ? AND route = 'wires'
                   AND (day_closed OR (NOT express AND booked_at_ns <= ?)) ORDER BY ordinal"""
        with self._lock:
            return self._select(Payment, _PAYMENT + where, memo, booked_until_ns)

    def close_day(self) -> None:
        """From now on every wire booked so far is listed."""
        with self._transaction():
            self._run("UPDATE payment SET day_closed = 1")

    def refund(self, order: RefundOrder, *, at_ns: int) -> Refund | Refusal:
        """Give the whole payment back once; a second order is answered with the first refund."""
        with self._transaction():
            payments = self._select(Payment, _PAYMENT + "WHERE payment_id = ?", order.payment_id)
            if not payments:
                return Refusal(status=404, code="no-such-payment", reason=order.payment_id)
            self._run(
                "INSERT OR IGNORE INTO refund (payment_id, amount_cents, reason, booked_at_ns)"
                " VALUES (?, ?, ?, ?)",
                order.payment_id,
                payments[0].amount_cents,
                order.reason,
                at_ns,
            )
            return self._select(Refund, _REFUND + "WHERE payment_id = ?", order.payment_id)[0]

    def statement(self) -> Statement:
        """Give every payment, refund and payment request, as of one moment."""
        with self._lock:
            return Statement(
                payments=tuple(self._select(Payment, _PAYMENT + "ORDER BY ordinal")),
                refunds=tuple(self._select(Refund, _REFUND + "ORDER BY ordinal")),
                requests=tuple(self._select(PaymentRequest, _REQUEST + "ORDER BY ordinal")),
            )

    def balance(self) -> Balance:
        """Give the account in one line."""
        with self._lock:
            return self._balance()

    def _known(self, order: Transfer | Wire, key: str) -> Payment | Refusal | None:
        owners = self._select(
            _KeyOwner,
            "SELECT payment_id, order_digest FROM payment WHERE idempotency_key = ?",
            key,
        )
        if not owners:
            return None
        if owners[0].order_digest != _order_digest(order):
            reason = f"this key belongs to {owners[0].payment_id}, whose order reads otherwise"
            return Refusal(status=422, code="key-reused", reason=reason)
        return self._select(Payment, _PAYMENT + "WHERE payment_id = ?", owners[0].payment_id)[0]

    def _booked(self, order: Transfer | Wire, key: str | None, at_ns: int) -> Payment | Refusal:
        if order.currency != CURRENCY:
            reason = f"this account is kept in {CURRENCY}, not {order.currency}"
            return Refusal(status=422, code="wrong-currency", reason=reason)
        if order.amount_cents > self._balance().balance_cents:
            reason = f"the account does not hold {order.amount_cents} cents"
            return Refusal(status=422, code="insufficient-funds", reason=reason)
        self._run(
            "INSERT INTO payment (route, invoice, creditor, amount_cents, currency, reference,"
            " memo, express, booked_at_ns, idempotency_key, order_digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _route(order),
            order.invoice,
            order.creditor,
            order.amount_cents,
            order.currency,
            order.reference,
            order.memo if isinstance(order, Wire) else "",
            isinstance(order, Wire) and order.express,
            at_ns,
            key,
            _order_digest(order),
        )
        return self._select(Payment, _PAYMENT + "WHERE ordinal = last_insert_rowid()")[0]

    def _entered(self, order: Transfer | Wire, key: str, answer: str, outcome: Payment | Refusal) -> Entry:
        payment_id = outcome.payment_id if isinstance(outcome, Payment) else None
        self._run(
            "INSERT INTO request (route, invoice, key, answer, payment_id) VALUES (?, ?, ?, ?, ?)",
            _route(order),
            order.invoice,
            key,
            answer,
            payment_id,
        )
        entered = self._select(PaymentRequest, _REQUEST + "WHERE ordinal = last_insert_rowid()")
        return Entry(ordinal=entered[0].ordinal, outcome=outcome)

    def _balance(self) -> Balance:
        sums = """SELECT opening_cents, paid_cents, refunded_cents,
                         opening_cents - paid_cents + refunded_cents AS balance_cents
                  FROM account,
                       (SELECT coalesce(sum(amount_cents), 0) AS paid_cents FROM payment),
                       (SELECT coalesce(sum(amount_cents), 0) AS refunded_cents FROM refund)"""
        return self._select(Balance, sums)[0]

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with self._lock:
            self._run("BEGIN IMMEDIATE")
            try:
                yield
                self._run("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._run("ROLLBACK")

    def _run(self, sql: str, *values: str | int | None) -> None:
        self._db.execute(sql, values).close()

    def _select(self, shape: type[Row], sql: str, *values: str | int) -> list[Row]:
        """Read rows through the one door for untyped values: they are typed here or nowhere."""
        with closing(self._db.execute(sql, values)) as cursor:
            names = [column[0] for column in cursor.description]
            rows: list[tuple[object, ...]] = cursor.fetchall()
        named = [dict(zip(names, row, strict=True)) for row in rows]
        # Not strict: SQLite has no booleans and gives 0 and 1.
        return [msgspec.convert(row, shape, strict=False) for row in named]


def _route(order: Transfer | Wire) -> Route:
    return "transfers" if isinstance(order, Transfer) else "wires"


def _order_digest(order: Transfer | Wire) -> str:
    return hashlib.sha256(msgspec.json.encode(order)).hexdigest()
