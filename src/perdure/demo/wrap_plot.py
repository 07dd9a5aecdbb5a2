"""The books that the fourth scene is played with, which are made up, and what its model says about them.

Invariants:
- What the model says follows from the request, but for references: it never words a payment twice in the same way.
- It writes down the code from the mail only if the mail stands in the prompt of that very request; else it asks for it.
"""

import hashlib
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Final

from perdure.testing.upstream.ledgers import Ledgers
from perdure.testing.upstream.narrator import Narrator, Verse
from perdure.testing.upstream.plots import Command, Fetch, Plot, Quote, ToolUse
from perdure.testing.upstream.question import Offer, Question, ToolCall
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.tools import named, told_to_use
from perdure.values.digest import Json
from perdure.values.errors import require
from perdure.wire.reading import text_raw

TASK: Final = "Pay what the mail of March asks for, book it, and tidy up."
GO_ON: Final = "Go on."
ADVICE: Final = "Never delete receipts. Pack them up instead."

MAIL: Final = "mail/march.txt"
RECEIPTS: Final = tuple(f"receipts/2025-{month:02}.txt" for month in range(7, 13))
BOOKED: Final = "booked.csv"
INVOICE: Final = "INV-1041"
SUPPLIES: Final[dict[str, Json]] = {"payee": "Harbour Supplies", "cents": 124_000, "invoice": INVOICE}
TONER: Final[dict[str, Json]] = {"payee": "Toner Direct", "cents": 8_990}
DINNER: Final[dict[str, Json]] = {"payee": "Trattoria Rosa", "cents": 6_450}
BANK, CARD = "bank", "card"

BOOKING_STEP, QUOTING_STEP = 3, 5
"""Steps of the plot, from 1."""

_BOOKING: Final = "Harbour Supplies,1240.00\nToner Direct,89.90\n"
DELETING: Final = f"rm -r receipts {BOOKED}"
_BEFORE: Final[Plot] = (
    (Fetch(MAIL),),
    (ToolUse(f"{BANK}__pay", SUPPLIES), ToolUse(f"{CARD}__pay", TONER)),
    (Command(f"printf %s '{_BOOKING}' >> {BOOKED}"),),
    (ToolUse(f"{CARD}__pay", DINNER),),
    (Quote(MAIL),),
)
PLOT: Final[Plot] = (*_BEFORE, (Command(f"{DELETING} && ls"),))
"""It reads the mail, pays two in one reply, books, pays a third, writes down a code from the mail, and tidies too well."""
ADVISED: Final[Plot] = (*_BEFORE, (Command("tar -cf receipts.tar receipts && tar -tf receipts.tar | wc -l"),))
"""The same for a model that was told what it must not do."""

_WORDINGS: Final = ("{}", "{}, paid in March", "re {}", "{} - with thanks", "for {}")
_MAIL_BYTES: Final = 22_000


class Books(Ledgers):
    """The files, as the model's script and the client's machine both know them."""

    def __init__(self) -> None:
        """Hold them."""
        super().__init__("books")

    @cached_property
    def _mail(self) -> tuple[list[str], int]:
        lines: list[str] = []
        while sum(len(line) + 1 for line in lines) < _MAIL_BYTES:
            drawn = hashlib.sha256(f"mail {len(lines)}".encode()).hexdigest()
            lines.append(
                f"> {drawn[:24]}@example.org wrote, on 2026-03-{len(lines) % 28 + 1:02}: {drawn[24:]}"
            )
        middle = len(lines) // 2
        lines[middle] = f"Please quote our code when asked: {hashlib.sha256(b'code').hexdigest()[:12]}"
        return lines, middle

    def text(self, file: str) -> str:
        """Return what stands in ``file``."""
        if file == MAIL:
            return "\n".join(self._mail[0]) + "\n"
        if file == BOOKED:
            return _BOOKING
        return f"receipt {file}\n" + hashlib.sha256(file.encode()).hexdigest() + "\n"

    def middle(self, file: str) -> str:
        """Return how the line begins that is asked for."""
        return self._marked(file).rpartition(" ")[0]

    def token(self, file: str) -> str:
        """Return the word that stands nowhere else."""
        return self._marked(file).rpartition(" ")[2]

    def _marked(self, file: str) -> str:
        require(file == MAIL, "only the mail is asked for")
        lines, place = self._mail
        return lines[place]

    def lay_out(self, directory: Path) -> None:
        """Write all of it into ``directory``."""
        for file in (MAIL, *RECEIPTS):
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            (directory / file).write_text(self.text(file), encoding="utf-8")

    def lacking(self, directory: Path) -> list[str]:
        """Return what isn't in ``directory`` of what the tidying deletes, or isn't there byte for byte."""
        return [file for file in (*RECEIPTS, BOOKED) if self._found(directory / file) != self.text(file)]

    def _found(self, path: Path) -> str:
        return path.read_text(encoding="utf-8") if path.is_file() else ""


class Model(Narrator):
    """A narrator of two plots: a person's advice chooses the second."""

    def __init__(self, books: Books, signet: Signet) -> None:
        """Tell of ``books``."""
        super().__init__(PLOT, books, signet)
        self._names: Signet = signet
        self._worded: Counter[str] = Counter()

    def answer(self, question: Question) -> Verse:
        """Return what the model says."""
        told = any(each.role == "user" and ADVICE in each.text for each in question.passages)
        self._plot: Plot = ADVISED if told else PLOT
        return super().answer(question)

    def _used(self, question: Question, hands: Offer, step: int, act: ToolUse) -> ToolCall:
        offer = named(question.offers, act.tool)
        require(offer is not None, f"{act.tool} is not offered")
        if offer is None:
            return super()._used(question, hands, step, act)
        what = text_raw(act.arguments, "invoice") or text_raw(act.arguments, "payee")
        time = self._worded[what]
        self._worded[what] += 1
        reference = _WORDINGS[time % len(_WORDINGS)].format(what)
        return told_to_use(offer, {**act.arguments, "reference": reference}, self._names.call("toolu_", step))


def payee_of(payment: dict[str, Json]) -> str:
    """Return to whom it goes."""
    return text_raw(payment, "payee")


def cents_of(payment: dict[str, Json]) -> int:
    """Return how much it is."""
    cents = payment.get("cents")
    return cents if isinstance(cents, int) else 0
