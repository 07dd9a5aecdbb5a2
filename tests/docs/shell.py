"""Blocks of a document typed into one shell, line by line, as a reader would.

- ``sh``: each line must end with 0, or with N where it says ``# exits with N``.
- ``text`` after it: each line shown must stand in what was printed, in that order. ``...`` stands for
  anything; times, digests and ids differ from run to run and are compared as such.
- A block that names a file (``python agent.py``) is written into the folder first.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.docs.pages import Block

EXITS = re.compile(r"#.*\bexits with (\d+)")
VARYING = (
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,64}…?"), "HEX"),
    (re.compile(r"\d{4}-\d{2}-\d{2}"), "DAY"),
    (re.compile(r"\d{1,2}:\d{2}:\d{2}(?:\.\d+)?"), "TIME"),
    (re.compile(r"[+-]\d{2}:\d{2}\b"), "ZONE"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s|min|bytes|KB|MB)\b"), "AMOUNT"),
    (re.compile(r"\s+"), " "),
)
BIN = Path(sys.executable).parent
BOUND = """naps=0
sleep() { naps=$((naps + 1)); [ $naps -lt 900 ] || { echo 'what is waited for never comes'; exit 98; }; command sleep "$1"; }"""
"""A reader who waits for ever presses Ctrl-C."""


class Typed(NamedTuple):
    """What became of the blocks: the shell's exit code, and all that it printed, block by block."""

    code: int
    printed: list[str]

    @property
    def last(self) -> str:
        """The end of what was printed, for the message of a failing test."""
        return "\n".join(self.printed)[-3000:]


def script_of(blocks: Iterable[Block]) -> str:
    """Return the ``sh`` blocks as one script that stops at the first line that ends otherwise."""
    lines = ["set -u", BOUND]
    for number, block in enumerate(blocks):
        if block.language != "sh":
            continue
        lines.append(f"echo; echo '== block {number}'")
        for command in commands_in(block.text):
            found = EXITS.search(command)
            wanted = found[1] if found else "0"
            told = shlex.quote(f"{command}: should end with {wanted}, ended with")
            lines += [command, f'code=$?; [ "$code" = {wanted} ] || {{ echo {told} "$code"; exit 99; }}']
    return "\n".join(lines)


def commands_in(text: str) -> list[str]:
    """Return the commands of a block; a line that ends with a backslash goes on."""
    joined = text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def typed(blocks: list[Block], folder: Path, *, path: Path = BIN, seconds: float = 250) -> Typed:
    """Write the files that ``blocks`` name into ``folder``, type the rest there, and return what was printed."""
    for block in blocks:
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
    plain = {
        name: value for name, value in os.environ.items() if not name.startswith(("PERDURE_", "VIRTUAL_"))
    }
    environment = {
        **plain,
        "PATH": f"{path}:{plain['PATH']}",
        "COLUMNS": "120",
        "USER": "ada",
        "LOGNAME": "ada",
    }
    done = subprocess.run(
        ["bash", "-c", script_of(blocks)],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, text=True, check=False, timeout=seconds,
    )  # fmt: skip
    return Typed(done.returncode, re.split(r"^== block \d+$", done.stdout, flags=re.MULTILINE)[1:])


def unlike(blocks: list[Block], printed: list[str]) -> list[str]:
    """Return the lines that the ``text`` blocks show and the ``sh`` blocks before them did not print."""
    wrong: list[str] = []
    outputs = iter(printed)
    seen: list[str] = []
    for block in blocks:
        if block.language == "sh":
            seen = [masked(line) for line in next(outputs, "").splitlines()]
        elif block.language == "text" and seen:
            rest = iter(seen)
            for line in block.text.splitlines():
                if line.strip() and line.strip() != "..." and not any(fits(line, real) for real in rest):
                    wrong.append(line)
                    rest = iter(seen)
    return wrong


def fits(shown: str, real: str) -> bool:
    """Tell whether a line that a document shows is the line that was printed."""
    pattern = ".*".join(re.escape(part) for part in masked(shown).split("..."))
    return re.fullmatch(pattern, real) is not None


def masked(line: str) -> str:
    """Return ``line`` with all that differs from run to run named and not spelled."""
    for pattern, name in VARYING:
        line = pattern.sub(name, line)
    return line.strip()
