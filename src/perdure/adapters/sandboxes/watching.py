"""Look at the living processes of services from outside: what they hold, and whether they have run.

Everything is read from /proc. A process that ends meanwhile is left out; one that may not be looked at
raises, since what it holds would be missed.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

_GONE: Final = " (deleted)"
_ENDED: Final = (FileNotFoundError, ProcessLookupError, NotADirectoryError)
_MAPPED: Final = re.compile(r"[0-9a-f]+-[0-9a-f]+ (....) [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ (\d+) +(.*)")
_ESCAPED: Final = re.compile(r"\\012")


class Deleted(NamedTuple):
    """A file of the workspace that has no name any more and lives on in a process."""

    path: str
    """its last name, relative to the workspace"""
    pid: int
    writable: bool


def tree(first: int) -> list[int]:
    """Return ``first`` and every process below it; all of a PID namespace, if it is the first of one."""
    found: list[int] = []
    waiting = [first]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for task in _names(f"/proc/{pid}/task"):
            waiting += map(int, _text(f"/proc/{pid}/task/{task}/children").split())
    return found


def runtime_ns(firsts: Iterable[int]) -> int:
    """Return how long the processes at and below ``firsts`` have run, in ns; equal twice: none ran between.

    Processes that ended in between take their time with them, so it may also fall.
    """
    total = 0
    for first in firsts:
        for pid in tree(first):
            for task in _names(f"/proc/{pid}/task"):
                total += int((_text(f"/proc/{pid}/task/{task}/schedstat").split() or ["0"])[0])
    return total


def mapped_shared(firsts: Iterable[int], root: Path) -> set[str]:
    """Return the files of the workspace ``root`` that can be changed through the memory of processes.

    Such a change need not touch any time, size or inode: these have to be read to be known.
    """
    found: set[str] = set()
    for first in firsts:
        for pid in tree(first):
            for line in _text(f"/proc/{pid}/maps").splitlines():
                mapped = _MAPPED.fullmatch(line)
                if mapped and mapped[1].endswith("s") and "w" in mapped[1] and mapped[2] != "0":
                    found.update(_within(_ESCAPED.sub("\n", mapped[3]), root))
    return {path for path in found if not path.endswith(_GONE)}


def open_deleted(firsts: Iterable[int], root: Path) -> set[Deleted]:
    """Return the deleted files of the workspace ``root`` that processes still hold open."""
    found: set[Deleted] = set()
    for first in firsts:
        for pid in tree(first):
            for number in _names(f"/proc/{pid}/fd"):
                target = _link(f"/proc/{pid}/fd/{number}")
                if target.endswith(_GONE):
                    found.update(
                        Deleted(path, pid, _writable(pid, number))
                        for path in _within(target.removesuffix(_GONE), root)
                    )
    return found


def _within(path: str, root: Path) -> Iterator[str]:
    if path.startswith(f"{root}/"):
        yield path.removeprefix(f"{root}/")


def _writable(pid: int, number: str) -> bool:
    flags = re.search(r"flags:\s*(\d+)", _text(f"/proc/{pid}/fdinfo/{number}"))
    return flags is not None and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are all that is wanted
    except _ENDED:
        return []


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except _ENDED:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except _ENDED:
        return ""
