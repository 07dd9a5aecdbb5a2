"""The codebase of the third scene, which is made up, with a large log in it; and what its agent does there.

Equal names make equal files. Each holds one word that stands nowhere else, in its middle, so that whoever writes it
down later must have it before them.
"""

import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Final

from perdure.testing.upstream.ledgers import Ledgers
from perdure.testing.upstream.plots import Act, Fetch, Pause, Plot, Quote, Small, files_of

TASK: Final = (
    "Totals differ by a cent since the release. Find out why, and note the codes of all that is involved."
)
GO_ON: Final = "I'm back. Go on."
LET_GO: Final = "One more thing: check the last code again."

HISTORY: Final = "docs/history.txt"
TOTALS: Final = "src/orders/totals.py"
SOURCES: Final = ("src/orders/rates.py", "src/orders/basket.py", "src/orders/api.py")
LOG: Final = "logs/orders.log"
_SIZES: Final = {HISTORY: 30_000, LOG: 48_000}
_SOURCE_BYTES, _CHECK_BYTES = 8_000, 1_500
_NOUNS: Final = (
    "basket",
    "coupon",
    "customer",
    "invoice",
    "line",
    "order",
    "rate",
    "refund",
    "total",
    "voucher",
)


def _checks(first: int, count: int) -> tuple[tuple[Act, ...], ...]:
    """Return so many runs of tests; an agent's day is full of them."""
    return tuple((Fetch(f"checks/{number:02}.txt"),) for number in range(first, first + count))


PLOT: Final[Plot] = (
    (Small("orders"),),
    (Fetch("README.md"),),
    (Fetch(HISTORY),),
    (Fetch(TOTALS),),
    (Quote(TOTALS),),
    *((Fetch(source),) for source in SOURCES),
    *_checks(1, 75),
    (Pause(),),
    *_checks(76, 8),
    (Fetch(LOG),),
    *_checks(84, 25),
    (Quote(LOG),),
    *_checks(109, 15),
    (Quote(HISTORY),),
    (Pause(),),
    (Small("again"),),
    (Quote(HISTORY),),
)
"""It reads the history and the sources, runs tests again and again, waits for a person who is at lunch, reads a large log, and
needs what it read early. Short of some eighty requests nothing would move: a fault has to be small beside the bill."""


class Project(Ledgers):
    """The files, as the provider's script and the agent's machine both know them."""

    def __init__(self) -> None:
        """Hold the files of the plot."""
        super().__init__("orders")

    @cached_property
    def _texts(self) -> dict[str, tuple[list[str], int]]:
        return {file: _written(file) for file in files_of(PLOT)}

    def text(self, file: str) -> str:
        """Return what stands in ``file``."""
        return "\n".join(self._texts[file][0]) + "\n"

    def middle(self, file: str) -> str:
        """Return how the line begins that is asked for."""
        return self._marked(file).rpartition(" ")[0].strip()

    def token(self, file: str) -> str:
        """Return the word that stands nowhere else."""
        return self._marked(file).rpartition(" ")[2]

    def _marked(self, file: str) -> str:
        lines, place = self._texts[file]
        return lines[place]

    def lay_out(self, directory: Path) -> None:
        """Write all of it into ``directory``."""
        for file in files_of(PLOT):
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            (directory / file).write_text(self.text(file), encoding="utf-8")


def _written(file: str) -> tuple[list[str], int]:
    """Return the lines of ``file``, and which of them ends in its word."""
    code = hashlib.sha256(f"{file} code".encode()).hexdigest()[:12]
    if file.endswith(".log"):
        lines = _filled(file, _SIZES[file], _logged)
        lines[len(lines) // 2] = f"09:41:07.113 INFO  orders.totals order 4711: total 1204, trace {code}"
    elif file.endswith(".py"):
        lines = _filled(file, _SOURCE_BYTES, _coded)
        lines[len(lines) // 2 // 4 * 4 + 3] = f"# code: {code}"
    elif file == HISTORY:
        lines = _filled(file, _SIZES[file], _changed)
        lines[len(lines) // 2] = f"    code {code}"
    else:
        lines = [f"$ run {file}", *_filled(file, _CHECK_BYTES, _checked), f"12 passed, 1 failed: {code}"]
        return lines, len(lines) - 1
    return lines, next(place for place, line in enumerate(lines) if code in line)


def _filled(file: str, size: int, row: Callable[[int, bytes], list[str]]) -> list[str]:
    lines: list[str] = []
    length = number = 0
    while length < size:
        more = row(number, hashlib.sha256(f"{file} {number}".encode()).digest())
        length += sum(len(line) + 1 for line in more)
        lines += more
        number += 1
    return lines


def _logged(number: int, drawn: bytes) -> list[str]:
    noun, ms = _NOUNS[drawn[0] % len(_NOUNS)], drawn[1]
    clock = f"09:{number // 60 % 60:02}:{number % 60:02}.{drawn[2]:03}"
    return [f"{clock} INFO  orders.api GET /{noun}s/{drawn[3] * 97} 200 in {ms} ms trace={drawn[4:9].hex()}"]


def _coded(number: int, drawn: bytes) -> list[str]:
    noun, other = (_NOUNS[each % len(_NOUNS)] for each in drawn[:2])
    return [
        "",
        f"def {noun}_{other}_{number}(cents: int, rate: int = {drawn[2]}) -> int:",
        f'    """Return what a {noun} takes off a {other}."""',
        f"    return cents * (1000 - rate) // {drawn[3] + 1000}",
    ]


def _checked(number: int, drawn: bytes) -> list[str]:
    noun = _NOUNS[drawn[0] % len(_NOUNS)]
    return [f"tests/test_{noun}.py::test_{noun}_{drawn[1]:03}_of_{number} PASSED in {drawn[2]} ms"]


def _changed(number: int, drawn: bytes) -> list[str]:
    noun, other = (_NOUNS[each % len(_NOUNS)] for each in drawn[:2])
    return [f"commit {drawn.hex()[:40]}", f"    Round the {noun} once, after the {other} ({number})", ""]
