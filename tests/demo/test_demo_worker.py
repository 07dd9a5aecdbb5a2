"""The agent's own process: where it freezes, how it ends, and who may take its run."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import perdure
from perdure import Context, NotDone
from perdure.demo.agent import BANK, INVOICES, pay_wire
from perdure.demo.audit import in_flight
from perdure.demo.bank_launch import BankSettings, RunningBank, open_bank
from perdure.demo.invoices import write_invoices
from perdure.demo.killing import Lane, frozen, kill, rest, start, strike_at
from perdure.demo.strikes import Strike
from perdure.demo.worker import FINISHED, HELD, WAITS, Errand

EXPRESS = "INV-2026-0003"
WIRE = "INV-2026-0002"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[RunningBank]:
    with open_bank(tmp_path / "bank.db", BankSettings(visible_ms=300, parent=os.getpid())) as running:
        yield running


@pytest.fixture
def lane(tmp_path: Path, bank: RunningBank) -> Lane:
    write_invoices(tmp_path / "invoices", 3, seed=1)
    errand = Errand(
        store=str(tmp_path / "store"), run="ap", bank=bank.url, invoices=str(tmp_path / "invoices")
    )
    return Lane(errand=errand, bank=bank)


def booked(bank: RunningBank) -> list[str]:
    return [payment.invoice for payment in bank.statement().payments]


def asked(bank: RunningBank) -> list[str]:
    return [request.invoice for request in bank.statement().requests]


def test_a_frozen_payer_has_promised_the_payment_and_sent_nothing(bank: RunningBank, lane: Lane) -> None:
    for _ in range(3):  # A freeze that comes a moment late shows only now and then.
        payer = start(lane, wording=1, freeze=WIRE)
        assert frozen(lane, payer)
        with perdure.open(lane.errand.store) as store:
            (effect,) = in_flight(store.state("ap"))
        assert (effect.tool, effect.what) == ("pay_wire", f"invoice={WIRE}")
        assert kill(lane, [payer]).killed == 1
        assert WIRE not in asked(bank)
    ended = rest(lane, wording=2)
    assert ended.code == FINISHED
    assert sorted(booked(bank)) == ["INV-2026-0001", WIRE, EXPRESS]


def test_a_payer_that_goes_on_after_a_freeze_pays_once(bank: RunningBank, lane: Lane) -> None:
    payer = start(lane, wording=1, freeze="")
    assert frozen(lane, payer)
    assert booked(bank) == []
    payer.process.send_signal(signal.SIGCONT)
    said, _ = payer.process.communicate(timeout=60)
    assert payer.process.returncode == FINISHED, said
    assert len(booked(bank)) == len(set(booked(bank))) == 3


def test_of_four_processes_that_resume_at_once_one_fires(bank: RunningBank, lane: Lane) -> None:
    first = strike_at(lane, Strike(moment="unsent"), WIRE, [1])
    assert first.killed == 1
    caught = strike_at(lane, Strike(moment="booked", rivals=4), WIRE, range(2, 6))
    assert caught.killed == 1
    assert [ended.code for ended in caught.ended] == [HELD] * 3
    assert all("holds it" in ended.said for ended in caught.ended)
    assert asked(bank).count(WIRE) == 1


def test_a_payment_that_cannot_be_probed_waits_for_a_person_and_says_so(
    bank: RunningBank, lane: Lane
) -> None:
    assert strike_at(lane, Strike(moment="received"), EXPRESS, [1]).killed == 1
    for wording in (2, 3):
        ended = rest(lane, wording=wording)
        assert ended.code == WAITS
        assert EXPRESS in ended.said
    assert asked(bank).count(EXPRESS) == 1


def test_a_lost_reply_is_asked_after_and_not_sent_anew(bank: RunningBank, lane: Lane) -> None:
    caught = strike_at(lane, Strike(moment="received"), EXPRESS, [1], lost=(WIRE,))
    assert caught.killed == 1
    assert asked(bank).count(WIRE) == 1
    with perdure.open(lane.errand.store) as store:
        kinds = [event.kind for event in store.events("ap")]
    assert "effect.doubted" in kinds
    assert "effect.reconciled" in kinds


def test_the_agent_refuses_what_an_invoice_does_not_say(
    bank: RunningBank, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BANK, bank.url)
    monkeypatch.setenv(INVOICES, lane.errand.invoices)
    for invoice, cents in (("INV-1999-0001", 5), (WIRE, 5), (EXPRESS, 5)):
        with pytest.raises(NotDone):
            asyncio.run(pay_wire(Context(key="k"), invoice, cents, "ref"))
    assert asked(bank) == []


def test_a_payment_is_taken_back_by_its_undo(bank: RunningBank, lane: Lane) -> None:
    assert rest(lane, wording=1).code == FINISHED
    with perdure.open(lane.errand.store) as store:
        receipts = store.state("ap").world.receipts.values()
        paid = next(effect for effect in receipts if effect.what == f"invoice={WIRE}")
        store.revert("ap", paid.started, by="bookkeeper")
    assert rest(lane, wording=2).code == FINISHED
    (refund,) = bank.statement().refunds
    payment = next(each for each in bank.statement().payments if each.invoice == WIRE)
    assert (refund.payment_id, refund.amount_cents) == (payment.payment_id, payment.amount_cents)
    with perdure.open(lane.errand.store) as store:
        assert store.state("ap").world.receipts[paid.key].outcome == "compensated"
