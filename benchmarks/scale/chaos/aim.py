"""Which workers have an effect on its way right now, from the last lines of what they wrote down.

A fault counts as in flight by the oracle's reading of all journals and of the log, after the trial; this is only the
aim, taken while the fleet moves, and may be a moment late.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.scale.chaos.journal import Acked, Called, Entry, Turned, last_entries

TAIL_BYTES: Final = 16_000


def has_flight(place: Path, pid: int) -> bool:
    """Tell whether a tool that the process called has no outcome yet that the store said is durable."""
    return bool(_open(last_entries(place, pid, TAIL_BYTES)))


def _open(entries: Sequence[Entry]) -> dict[str, int]:
    """Return the runs whose last call has no later batch, with the position of its promise."""
    called: dict[str, int] = {}
    for entry in entries:
        match entry:
            case Called():
                called[entry.run] = entry.position
            case Acked() if entry.position > called.get(entry.run, entry.position):
                called.pop(entry.run)
            case Turned(why="Fenced"):
                called.pop(entry.run, None)
            case _:
                pass
    return called
