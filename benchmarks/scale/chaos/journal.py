"""What each worker's process saw, on disk before it goes on: acknowledgements, refusals, grants, calls and strikes.

Invariants:
- A line stands after what it tells, and before anything that follows from it, so a process that is killed leaves out
  at most its last moment.
- Times are of the machine's monotonic clock; whatever is done to the wall clock doesn't reach them.
"""

import os
import time
from pathlib import Path
from typing import Final

import msgspec


class Acked(msgspec.Struct, frozen=True, tag="acked"):
    """The store said that a batch is durable."""

    began: int
    at: int
    run: str
    epoch: int
    position: int
    head: str


class Turned(msgspec.Struct, frozen=True, tag="turned"):
    """The store refused a batch: 'Fenced' and the like."""

    at: int
    run: str
    epoch: int
    why: str


class Got(msgspec.Struct, frozen=True, tag="got"):
    """The store gave a lease."""

    at: int
    run: str
    epoch: int
    dead: tuple[int, ...] = ()


class Called(msgspec.Struct, frozen=True, tag="called"):
    """A tool was called: its promise at ``position`` was acknowledged before."""

    at: int
    run: str
    position: int
    key: str
    send: int
    about: str


class Returned(msgspec.Struct, frozen=True, tag="returned"):
    """A tool had its answer."""

    at: int
    key: str


class Struck(msgspec.Struct, frozen=True, tag="struck"):
    """The process is about to be killed or stopped, right before it writes to a socket or appends."""

    at: int
    how: str
    before: str
    about: str


Entry = Acked | Turned | Got | Called | Returned | Struck

FOLDER: Final = "journal"

_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


class Journal:
    """One process's own file."""

    def __init__(self, place: Path) -> None:
        """Write below ``place``, to a file named after this process."""
        folder = place / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{os.getpid()}-{time.monotonic_ns()}.jsonl"
        self._file: int = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, entry: Entry) -> None:
        """The entry is with the system; the death of this process does not take it back."""
        os.write(self._file, _encode(entry) + b"\n")


def read_journals(place: Path) -> dict[str, list[Entry]]:
    """Return what all processes wrote, by file; a torn last line is none."""
    return {file.stem: _entries(file) for file in sorted((place / FOLDER).glob("*.jsonl"))}


def last_entries(place: Path, pid: int, size: int) -> list[Entry]:
    """Return what one process wrote last, as much as stands whole in so many bytes."""
    found: list[Entry] = []
    for file in (place / FOLDER).glob(f"{pid}-*.jsonl"):
        with file.open("rb") as opened:
            start = max(0, file.stat().st_size - size)
            opened.seek(start)
            read = opened.read()
        whole, _, _ = read.rpartition(b"\n")
        lines = whole.splitlines()
        found += [_decoder.decode(line) for line in (lines[1:] if start else lines)]
    return found


def pid_of(name: str) -> int:
    """Return the process that wrote the journal of this name."""
    return int(name.partition("-")[0])


def _entries(file: Path) -> list[Entry]:
    whole, _, _ = file.read_bytes().rpartition(b"\n")
    return [_decoder.decode(line) for line in whole.splitlines()]
