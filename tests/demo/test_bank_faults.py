"""What goes wrong at the bank goes wrong on order, and never in the ledger."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from perdure.demo.bank_client import NoReply, NotSent, bank_at
from perdure.demo.bank_launch import BankSettings, RunningBank, open_bank, start_bank
from perdure.demo.bank_words import FaultOrder, Transfer, Wire


class Addressed(Protocol):
    """What has a local address: a socket, or asyncio's view of one."""

    def getsockname(self) -> tuple[str, int]: ...


WAIT_S = 30.0

PAYER = """
import asyncio, sys
from perdure.demo.bank_client import bank_at
from perdure.demo.bank_words import Wire
order = Wire(invoice="INV-1", creditor="Alder", amount_cents=5, reference="a", memo="key-1")
asyncio.run(bank_at(sys.argv[1], timeout_s=600).pay_wire(order))
"""
PARENT = """
import os, signal, sys
from pathlib import Path
from perdure.demo.bank_launch import BankSettings, start_bank
bank, _ = start_bank(Path(sys.argv[1]), BankSettings(parent=os.getpid()))
print(bank.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[RunningBank]:
    with open_bank(tmp_path / "ledger.db") as running:
        yield running


def transfer(reference: str = "a") -> Transfer:
    return Transfer(invoice="INV-1", creditor="Alder", amount_cents=5, reference=reference)


def wire(invoice: str = "INV-2") -> Wire:
    return Wire(invoice=invoice, creditor="Birch", amount_cents=7, reference="b", memo="key-2")


def address_of(listener: Addressed) -> str:
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


def kill_payer_when_held(bank: RunningBank) -> None:
    """Start a process that pays, and kill it with SIGKILL while the bank holds its request."""
    with subprocess.Popen([sys.executable, "-c", PAYER, bank.url]) as payer:
        assert len(bank.held(wait_s=WAIT_S).held) == 1
        payer.send_signal(signal.SIGKILL)
        assert payer.wait() == -signal.SIGKILL


def test_a_payer_killed_while_its_payment_is_held_leaves_exactly_one_booking(
    bank: RunningBank,
) -> None:
    bank.hold("booked")
    kill_payer_when_held(bank)
    (before,) = bank.statement().payments
    bank.release()
    assert bank.quiet(wait_s=WAIT_S).in_progress == 0
    assert bank.statement().payments == (before,)
    assert asyncio.run(bank_at(bank.url).find_wire("key-1")) == before


def test_a_request_outlives_its_killed_sender_and_is_booked_late(bank: RunningBank) -> None:
    bank.hold("received")
    kill_payer_when_held(bank)
    assert bank.statement().payments == ()
    assert asyncio.run(bank_at(bank.url).find_wire("key-1")) is None
    bank.release()
    assert bank.quiet(wait_s=WAIT_S).in_progress == 0
    assert [payment.memo for payment in bank.statement().payments] == ["key-1"]


def test_a_held_payment_is_shown_with_what_it_pays_and_answered_on_release(
    bank: RunningBank,
) -> None:
    async def pay_and_release() -> str:
        bank.hold("booked", invoice="INV-2")
        paying = asyncio.create_task(bank_at(bank.url, timeout_s=WAIT_S).pay_wire(wire()))
        traffic = await asyncio.to_thread(bank.held, wait_s=WAIT_S)
        assert [(held.at, held.route, held.invoice, held.key) for held in traffic.held] == [
            ("booked", "wires", "INV-2", "key-2")
        ]
        bank.release()
        paid = await paying
        assert paid.payment_id == traffic.held[0].payment_id
        return paid.payment_id

    assert asyncio.run(pay_and_release()) == bank.statement().payments[0].payment_id


def test_a_hold_for_one_invoice_lets_the_others_pass(bank: RunningBank) -> None:
    bank.hold("booked", invoice="INV-9")
    paid = asyncio.run(bank_at(bank.url).pay_wire(wire("INV-2")))
    assert bank.statement().payments == (paid,)
    assert bank.held(wait_s=0).held == ()


def test_waiting_for_a_held_payment_ends_when_none_comes(bank: RunningBank) -> None:
    traffic = bank.held(wait_s=0)
    assert (traffic.in_progress, traffic.held) == (0, ())


def test_a_lost_reply_leaves_the_payment_booked_and_the_payer_in_doubt(bank: RunningBank) -> None:
    client = bank_at(bank.url)
    bank.set_faults(FaultOrder(lose_next=1))
    with pytest.raises(NoReply):
        asyncio.run(client.pay_transfer(transfer(), key="key-1"))
    (booked,) = bank.statement().payments
    assert asyncio.run(client.pay_transfer(transfer(), key="key-1")) == booked
    assert len(bank.statement().payments) == 1


def test_a_reply_that_comes_too_late_leaves_the_payer_in_doubt(bank: RunningBank) -> None:
    bank.hold("booked")
    with pytest.raises(NoReply):
        asyncio.run(bank_at(bank.url, timeout_s=0.5).pay_wire(wire()))
    assert len(bank.held(wait_s=WAIT_S).held) == 1
    assert len(bank.statement().payments) == 1


@pytest.mark.parametrize("faults", [FaultOrder(stall_next_ms=300), FaultOrder(slow_ms=300)])
def test_a_delayed_request_is_booked_only_after_the_delay(bank: RunningBank, faults: FaultOrder) -> None:
    bank.set_faults(faults)
    asked_at_ns = time.time_ns()
    paid = asyncio.run(bank_at(bank.url, timeout_s=WAIT_S).pay_wire(wire()))
    assert paid.booked_at_ns - asked_at_ns >= 300_000_000


def replies_lost(ledger: Path, seed: int) -> list[bool]:
    lost: list[bool] = []
    with open_bank(ledger, BankSettings(seed=seed, lose_replies=0.5)) as bank:
        for _ in range(16):
            try:
                asyncio.run(bank_at(bank.url).pay_wire(wire()))
                lost.append(False)
            except NoReply:
                lost.append(True)
        assert len(bank.statement().payments) == 16
    return lost


def test_the_next_reply_about_a_named_invoice_is_lost_and_the_others_come(bank: RunningBank) -> None:
    client = bank_at(bank.url)
    bank.set_faults(FaultOrder(lose_invoices=("INV-2",)))
    asyncio.run(client.pay_wire(wire("INV-1")))
    with pytest.raises(NoReply):
        asyncio.run(client.pay_wire(wire("INV-2")))
    asyncio.run(client.pay_wire(wire("INV-2")))
    assert [payment.invoice for payment in bank.statement().payments] == ["INV-1", "INV-2", "INV-2"]


def test_the_same_seed_loses_the_same_replies_and_every_payment_is_booked(tmp_path: Path) -> None:
    first = replies_lost(tmp_path / "first.db", seed=7)
    assert first == replies_lost(tmp_path / "second.db", seed=7)
    assert first != replies_lost(tmp_path / "third.db", seed=8)
    assert 0 < sum(first) < 16


def test_nothing_was_sent_where_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # Bound without listening: the port is ours and refuses.
        with pytest.raises(NotSent):
            asyncio.run(bank_at(address_of(bound)).pay_wire(wire()))


def test_a_key_that_cannot_travel_is_not_sent(bank: RunningBank) -> None:
    with pytest.raises(NotSent):
        asyncio.run(bank_at(bank.url).pay_transfer(transfer(), key="a\r\nb: c"))
    assert bank.statement().requests == ()


def test_a_bank_that_answers_nonsense_leaves_the_payer_in_doubt() -> None:
    async def pay_at(answer: bytes) -> None:
        async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"}")
            writer.write(answer)
            writer.close()

        async with await asyncio.start_server(answered, "127.0.0.1", 0) as server:
            await bank_at(address_of(server.sockets[0])).pay_wire(wire())

    for answer in (
        b"",
        b"HTTP/1.1 201 Created\r\nContent-Length: 90\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\n{}",
        b"what?\r\n\r\n",
    ):
        with pytest.raises(NoReply):
            asyncio.run(pay_at(answer))


def test_a_killed_bank_keeps_what_it_booked_and_its_keys(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    bank, started = start_bank(ledger, BankSettings())
    with started:
        paid = asyncio.run(bank_at(bank.url).pay_transfer(transfer(), key="key-1"))
        started.kill()
    with open_bank(ledger) as reopened:
        again = asyncio.run(bank_at(reopened.url).pay_transfer(transfer(), key="key-1"))
        assert again == paid
        assert reopened.statement().payments == (paid,)


def test_a_bank_told_to_stop_ends_cleanly_even_while_it_holds_a_payment(tmp_path: Path) -> None:
    bank, started = start_bank(tmp_path / "ledger.db", BankSettings())
    with (
        started,
        subprocess.Popen([sys.executable, "-c", PAYER, bank.url], stderr=subprocess.DEVNULL) as payer,
    ):
        bank.hold("booked")
        assert len(bank.held(wait_s=WAIT_S).held) == 1
        started.terminate()
        assert started.wait(WAIT_S) == 0
        assert payer.wait(WAIT_S) != 0


def test_a_bank_ends_with_the_parent_it_was_given(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "ledger.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        bank_pid = parent.stdout.readline()
        bank = psutil.Process(int(bank_pid))
        assert bank.is_running()
        parent.kill()
    bank.wait(WAIT_S)
    assert not bank.is_running() or bank.status() == psutil.STATUS_ZOMBIE


def test_a_bank_that_cannot_open_its_ledger_never_says_that_it_listens(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="before it listened"):
        start_bank(tmp_path / "no such folder" / "ledger.db", BankSettings())
