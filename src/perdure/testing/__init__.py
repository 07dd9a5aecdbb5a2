"""Floor 8: worlds, crash points, clocks and scripted models, for our tests and for users'.

The names below are the public ones; they load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from perdure.testing.crash import Report, crash_everywhere
    from perdure.testing.disks import MemoryDisk, SqliteDisk
    from perdure.testing.scripted import RecordedModel, ScriptedModel, call, last_answer, say, together
    from perdure.testing.simclock import SimClock
    from perdure.testing.simulation import simulate
    from perdure.testing.world import CountingWorld as World

_HOMES = {
    "MemoryDisk": ("disks", "MemoryDisk"),
    "RecordedModel": ("scripted", "RecordedModel"),
    "Report": ("crash", "Report"),
    "ScriptedModel": ("scripted", "ScriptedModel"),
    "SimClock": ("simclock", "SimClock"),
    "SqliteDisk": ("disks", "SqliteDisk"),
    "World": ("world", "CountingWorld"),
    "call": ("scripted", "call"),
    "crash_everywhere": ("crash", "crash_everywhere"),
    "last_answer": ("scripted", "last_answer"),
    "simulate": ("simulation", "simulate"),
    "say": ("scripted", "say"),
    "together": ("scripted", "together"),
}

__all__ = [
    "MemoryDisk",
    "RecordedModel",
    "Report",
    "ScriptedModel",
    "SimClock",
    "SqliteDisk",
    "World",
    "call",
    "crash_everywhere",
    "last_answer",
    "say",
    "simulate",
    "together",
]


def __getattr__(name: str) -> object:
    """Load a public name from its file."""
    if name not in _HOMES:
        raise AttributeError(f"module 'perdure.testing' has no attribute {name!r}")
    file, spelled = _HOMES[name]
    found = cast("object", getattr(import_module(f"perdure.testing.{file}"), spelled))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
