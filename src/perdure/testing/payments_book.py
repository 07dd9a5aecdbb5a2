"""What a payment server has on disk: everything it was asked, and everything it paid.

Invariants:
1. What stands in the book was durable before anyone heard of it.
2. Several processes write one book at once: a lock holds off the others while one looks and writes.
3. Lines are whole. What a process that died in the middle of a line left is cut off by the next that writes.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

LineKind = Literal["started", "asked", "paid", "refunded"]


class BookLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of the book."""

    kind: LineKind
    process: int
    number: int = 0
    """of what was asked for, and of the payment, each counted by itself"""
    payee: str = ""
    cents: int = 0
    reference: str = ""
    invoice: str = ""

    @property
    def payment(self) -> str:
        """The name that the payer gets for it."""
        return f"P-{self.number:06d}"


class PaymentBook:
    """The book at ``path``, for any number of processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[BookLine]:
        """Return all that is in it, oldest first; a torn last line is none."""
        if not self.path.exists():
            return []
        whole, _, _ = self.path.read_bytes().rpartition(b"\n")
        return [msgspec.json.decode(line, type=BookLine) for line in whole.splitlines()]

    def paid(self) -> list[BookLine]:
        """Return what was paid and not refunded."""
        lines = self.lines()
        back = {line.number for line in lines if line.kind == "refunded"}
        return [line for line in lines if line.kind == "paid" and line.number not in back]

    def started(self, process: int) -> None:
        """Record that a server lives, so that whoever looks for orphans knows its number."""
        with self._alone() as file:
            _written(file, BookLine("started", process))

    def asked(self, wish: BookLine) -> int:
        """Record that a payment was asked for; return the how manieth that was."""
        with self._alone() as file:
            number = 1 + sum(line.kind == "asked" for line in self.lines())
            _written(file, msgspec.structs.replace(wish, kind="asked", number=number))
        return number

    def pay(self, wish: BookLine) -> BookLine:
        """Pay, and return the payment, which is on disk."""
        with self._alone() as file:
            number = 1 + sum(line.kind == "paid" for line in self.lines())
            payment = msgspec.structs.replace(wish, kind="paid", number=number)
            _written(file, payment)
        return payment

    def refund(self, payment: str, process: int) -> bool:
        """Pay back ``payment``, once; False if there is none that wasn't paid back."""
        with self._alone() as file:
            found = [line for line in self.paid() if line.payment == payment]
            for line in found:
                _written(file, msgspec.structs.replace(line, kind="refunded", process=process))
        return bool(found)

    @contextmanager
    def _alone(self) -> Generator[BinaryIO]:
        new = not self.path.exists()
        with self.path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if new:
                _synced(self.path.parent)
            whole, _, torn = self.path.read_bytes().rpartition(b"\n")
            if torn:
                os.ftruncate(file.fileno(), len(whole) + bool(whole))
            yield file


def _written(file: BinaryIO, line: BookLine) -> None:
    file.write(msgspec.json.encode(line) + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _synced(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def let_go(book: Path) -> Path:
    """Return the file whose appearance ends every ``hold`` of the servers of ``book``."""
    return book.with_name(book.name + ".go")
