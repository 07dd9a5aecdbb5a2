"""What happens in the third scene, in order; and whether what it claims came true.

Invariants:
- A claim is checked on this run: on the requests that arrived at the provider, its bill, and the agent's own history.
- What costs more with perdure than without is said as it is.
"""

import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import msgspec
from rich.markup import escape

import perdure
from perdure.assembly.accounts import ledger_of
from perdure.demo.window_agent import MODEL, Broken, Coder, Refused
from perdure.demo.window_bill import Row, Session, billed
from perdure.demo.window_gateway import Gateway, NotListening, Strict, open_provider
from perdure.demo.window_project import GO_ON, LET_GO, PLOT, TASK, Project
from perdure.demo.window_seen import Seen, not_so
from perdure.demo.window_show import Drawn, dollars
from perdure.page.worth import LOSS_MAX
from perdure.testing.upstream.narrator import ANSWERS
from perdure.testing.upstream.plots import used_in
from perdure.testing.upstream.troubles import Trouble

LUNCH_MINUTES: Final = 20
KILLED_AT: Final = 100
"""the request in whose reply the gateway is killed"""
KILLED_EVENT: Final = 4
_OURS: Final = re.compile(rb"perdure|(?<![\w-])p-[a-z2-9]{10,48}(?!\w)")
"""what the agent must never have heard of"""


class Kill(NamedTuple):
    """What came of killing the gateway in the middle of a reply."""

    same: bool
    microusd: int


class Account(NamedTuple):
    """What perdure's log says of the session."""

    run: str
    sound: bool
    paid: int
    alone: int


