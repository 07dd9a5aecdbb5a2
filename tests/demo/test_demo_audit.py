"""The audit counts what the bank and the log say, and catches what they should never say."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from perdure.demo.audit import accounts, duplicates, tally
from perdure.demo.bank_words import Payment, Statement
from perdure.demo.chronicle import PERSON, Told, told_by
from perdure.demo.figures import Order, Shown, as_promised
from perdure.demo.invoices import draw_invoices
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import Effect, State, World
from perdure.values.table import Table

INVOICES = draw_invoices(3, seed=1)


def booked(nth: int, ordinal: int, *, cents: int | None = None) -> Payment:
    invoice = INVOICES[nth]
    return Payment(
        payment_id=f"P-{ordinal:06d}",
        route="wires",
        invoice=invoice.number,
        creditor=invoice.supplier,
        amount_cents=invoice.amount_cents if cents is None else cents,
        currency="EUR",
        reference="",
        memo="",
        express=False,
        booked_at_ns=0,
    )


def statement(*payments: Payment) -> Statement:
    return Statement(payments=payments, refunds=(), requests=())


def paid(nth: int, *, outcome: str = "succeeded", phase: str = "settled") -> Effect:
    return Effect(
        key=f"key-{nth}",
        stem=f"stem-{nth}",
        tool="pay_wire",
        effect="probeable",
        run="r",
        call="c",
        proposed=1,
        started=1,
        attempt=1,
        arguments="",
        what=f"invoice={INVOICES[nth].number}",
        phase="doubted" if phase == "doubted" else "settled",
        outcome=outcome,
    )


def state(*effects: Effect) -> State:
    receipts = Table({effect.key: effect for effect in effects if effect.phase == "settled"})
    doubts = Table({effect.key: effect for effect in effects if effect.phase == "doubted"})
    return State(world=World(receipts=receipts, open=doubts))


WHOLE = statement(booked(0, 1), booked(1, 2), booked(2, 3))
KNOWN = state(paid(0), paid(1), paid(2))


def test_books_that_agree_are_all_paid_once() -> None:
    counted = tally(accounts(INVOICES, WHOLE, KNOWN, {}))
    assert (counted.paid_once, counted.duplicates, counted.lost, counted.in_doubt) == (3, 0, 0, 0)


def test_a_payment_that_is_booked_twice_is_counted() -> None:
    twice = statement(*WHOLE.payments, booked(1, 4))
    counted = tally(accounts(INVOICES, twice, KNOWN, {}))
    assert (counted.paid_once, counted.duplicates) == (2, 1)
    assert duplicates(twice) == 1


def test_a_payment_of_another_amount_does_not_count_as_paid() -> None:
    other = statement(booked(0, 1, cents=1), *WHOLE.payments[1:])
    assert tally(accounts(INVOICES, other, KNOWN, {})).paid_once == 2


def test_a_payment_that_only_one_side_knows_is_lost() -> None:
    assert tally(accounts(INVOICES, WHOLE, state(paid(0), paid(1)), {})).lost == 1
    assert tally(accounts(INVOICES, statement(*WHOLE.payments[:2]), KNOWN, {})).lost == 1


def test_a_payment_in_doubt_is_in_doubt_and_not_lost() -> None:
    doubting = state(paid(0), paid(1), paid(2, outcome="", phase="doubted"))
    counted = tally(accounts(INVOICES, WHOLE, doubting, {}))
    assert (counted.lost, counted.in_doubt) == (0, 1)


def test_an_attempt_that_was_known_to_fail_is_no_payment() -> None:
    failed = replace(paid(0, outcome="failed"), key="key-failed")
    told = state(paid(0), paid(1), paid(2), failed)
    assert tally(accounts(INVOICES, WHOLE, told, {})).lost == 0


def happened(*bodies: e.Body) -> dict[str, Told]:
    events = (Event("r", position, 0, 1, 0, body) for position, body in enumerate(bodies, 1))
    return dict(told_by(events))


def sent(send: int) -> e.EffectStarted:
    return e.EffectStarted("k", "c", "pay_wire", "probeable", "s", 1, send, "a")


def test_the_log_tells_how_each_effect_came_to_be_known() -> None:
    told = happened(
        sent(1),
        e.EffectDoubted("k", "crash", ended=False),
        e.EffectReconciled("k", "never"),
        sent(2),
        e.EffectDoubted("k", "no reply", ended=True),
        e.EffectReconciled("k", "found"),
        e.EffectSettled("k", "succeeded", by="probe"),
        e.EffectReplayed("c2", "k"),
    )["k"]
    assert (told.sends, told.doubts, told.unanswered, told.never, told.found) == (2, 2, 1, 1, True)
    assert (told.receipts, told.person, told.outcome) == (1, False, "succeeded")
    assert told.steps[0] == "the probe says: never received"
    assert happened(sent(1), e.EffectSettled("k", "succeeded", by=PERSON))["k"].person


SHOWN = Shown(
    invoices=3,
    paid_once=3,
    duplicates=0,
    lost=0,
    in_doubt=1,
    kills=2,
    seed=1,
    kills_in_flight=2,
    replies_lost=1,
    settled_by_probe=1,
    settled_by_person=1,
    resumers_refused=1,
    asked_again=1,
    duplicates_without_claims=2,
    verified=True,
    finished=True,
    seconds=1.0,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicates": 1},
        {"lost": 1},
        {"paid_once": 2},
        {"verified": False},
        {"finished": False},
        {"in_doubt": 0},
        {"kills": 1},
        {"asked_again": 0},
        {"resumers_refused": 0},
        {"duplicates_without_claims": 0},
    ],
)
def test_the_promise_is_broken_by_each_figure_that_is_wrong(wrong: dict[str, int]) -> None:
    order = Order(folder=Path("unused"), seed=1, invoices=3, kills=2)
    assert as_promised(order, SHOWN)
    assert not as_promised(order, replace(SHOWN, **wrong))


def test_a_real_model_may_leave_invoices_unpaid_and_pay_none_twice() -> None:
    order = Order(folder=Path("unused"), seed=1, invoices=3, kills=2, model="local")
    assert as_promised(order, replace(SHOWN, paid_once=0, finished=False))
    assert not as_promised(order, replace(SHOWN, duplicates=1))
