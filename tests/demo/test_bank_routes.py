"""What each of the bank's routes promises, asked over real HTTP of a real process."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.demo.bank_client import BankClient, Rejected, bank_at
from perdure.demo.bank_launch import BankSettings, RunningBank, open_bank
from perdure.demo.bank_words import FaultOrder, Transfer, Wire

AN_HOUR_MS = 3_600_000


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[RunningBank]:
    with open_bank(tmp_path / "ledger.db", BankSettings(opening_cents=50_000)) as running:
        yield running


@pytest.fixture
def client(bank: RunningBank) -> BankClient:
    return bank_at(bank.url)


def transfer(*, amount_cents: int = 1_000, reference: str = "a", currency: str = "EUR") -> Transfer:
    return Transfer(
        invoice="INV-1",
        creditor="Alder Paper",
        amount_cents=amount_cents,
        reference=reference,
        currency=currency,
    )


def wire(*, memo: str = "key-1", express: bool = False) -> Wire:
    return Wire(
        invoice="INV-2",
        creditor="Birch Hosting",
        amount_cents=2_000,
        reference="b",
        memo=memo,
        express=express,
    )


def test_a_transfer_sent_again_with_its_key_is_booked_once(bank: RunningBank, client: BankClient) -> None:
    first = asyncio.run(client.pay_transfer(transfer(), key="key-1"))
    again = asyncio.run(client.pay_transfer(transfer(), key="key-1"))
    assert again == first
    statement = bank.statement()
    assert statement.payments == (first,)
    assert [request.answer for request in statement.requests] == ["booked", "repeated"]


def test_a_transfer_with_another_key_is_another_payment(bank: RunningBank, client: BankClient) -> None:
    asyncio.run(client.pay_transfer(transfer(), key="key-1"))
    asyncio.run(client.pay_transfer(transfer(), key="key-2"))
    assert len(bank.statement().payments) == 2


def test_a_key_with_another_order_is_refused_and_nothing_is_booked(
    bank: RunningBank, client: BankClient
) -> None:
    asyncio.run(client.pay_transfer(transfer(reference="a"), key="key-1"))
    with pytest.raises(Rejected) as refused:
        asyncio.run(client.pay_transfer(transfer(reference="reworded"), key="key-1"))
    assert (refused.value.refusal.status, refused.value.refusal.code) == (422, "key-reused")
    assert len(bank.statement().payments) == 1


def test_transfers_with_one_key_at_the_same_moment_are_booked_once(
    bank: RunningBank, client: BankClient
) -> None:
    async def eight_at_once() -> set[str]:
        calls = (client.pay_transfer(transfer(), key="key-1") for _ in range(8))
        return {payment.payment_id for payment in await asyncio.gather(*calls)}

    assert len(asyncio.run(eight_at_once())) == 1
    assert len(bank.statement().payments) == 1


def test_a_wire_sent_again_is_paid_again(bank: RunningBank, client: BankClient) -> None:
    first = asyncio.run(client.pay_wire(wire()))
    again = asyncio.run(client.pay_wire(wire()))
    assert bank.statement().payments == (first, again)
    assert first.payment_id != again.payment_id


def test_a_wire_is_found_by_its_memo_and_by_no_other(client: BankClient) -> None:
    paid = asyncio.run(client.pay_wire(wire(memo="key 1/ä&x=y")))
    assert asyncio.run(client.find_wire("key 1/ä&x=y")) == paid
    assert asyncio.run(client.find_wire("key 2")) is None


def test_a_transfer_is_not_among_the_wires(client: BankClient) -> None:
    asyncio.run(client.pay_transfer(transfer(), key="key-1"))
    assert asyncio.run(client.find_wire("key-1")) is None


def test_a_young_wire_is_booked_but_not_listed_yet(bank: RunningBank, client: BankClient) -> None:
    bank.set_faults(FaultOrder(visible_ms=AN_HOUR_MS))
    paid = asyncio.run(client.pay_wire(wire()))
    assert asyncio.run(client.find_wire("key-1")) is None
    assert bank.statement().payments == (paid,)
    bank.set_faults(FaultOrder(visible_ms=0))
    assert asyncio.run(client.find_wire("key-1")) == paid


def test_an_express_wire_cannot_be_found_before_the_end_of_the_day(
    bank: RunningBank, client: BankClient
) -> None:
    paid = asyncio.run(client.pay_wire(wire(express=True)))
    assert asyncio.run(client.find_wire("key-1")) is None
    assert bank.statement().payments == (paid,)
    bank.end_day()
    assert asyncio.run(client.find_wire("key-1")) == paid


def test_a_payment_is_refunded_once_however_often_it_is_asked(bank: RunningBank, client: BankClient) -> None:
    paid = asyncio.run(client.pay_wire(wire()))
    first = asyncio.run(client.refund(paid.payment_id, reason="paid twice"))
    again = asyncio.run(client.refund(paid.payment_id))
    assert again == first
    assert bank.statement().refunds == (first,)


def test_a_refund_of_a_payment_that_never_was_is_refused(client: BankClient) -> None:
    with pytest.raises(Rejected) as refused:
        asyncio.run(client.refund("P-999999"))
    assert refused.value.refusal.code == "no-such-payment"


def test_the_balance_counts_every_payment_and_every_refund(client: BankClient) -> None:
    asyncio.run(client.pay_transfer(transfer(amount_cents=1_000), key="key-1"))
    paid = asyncio.run(client.pay_wire(wire()))
    asyncio.run(client.refund(paid.payment_id))
    balance = asyncio.run(client.balance())
    assert (balance.opening_cents, balance.paid_cents) == (50_000, 3_000)
    assert (balance.refunded_cents, balance.balance_cents) == (2_000, 49_000)


def test_what_the_account_does_not_hold_is_refused_and_the_key_stays_free(
    bank: RunningBank, client: BankClient
) -> None:
    with pytest.raises(Rejected) as refused:
        asyncio.run(client.pay_transfer(transfer(amount_cents=50_001), key="key-1"))
    assert refused.value.refusal.code == "insufficient-funds"
    paid = asyncio.run(client.pay_transfer(transfer(amount_cents=50_000), key="key-1"))
    assert bank.statement().payments == (paid,)


def test_another_currency_is_refused(bank: RunningBank, client: BankClient) -> None:
    with pytest.raises(Rejected) as refused:
        asyncio.run(client.pay_transfer(transfer(currency="USD"), key="key-1"))
    assert refused.value.refusal.code == "wrong-currency"
    assert bank.statement().payments == ()


def test_an_order_that_cannot_be_read_is_refused_and_never_reaches_the_ledger(
    bank: RunningBank, client: BankClient
) -> None:
    with pytest.raises(Rejected) as refused:
        asyncio.run(client.pay_transfer(transfer(amount_cents=-5), key="key-1"))
    assert (refused.value.refusal.status, refused.value.refusal.code) == (400, "unreadable")
    assert bank.statement().requests == ()


def test_an_order_longer_than_the_bank_reads_is_refused(bank: RunningBank, client: BankClient) -> None:
    with pytest.raises(Rejected) as refused:
        asyncio.run(client.pay_transfer(transfer(reference="x" * 100_000), key="key-1"))
    assert refused.value.refusal.code == "too-long"
    assert bank.statement().payments == ()
