"""Files whose middle line can't be guessed: what a scripted run reads, and must have read to go on."""

import hashlib
from pathlib import Path
from typing import Final

WORDS: Final = [
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "falcon",
    "garnet",
    "harbor",
    "indigo",
    "jasper",
    "kestrel",
    "lagoon",
    "meadow",
    "nickel",
    "orchid",
    "pewter",
    "quartz",
    "raven",
    "saffron",
    "timber",
    "umber",
    "violet",
    "willow",
    "yarrow",
]
LEDGER_BYTES: Final = 9_000
"""About 3,000 tokens; below the 10,000 characters at which some clients cut a result's middle out."""


class Ledgers:
    """The files of one run. Equal seeds make equal files, on whichever side of the network."""

    def __init__(self, seed: str, size: int = LEDGER_BYTES) -> None:
        self._seed = seed
        self._size = size

    def text(self, file: str) -> str:
        """Return what stands in ``file``."""
        lines: list[str] = []
        length = 0
        while length < self._size:
            lines.append(self._row(file, len(lines)))
            length += len(lines[-1]) + 1
        return "\n".join(lines) + "\n"

    def middle(self, file: str) -> str:
        """Return how the line in the middle of ``file`` begins: the one that is asked for."""
        return f"row {self._place(file):04d}"

    def token(self, file: str) -> str:
        """Return the word that ends the middle line of ``file`` and stands nowhere else."""
        return self._row(file, self._place(file)).rsplit(" ", 1)[1]

    def prepare(self, directory: Path, files: tuple[str, ...]) -> None:
        """Write ``files`` into ``directory``."""
        for file in files:
            (directory / file).write_text(self.text(file), encoding="utf-8")

    def _place(self, file: str) -> int:
        return self.text(file).count("\n") // 2

    def _row(self, file: str, number: int) -> str:
        drawn = hashlib.sha256(f"{self._seed} {file} {number}".encode()).digest()
        first, second = WORDS[drawn[0] % len(WORDS)], WORDS[drawn[1] % len(WORDS)]
        return f"row {number:04d} {first} {second} {drawn[2:12].hex()}"
