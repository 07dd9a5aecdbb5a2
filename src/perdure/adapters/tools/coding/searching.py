"""Lines that match a pattern, found by a process that is handed open files and no names.

Invariants:
- What is searched was opened below the root by us; ripgrep, or our own process where there is none, gets
  descriptors. No name that somebody swaps meanwhile can lead it elsewhere.
- A pattern is a Python regular expression that goes by ASCII. ripgrep is asked only where it means the same
  (see ``dialect``), and only for files that are UTF-8 with plain ends of lines: with and without it, the same
  lines are found.
- A program named ``rg`` that stands in the workspace is not ours to run.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.tools.coding.dialect import for_ripgrep
from perdure.adapters.tools.coding.finder import UNREADABLE
from perdure.adapters.tools.outcomes import NotDone
from perdure.values.limits import SEARCH_SECONDS_MAX

_FINDER: Final = Path(__file__).with_name("finder.py")
_HELD: Final = "/proc/self/fd"


class Query(NamedTuple):
    """What is looked for."""

    pattern: str
    ignore_case: bool
    most: int
    """lines of one file after which it is left"""


def ripgrep(root: Path) -> str | None:
    """Return the program ripgrep, from the path or from beside Python; None where there is none outside of ``root``."""
    folders = (os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent))
    found = shutil.which("rg", path=os.pathsep.join(folders))
    if found is None or not Path(_HELD).is_dir():
        return None
    return None if Path(found).resolve().is_relative_to(root) else found


def found_in(
    query: Query, descriptors: Sequence[int], *, program: str | None, until: float
) -> dict[int, list[int]]:
    """Return the numbers of the lines that match, by descriptor; those without are left out.

    ``program``: ripgrep, for files that are plain. ``until``: the monotonic time at which the search is given
    up. Raises ``NotDone`` for that, and for a pattern that can't be read; also where there is nothing to search.
    """
    said = for_ripgrep(query.pattern, ignore_case=query.ignore_case)
    # without files, ripgrep would look for some of its own
    if program is not None and said is not None and descriptors:
        lines = _by_ripgrep(program, said, query, descriptors, until)
        if lines is not None:
            return lines
    return _by_finder(query, descriptors, until)


def _by_ripgrep(
    program: str, said: str, query: Query, descriptors: Sequence[int], until: float
) -> dict[int, list[int]] | None:
    """Return what ripgrep finds; None if it can't read the pattern, or one of the files."""
    words = [
        program, "--no-config", "--color=never", "--no-heading", "--with-filename", "--null", "--line-number",
        "--max-columns=1", "--text", "--no-unicode", "--no-mmap", f"--max-count={query.most}",
        "--ignore-case" if query.ignore_case else "--case-sensitive",
        f"--regexp={said}", "--", *(f"{_HELD}/{descriptor}" for descriptor in descriptors),
    ]  # fmt: skip
    code, output = _ended(words, "", descriptors, until)
    if code not in {0, 1}:
        return None
    lines: dict[int, list[int]] = {}
    for line in output.split(b"\n"):
        name, parted, rest = line.partition(b"\0")
        if parted:
            descriptor = int(name.rpartition(b"/")[2])
            lines.setdefault(descriptor, []).append(int(rest.partition(b":")[0]))
    return lines


def _by_finder(query: Query, descriptors: Sequence[int], until: float) -> dict[int, list[int]]:
    order = {**query._asdict(), "files": list(descriptors)}
    # -I: nothing of the environment or the working directory can slip in; -S: it starts sooner
    words = [sys.executable, "-I", "-S", "-W", "ignore", str(_FINDER)]
    code, output = _ended(words, json.dumps(order), descriptors, until)
    if code == UNREADABLE:
        raise NotDone(
            f"the pattern can't be read: {output.decode()}; it is a regular expression as Python has it, and "
            "signs like ( [ . * need a backslash where they are meant as such"
        )
    if code:
        raise NotDone(f"the searching process ended with {code}; try a simpler pattern")
    lines: dict[int, list[int]] = {}
    for line in output.splitlines():
        descriptor, _, number = line.partition(b":")
        lines.setdefault(int(descriptor), []).append(int(number))
    return lines


def _ended(words: list[str], said: str, descriptors: Sequence[int], until: float) -> tuple[int, bytes]:
    """Run a searching process to its end; raise ``NotDone`` if it doesn't end in time."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and no word of it is the model's but the pattern
            words, input=said.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", env={},
            pass_fds=descriptors, timeout=max(until - time.monotonic(), 0.01), check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NotDone(
            f"the search took longer than {SEARCH_SECONDS_MAX:g} s; narrow the path, or write a pattern "
            "without repetitions within repetitions"
        ) from error
    return done.returncode, done.stdout
