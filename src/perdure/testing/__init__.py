"""Floor 8: worlds, crash points, clocks and scripted models, for our tests and for users'.

The names below are the public ones; they load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from perdure.testing.crash import Report, crash_everywhere
    from perdure.testing.scripted import RecordedModel, ScriptedModel, call, last_answer, say, together
    from perdure.testing.simclock import SimClock
    from perdure.testing.world import CountingWorld as World

_HOMES = {
    "RecordedModel": ("scripted", "RecordedModel"),
    "Report": ("crash", "Report"),
    "ScriptedModel": ("scripted", "ScriptedModel"),
    "SimClock": ("simclock", "SimClock"),
    "World": ("world", "CountingWorld"),
    "call": ("scripted", "call"),
    "crash_everywhere": ("crash", "crash_everywhere"),
    "last_answer": ("scripted", "last_answer"),
    "say": ("scripted", "say"),
    "together": ("scripted", "together"),
}

__all__ = [
    "RecordedModel",
    "Report",
    "ScriptedModel",
    "SimClock",
    "World",
    "call",
    "crash_everywhere",
    "last_answer",
    "say",
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
