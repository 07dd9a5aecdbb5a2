"""How things look: tones, times, money; and nothing that came from outside can steer the terminal."""

import os
import sys
from datetime import datetime
from typing import Final, Literal, NamedTuple

import click

from perdure.checkpoint.tree import spelled

Tone = Literal["good", "bad", "doubt", "ask", "head", "quiet", "plain", "model", "tool"]

COLOURS: Final[dict[Tone, str]] = {
    "good": "green",
    "bad": "red",
    "doubt": "yellow",
    "ask": "magenta",
    "head": "blue",
    "quiet": "bright_black",
    "plain": "",
    "model": "cyan",
    "tool": "white",
}

_CONTROLS: Final = {
    code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if code not in (0x09, 0x0A)
}
"""What a terminal would obey instead of show: escape sequences begin with one of these."""


class Line(NamedTuple):
    """One thing to say: a sign and its tone, the words, and an aside."""

    sign: str
    tone: Tone
    words: str
    aside: str = ""


def clean(text: str) -> str:
    """Return ``text`` with control characters spelled out; lines and tabs stay."""
    return text.translate(_CONTROLS)


def path_name(path: str) -> str:
    """Return a path of a workspace on one line: whoever names a file may put anything into its name."""
    return clean(spelled(path).replace("\n", "\\n").replace("\t", "\\t"))


def one_line(text: str, width: int = 0) -> str:
    """Return ``text`` on one line, cut to ``width`` if that is given."""
    flat = clean(" ".join(text.split()))
    return f"{flat[: width - 1]}…" if width and len(flat) > width else flat


def inked(text: str, tone: Tone, *, bold: bool = False) -> str:
    """Return ``text`` in the colour of ``tone``; ``click.echo`` leaves it out where none is shown."""
    if os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=COLOURS[tone] or None, bold=bold or None)


def clock(at: int) -> str:
    """Return the local time of day of ``at`` (ns), to the millisecond."""
    return f"{_local(at):%H:%M:%S}.{at // 1_000_000 % 1000:03d}"


def day(at: int) -> str:
    """Return the local date of ``at``."""
    return f"{_local(at):%Y-%m-%d}"


def moment(at: int) -> str:
    """Return the local date and time of ``at``, with its offset."""
    return _local(at).isoformat(sep=" ", timespec="seconds")


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1_000_000_000).astimezone()


def span(ns: int) -> str:
    """Return a stretch of time in the unit that a person would use."""
    seconds = ns / 1e9
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def count(number: int, noun: str) -> str:
    """Return '1 event', '2 events'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def money(microusd: int) -> str:
    """Return millionths of a dollar as dollars, with as many digits as say something."""
    return f"${microusd / 1e6:.2f}" if microusd >= 1_000_000 or not microusd else f"${microusd / 1e6:.4f}"


def size(count_of_bytes: int) -> str:
    """Return bytes as people read them."""
    amount = float(count_of_bytes)
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "bytes" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TB"


def is_terminal() -> bool:
    """Tell whether standard output is a person's screen."""
    return sys.stdout.isatty()
