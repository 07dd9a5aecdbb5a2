"""The fourth scene told to a person, and its run drawn in lanes."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from rich.console import Console
from rich.markup import escape

from perdure.demo.telling import PLAIN_WIDTH
from perdure.demo.wrap_lanes import LANES, SIGNS, Lane, Link, Moment, abandoned, moments
from perdure.demo.wrap_seen import Seen, not_so
from perdure.log.envelope import Event

_NAME: Final = 13
_LEGENDS: Final = 2
"""Lanes whose signs are told in the first line of two."""
_TROUBLE: Final = 900
_TONES: Final[dict[Lane, str]] = {
    "client": "bold",
    "keeper": "bold",
    "model calls": "cyan",
    "payments": "green",
    "person": "yellow",
    "files": "blue",
    "pages": "magenta",
}


class Paid(NamedTuple):
    """One payment that was meant, in both ledgers."""

    payee: str
    cents: int
    bare: int
    wrapped: int
    why: str


class _Cell(NamedTuple):
    """One column of one lane."""

    sign: str
    width: int
    left: bool
    """whether it lies in an abandoned tail"""


class Drawn:
    """A console that tells and draws."""

    def __init__(self, out: TextIO) -> None:
        """Draw on ``out``."""
        terminal = out.isatty()
        self._console: Console = Console(
            file=out, highlight=False, soft_wrap=True, width=None if terminal else PLAIN_WIDTH
        )
        self._arrow: str = "←" if terminal else "<-"
        self._on, self._off = ("─", "·") if terminal else ("-", ".")

    def opening(self, folder: Path) -> None:
        """Say what is about to happen."""
        self.say(
            f"\n[bold]perdure demo wrap[/]  an agent that perdure doesn't know, in {escape(str(folder))}"
        )
        self.say(
            "[dim]Purser is a program of its own: a model, a shell, two MCP servers that pay, a transcript. The servers keep "
            "ledgers and no keys: asked twice,\nthey pay twice. The provider is a strict script, which words each payment "
            "anew.[/]\n"
        )

    def say(self, text: str = "") -> None:
        """Say one line."""
        self._console.print(text)

    def happened(self, position: int, tone: str, word: str, text: str) -> None:
        """Tell what the log has at ``position``; 0: it is in no log."""
        self.say(f"[bold {tone}]{word:<10}[/]{position or '':>4}  {text}")

    def typed(self, command: str) -> None:
        """Show a command that a person types."""
        self.say(f"[bold blue]$ {escape(command)}[/]")

    def quoted(self, lines: Sequence[str]) -> None:
        """Show what a command says."""
        for line in lines:
            self.say(f"  [dim]{escape(line.strip())}[/]")

    def trouble(self, text: str) -> None:
        """Say what broke it off."""
        self.say(f"[bold red]broke off[/] {escape(text[:_TROUBLE])}")

    def story(self, run: str, events: Sequence[Event]) -> None:
        """Draw a run in lanes, one column for each event that matters; an abandoned tail is dim, but for payments."""
        shown, gone = moments(events), abandoned(events)
        self.say(
            f"\n[bold]The one story[/]  {len(events)} events of the run {run}, in order; those that matter drawn"
        )
        for lane in LANES:
            cells = [
                _Cell(
                    each.sign if each.lane == lane else "",
                    _width(each),
                    lane != "payments" and each.position in gone,
                )
                for each in shown
            ]
            self.say(f"{lane:<{_NAME}}{_row(cells, _TONES[lane])}")
        path = [(self._off if each.position in gone else self._on) * _width(each) for each in shown]
        self.say(f"[dim]{'path':<{_NAME}}{''.join(path)}[/]")
        told = [", ".join(f"{sign} {words}" for sign, words in SIGNS[lane].items()) for lane in LANES]
        told = [*filter(None, told), f"{self._off * 2} an abandoned tail"]
        for line in (told[:_LEGENDS], told[_LEGENDS:]):
            self.say(f"[dim]{'':<{_NAME}}{'; '.join(line)}[/]")
        self.say()

    def chains(self, chains: Sequence[Sequence[Link]]) -> None:
        """Say what led to what."""
        for links in chains:
            told = f" {self._arrow} ".join(f"{link.words} [dim]{link.position}[/]" for link in links)
            self.say(f"{'why':<{_NAME}}{told}")
        self.say()

    def ledgers(self, paid: Sequence[Paid]) -> None:
        """Show both ledgers beside one another."""
        self.say(f"[bold]{'What was paid':<36}{'alone':>8}  {'wrapped':>8}[/]")
        for each in paid:
            many = "red" if each.bare > 1 else "none"
            once = "green" if each.wrapped == 1 else "red"
            self.say(
                f"  {each.payee:<20}{each.cents / 100:>12,.2f}  [bold {many}]{each.bare:>6} x[/]"
                f"  [bold {once}]{each.wrapped:>6} x[/]  [dim]{each.why}[/]"
            )

    def closing(self, seen: Seen, store: Path, run: str) -> None:
        """Say the figures, and what did not come true."""
        self.say(
            f"  {'deleted files that are there':<34}{f'{seen.files_bare} of {seen.files_deleted}':>8}  "
            f"{f'{seen.files} of {seen.files_deleted}':>8}"
        )
        tone = "green" if seen.promised else "red"
        self.say(
            f"[bold {tone}]{seen.too_many} payments too many, {seen.files_deleted - seen.files} files lost[/], after SIGKILL of "
            f"the client and of the keeper; alone: [bold red]{seen.too_many_bare} payments too many, "
            f"{seen.files_deleted - seen.files_bare} files lost[/]."
        )
        sound = "sound" if seen.log_sound else "NOT SOUND"
        self.say(
            f"{seen.turns} turns, {seen.receipts} receipt, {seen.questions} question, {seen.pages_left} page out and "
            f"{seen.faults} back in one run of {seen.events} events, which is {sound}. [dim]{seen.seconds:.0f} s[/]"
        )
        self.say(f"[bold blue]$ perdure log {run} --store {escape(str(store))}[/]")
        for words in not_so(seen):
            self.say(f"[bold red]not so[/]    {words}")
        self.say()


def _width(moment: Moment) -> int:
    return len(moment.sign) + 1


def _row(cells: Sequence[_Cell], tone: str) -> str:
    """Return one lane up to its last sign; what lies in an abandoned tail is dim."""
    last = max((place for place, cell in enumerate(cells) if cell.sign), default=-1)
    shown = [*cells[: max(last, 0)], *(cell._replace(width=0) for cell in cells[last : last + 1])]
    parts: list[str] = []
    for left, cell in groupby(shown, key=lambda each: each.left):
        text = "".join(f"{each.sign:<{each.width}}" for each in cell)
        parts.append(f"[{'dim' if left else tone}]{escape(text)}[/]")
    return "".join(parts)