class Scene:
    """The scene, played in a folder and drawn on a console."""

    def __init__(self, folder: Path, out: TextIO, mode: str = "safe") -> None:
        """Play in ``folder``, with gateways in ``mode``, and draw on ``out``."""
        self._folder: Path = folder
        self._drawn: Drawn = Drawn(out)
        self._mode: str = mode
        self._project: Project = Project()
        self._right: list[str] = [self._project.token(file) for file in used_in(PLOT)]
        self._marks: dict[int, str] = {}
        self._told: int = 0

    def play(self) -> Seen:
        """Play it to its end, and count."""
        began = time.monotonic()
        self._drawn.opening(self._folder, MODEL)
        bare, leg = self._without()
        self._drawn.say(f"[dim]Done once without perdure: {leg} requests. Now with it:[/]\n")
        with open_provider(self._project) as strict:
            ours = self._session("with", strict)
            kill = self._through(ours, strict)
            rows, broken = tuple(ours.rows), ours.breaks()
            leaving = self._leave(ours, strict, bare)
        account = self._account()
        paid, alone = _paid(rows), _paid(bare[: len(rows)])
        seen = Seen(
            requests=len(rows),
            bare_microusd=alone,
            paid_microusd=paid,
            cut_microusd=kill.microusd,
            leaving_microusd=leaving,
            account_microusd=account.paid,
            alone_microusd=account.alone,
            moves=len(ours.moved),
            faults=sum(bool(row.asked) for row in rows),
            breaks_decided=sum(each.cause == "move" for each in broken),
            breaks=sum(each.cause != "move" for each in broken),
            seconds=round(time.monotonic() - began, 1),
            same_answers=self._noted("with") == self._noted("without") == self._right,
            page_moved=any(each.handle for each in ours.moved.values()),
            page_came_back=any(row.asked for row in rows) and not _OURS.search(ours.coder.sent[-1]),
            same_after_kill=kill.same,
            prefix_kept=all(each.cause == "move" for each in broken),
            goes_on_bare=len(rows) == leg and len(ours.rows) == len(bare),
            log_sound=account.sound,
            within_cap=paid <= alone * (1 + LOSS_MAX),
        )
        seen = msgspec.structs.replace(seen, promised=not any(not_so(seen)))
        self._drawn.window(bare[:leg], rows, self._marks)
        self._drawn.closing(seen, account.run, self._folder / "store")
        return seen

    def _session(self, name: str, strict: Strict) -> Session:
        directory = self._folder / name
        self._project.lay_out(directory)
        return Session(Coder(strict.url, directory), strict.provider)

    def _without(self) -> tuple[Sequence[Row], int]:
        """Do all of the work without perdure; return its requests, and how many came before the last leg."""
        with open_provider(self._project) as strict:
            session = self._session("without", strict)
            session.coder.told(TASK)
            session.until_told()
            strict.ahead = LUNCH_MINUTES * 60
            session.coder.told(GO_ON)
            session.until_told()
            leg = len(session.rows)
            session.coder.told(LET_GO)
            session.until_told()
            return tuple(session.rows), leg

    def _through(self, ours: Session, strict: Strict) -> Kill:
        """Do the work through gateways: one before lunch, one that is killed, one after it."""
        ours.coder.told(TASK)
        with self._gateway(strict) as first:
            self._until(ours, first.url)
            first.end()
        strict.ahead = LUNCH_MINUTES * 60
        request = len(ours.rows) + 1
        self._happened(
            request, "yellow", "pause", f"of {LUNCH_MINUTES} minutes: the provider's cache is cold"
        )
        ours.coder.told(GO_ON)
        with self._gateway(strict) as second:
            self._until(ours, second.url, KILLED_AT - 1)
            records = len(strict.provider.recorded)
            cut = self._killed(ours, second, strict)
        with self._gateway(strict, second.port) as third:
            ours.coder.url = third.url
            ours.turn()
            kill = self._kept(ours, records, cut=cut)
            self._until(ours, third.url)
            third.end()
        return kill

    def _gateway(self, strict: Strict, port: int = 0) -> Gateway:
        return Gateway(self._folder / "store", strict.url, mode=self._mode, port=port, ahead=strict.ahead)

    def _until(self, ours: Session, url: str, stop: int = 0) -> None:
        """Let the agent work, and tell what the provider sees of it."""
        ours.coder.url = url
        wants_more = True
        while wants_more and not (stop and len(ours.rows) >= stop):
            wants_more = ours.turn()
            self._news(ours)

    def _news(self, ours: Session) -> None:
        new = list(ours.moved.values())[self._told :]
        self._told = len(ours.moved)
        for preview, mark in ((False, "l"), (True, "p")):
            together = [each for each in new if each.preview == preview]
            if together:
                self._marks[len(ours.rows)] = mark
                self._drawn.moved(together)
        number, row = len(ours.rows), ours.rows[-1]
        if row.asked:
            text = (
                f"the model asks for {escape(row.asked)} and has it in the same reply: "
                f"{row.calls} calls at the provider, one answer for the agent"
            )
            self._happened(number, "magenta", "fault", text, "f")

    def _killed(self, ours: Session, gateway: Gateway, strict: Strict) -> bool:
        """Kill the gateway in the middle of a reply; tell whether the reply broke off."""
        strict.provider.plan({1: Trouble("slow", pause_ms=80)})

        def heard(number: int) -> None:
            if number == KILLED_EVENT:
                gateway.end(signal.SIGKILL)

        ours.coder.hears = heard
        try:
            ours.turn()
        except Broken:
            return True
        finally:
            ours.coder.hears = None
        return False

    def _kept(self, ours: Session, records: int, *, cut: bool) -> Kill:
        """Compare what the next gateway sent with what the killed one had."""
        first, again = ours.provider.recorded[records : records + 2]
        same = cut and first.body == again.body
        told, bill = again.metered, billed(first)
        whole, read = (told.whole, told.read) if told is not None else (0, 0)
        words = f"the same {len(again.body):,} bytes" if same else "[red]other bytes[/]"
        text = (
            f"in mid-reply. The next gateway sends {words}; {read:,} of {whole:,} tokens come from the cache"
        )
        self._happened(len(ours.rows), "red", "SIGKILL", text, "K")
        self._news(ours)
        return Kill(same and read == whole > 0, bill)

    def _leave(self, ours: Session, strict: Strict, bare: Sequence[Row]) -> int:
        """Take the gateway away; return what the first request without it cost more than it had to."""
        number = len(ours.rows)
        ours.coder.told(LET_GO)
        ours.coder.url = strict.url
        try:
            ours.until_told()
        except (Broken, Refused) as error:
            self._happened(number + 1, "red", "refused", escape(str(error)[:200]))
        if not number < len(ours.rows) <= len(bare):
            return 0
        more = ours.rows[number].microusd - bare[number].microusd
        text = f"the agent goes on bare. Its own history is accepted, and read in anew, once: {dollars(more)} more"
        self._happened(number + 1, "yellow", "no gateway", text)
        return more

    def _account(self) -> Account:
        """Return what the log says, which is verified and decided again."""
        with perdure.open(self._folder / "store") as store:
            runs = [row.run for row in store.runs()]
            sound = all(store.verify(run).ok and store.replay(run).difference is None for run in runs)
            books = [ledger_of(store, run).totals for run in runs]
        paid, alone = (sum(book.cost_microusd for book in books), sum(book.alone_microusd for book in books))
        return Account(runs[0] if runs else "", sound and len(runs) == 1, paid, alone)

    def _noted(self, name: str) -> list[str]:
        notes = self._folder / name / ANSWERS
        return notes.read_text(encoding="utf-8").split() if notes.exists() else []

    def _happened(self, number: int, tone: str, word: str, text: str, mark: str = "") -> None:
        self._drawn.happened(number, tone, word, text)
        if mark:
            self._marks[number] = mark


def shown(folder: Path, out: TextIO) -> Seen | None:
    """Play the scene in ``folder`` and draw it on ``out``; None where it broke off."""
    try:
        return Scene(folder, out).play()
    except (Broken, Refused, NotListening) as error:
        Drawn(out).trouble(f"{type(error).__name__}: {error}")
        return None


def _paid(rows: Sequence[Row]) -> int:
    return sum(row.microusd for row in rows)
