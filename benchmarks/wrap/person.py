"""A person beside a wrapped client: reads its run as it is written, and answers what is asked, by perdure's own commands.

A payment that was made already is denied when it is asked for again; one that was meant is allowed, and counted,
since a person had to be asked for it. What is in doubt is settled by a look into the server's book.
"""

import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from benchmarks.wrap.processes import PERDURE, ROOT
from perdure.assembly.store import open_store
from perdure.log import events as e
from perdure.log.envelope import unseal
from perdure.testing.payments_book import PaymentBook
from perdure.values.errors import PerdureError

LOOK_SECONDS = 0.2


class Asked(msgspec.Struct, frozen=True):
    """What a person was asked, and what was said."""

    what: str
    """'approval' or 'doubt'"""
    invoice: str
    answer: str
    said: str
    """what the command answered"""


class Person:
    """Answers for one run, in a thread of its own, as long as ``with`` lasts."""

    def __init__(self, store: Path, run: str, book: PaymentBook) -> None:
        self.asked: list[Asked] = []
        self.failed: list[str] = []
        self._store = store
        self._run = run
        self._book = book
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watched, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watched(self) -> None:
        while not (self._store / "log.db").exists():
            if self._over.wait(LOOK_SECONDS):
                return
        store = open_store(self._store)
        position, calls = 0, dict[str, e.IntentionProposed]()
        try:
            while not self._over.wait(LOOK_SECONDS):
                if not store.books.rows(self._run):
                    continue
                for stored in store.books.read(self._run, position):
                    event = unseal(stored)
                    position = event.position
                    self._seen(event.body, calls)
        except PerdureError as wrong:
            self.failed.append(repr(wrong))
        finally:
            store.close()

    def _seen(self, body: e.Body, calls: dict[str, e.IntentionProposed]) -> None:
        match body:
            case e.IntentionProposed():
                calls[body.call] = body
            case e.ApprovalRequested():
                invoice = str((calls[body.call].arguments or {}).get("invoice", ""))
                word = "deny" if self._paid(invoice) else "approve"
                self._answer("approval", invoice, word, [word, self._run, body.approval])
            case e.EffectDoubted():
                payment = self._book.paid()[-1]
                told = msgspec.json.encode({"content": [{"type": "text", "text": payment.payment}]}).decode()
                words = ["settle", self._run, body.key, "--succeeded", "--result", told]
                self._answer("doubt", payment.invoice, "settle", words)
            case _:
                return

    def _paid(self, invoice: str) -> bool:
        return any(line.invoice == invoice for line in self._book.paid())

    def _answer(self, what: str, invoice: str, answer: str, words: list[str]) -> None:
        command = [*PERDURE, *words, "--store", str(self._store)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        self.asked.append(Asked(what, invoice, answer, done.stdout.strip()))
        if done.returncode:
            self.failed.append(f"{' '.join(words)}: {done.stderr.strip()}")
