"""The third scene told to a person: drawn in blocks and colours on a terminal, in plain characters elsewhere."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Final, TextIO

from rich.console import Console
from rich.markup import escape

from perdure.demo.telling import PLAIN_WIDTH
from perdure.demo.window_bill import Moved, Row
from perdure.demo.window_seen import Seen, not_so

_HEIGHT: Final = 9
_WIDTH: Final = 84
_BAR: Final = 50
_QUOTED: Final = 112
_NAMED: Final = 6
_TOLD_BYTES: Final = 4_000
"""What is smaller is only marked in the drawing, and counted."""
MARKS: Final = {"p": "preview", "l": "left", "K": "SIGKILL", "f": "fault"}


class Drawn:
    """A console that draws."""

    def __init__(self, out: TextIO) -> None:
        """Draw on ``out``."""
        terminal = out.isatty()
        self._console: Console = Console(
            file=out, highlight=False, soft_wrap=True, width=None if terminal else PLAIN_WIDTH
        )
        self._full, self._light = ("█", "░") if terminal else ("#", ".")
        self._quoted: set[str] = set()
        self._arrow: str = "→" if terminal else "->"

    def opening(self, folder: Path, model: str) -> None:
        """Say what is about to happen."""
        self.say(f"\n[bold]perdure demo window[/]  an agent that never heard of perdure, in {folder}")
        self.say(
            f"[dim]It works through `perdure gateway`. Its provider is a strict script with the prices of {model}: "
            f"it signs thoughts, keeps a prompt cache, and bills.[/]"
        )

    def say(self, text: str = "") -> None:
        """Say one line."""
        self._console.print(text)

    def happened(self, request: int, tone: str, word: str, text: str) -> None:
        """Tell what happened with a request."""
        self.say(f"[bold {tone}]{word:<10}[/]{request:>4}  {text}")

    def moved(self, together: Sequence[Moved]) -> None:
        """Tell how results came or left with one request: the largest, and the others after it."""
        each, *rest = sorted(together, key=lambda moved: -moved.whole)
        if each.whole < _TOLD_BYTES:
            return
        how = "comes as a preview" if each.preview else "leaves the window"
        word = "preview" if each.preview else "left"
        self.happened(each.request, "blue", word, f"{escape(each.file)} {how}: {self._size([each])}")
        if word not in self._quoted:
            self._quoted.add(word)
            for line in wrap(each.stands, _QUOTED):
                self.say(f"{'':<16}[dim]{escape(line)}[/]")
        if rest:
            named = ", ".join(other.file for other in rest) if len(rest) < _NAMED else f"{len(rest)} more"
            self.say(f"{'':<16}and so with {escape(named)}: {self._size(rest)}")

    def _size(self, together: Sequence[Moved]) -> str:
        whole, shown = (sum(sizes) for sizes in zip(*((m.whole, m.shown) for m in together), strict=True))
        return f"{whole:,} bytes {self._arrow} {shown:,}"

    def trouble(self, text: str) -> None:
        """Say what broke it off."""
        self.say(f"[bold red]broke off[/] {escape(text[:400])}")

    def window(self, bare: Sequence[Row], ours: Sequence[Row], marks: Mapping[int, str]) -> None:
        """Draw the window over the requests, with perdure and without."""
        columns = min(_WIDTH, len(bare), len(ours))
        tall, small = _columns(bare, columns), _columns(ours, columns)
        top = max(*tall, *small)
        self.say(
            f"\n[bold]The window over {len(ours)} requests[/], as the provider counts it: "
            f"[green]{self._full}[/] with perdure, {self._light} as much more without"
        )
        for level in range(_HEIGHT, 0, -1):
            floor = top * (level - 0.5) / _HEIGHT
            label = f"{top * level / _HEIGHT / 1000:.0f}k" if level % 3 == 0 else ""
            self.say(f"{label:>6} {self._level(small, tall, floor)}".rstrip())
        line = [" "] * columns
        for request, mark in marks.items():
            place = min((request - 1) * columns // len(ours), columns - 1)
            line[place] = mark if line[place] == " " else "+"
        told = ", ".join(f"{mark} {MARKS[mark]}" for mark in dict.fromkeys(marks.values()))
        self.say(f"{'':>6} [bold]{''.join(line)}[/]  [dim]{told}[/]\n" if told else "")

    def _level(self, small: Sequence[int], tall: Sequence[int], floor: float) -> str:
        """Return one line of the drawing: full where both are as high, light where only the taller one is."""
        drawn = [
            self._full if low >= floor else self._light if high >= floor else " "
            for low, high in zip(small, tall, strict=True)
        ]
        runs = ((char, len(list(run))) for char, run in groupby(drawn))
        tones = {self._full: "green", self._light: "dim"}
        return "".join(f"[{tones.get(char, 'none')}]{char * length}[/]" for char, length in runs)

    def closing(self, seen: Seen, run: str, store: Path) -> None:
        """Show the bill, and say what held and what did not."""
        saved = seen.bare_microusd - seen.paid_microusd
        tone, word = ("green", "less") if saved >= 0 else ("red", "MORE")
        self.say(f"[bold]What the provider bills for these {seen.requests} requests[/]")
        self._bar("without perdure", seen.bare_microusd, seen.bare_microusd, "dim")
        self._bar("with perdure", seen.paid_microusd, seen.bare_microusd, tone)
        self.say(
            f"  [bold {tone}]{dollars(abs(saved))} {word}, {share(abs(saved), seen.bare_microusd)}[/], with "
            f"{_count(seen.faults, 'fault')}, and {dollars(seen.cut_microusd)} for the reply that the kill cut off"
        )
        off = seen.alone_microusd - seen.bare_microusd
        self.say(
            f"  [dim]perdure's own account has {dollars(seen.account_microusd)} paid of "
            f"{dollars(seen.alone_microusd)} append-only, {share(abs(off), seen.bare_microusd)} "
            f"{'above' if off >= 0 else 'below'} that bill:[/]"
        )
        self.say(f"  [bold blue]$ perdure cost {run} --store {escape(str(store))}[/]")
        sound = "sound" if seen.log_sound else "NOT SOUND"
        self.say(
            f"[bold]{_count(seen.moves, 'result')} moved, {_count(seen.faults, 'fault')}. Prefix breaks: "
            f"{seen.breaks_decided} where a page left, {seen.breaks} else. The log is {sound}.[/] "
            f"[dim]{seen.seconds:.0f} s[/]"
        )
        for words in not_so(seen):
            self.say(f"[bold red]not so[/]    {words}")
        self.say()

    def _bar(self, name: str, amount: int, largest: int, tone: str) -> None:
        drawn = self._full * round(amount / max(largest, 1) * _BAR)
        self.say(f"  {name:<16} [{tone}]{drawn}[/] {dollars(amount)}")


def dollars(microusd: int) -> str:
    """Return an amount of money as a person reads it."""
    sign = "-" if microusd < 0 else ""
    return f"{sign}${abs(microusd) / 1e6:.2f}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def share(part: int, whole: int) -> str:
    """Return a part in hundredths."""
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def _columns(rows: Sequence[Row], columns: int) -> list[int]:
    """Return the largest window of the requests that share a column."""
    return [
        max(row.window for row in rows[at * len(rows) // columns : (at + 1) * len(rows) // columns])
        for at in range(columns)
    ]
