"""Start the bank as a process, and order what goes wrong in it.

The demo and the tests share this: they play the world, so they may hold a payment where they like,
kill whoever sent it, and let go.
"""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TypeVar

import msgspec

from perdure.demo.bank_words import FaultOrder, HoldOrder, Stage, Statement, Traffic

Said = TypeVar("Said")


class RunningBank(msgspec.Struct, frozen=True):
    """A bank that listens; its orders are plain calls that block."""

    url: str
    pid: int

    def set_faults(self, faults: FaultOrder) -> None:
        """Put the named faults in force."""
        self._order("/admin/faults", faults)

    def hold(self, at: Stage = "booked", *, count: int = 1, invoice: str = "") -> None:
        """Make the next `count` payment requests wait at this stage, of one invoice or of any."""
        self._order("/admin/hold", HoldOrder(at=at, count=count, invoice=invoice))

    def release(self) -> None:
        """Let whatever is held go on, and hold nothing more."""
        self._order("/admin/release", None)

    def end_day(self) -> None:
        """From now on the express wires booked so far are listed."""
        self._order("/admin/end-of-day", None)

    def held(self, *, count: int = 1, wait_s: float = 10.0) -> Traffic:
        """Give the traffic as soon as `count` requests are held, or when the wait is over."""
        target = f"/admin/held?count={count}&wait_ms={round(wait_s * 1000)}"
        return self._ask("GET", target, Traffic, b"", wait_s)

    def quiet(self, *, wait_s: float = 10.0) -> Traffic:
        """Give the traffic as soon as no payment request is in progress, or after the wait."""
        target = f"/admin/quiet?wait_ms={round(wait_s * 1000)}"
        return self._ask("GET", target, Traffic, b"", wait_s)

    def statement(self) -> Statement:
        """Read everything that the bank has booked."""
        return self._ask("GET", "/ledger", Statement)

    def _order(self, path: str, order: msgspec.Struct | None) -> None:
        body = b"" if order is None else msgspec.json.encode(order)
        self._ask("POST", path, dict[str, str], body)

    def _ask(
        self, method: str, target: str, shape: type[Said], body: bytes = b"", wait_s: float = 0.0
    ) -> Said:
        # The margin tells "the bank is gone" from "the bank is still waiting, as it was told".
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=wait_s + 10.0)
        try:
            connection.request(method, target, body)
            # Closed here and not by its finalizer, which swallows a Ctrl-C.
            with connection.getresponse() as reply:
                said = reply.read()
        finally:
            connection.close()
        if reply.status != 200:
            raise RuntimeError(f"the bank refused {method} {target}: {said.decode()}")
        return msgspec.json.decode(said, type=shape)


class BankSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a bank is started; the bank's own module says what each one means."""

    port: int = 0
    seed: int = 0
    lose_replies: float = 0.0
    slow_ms: int = 0
    visible_ms: int = 0
    opening_cents: int = 100_000_000
    parent: int | None = None


def start_bank(ledger: Path, settings: BankSettings) -> tuple[RunningBank, subprocess.Popen[str]]:
    """Return once the bank listens; ending the process is the caller's part."""
    given: dict[str, object] = msgspec.structs.asdict(settings)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None]
    started = subprocess.Popen(
        [sys.executable, "-m", "perdure.demo.bank", f"--ledger={ledger}", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    first = started.stdout.readline() if started.stdout else ""
    url = first.removeprefix("listening on ").strip()
    if not url.startswith("http://"):
        with started:  # waits for its end, and closes its pipe
            started.terminate()
        raise RuntimeError(f"the bank ended with {started.returncode} before it listened")
    return RunningBank(url, started.pid), started


@contextmanager
def open_bank(ledger: Path, settings: BankSettings | None = None) -> Generator[RunningBank]:
    """Have a bank for the length of a `with` block; afterwards it is gone and its ledger stays."""
    bank, started = start_bank(ledger, settings or BankSettings())
    with started:
        try:
            yield bank
        finally:
            started.terminate()
