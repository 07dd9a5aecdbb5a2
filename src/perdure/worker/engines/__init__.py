"""Task engines that say which run is to be looked at, and when."""

import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Final, NamedTuple, Protocol, cast

from perdure.values.errors import BadInput
from perdure.worker.engine import Engine

ENGINES: Final = {"procrastinate": ("procrastinate", "worker"), "temporal": ("temporalio", "temporal")}
"""By name: the package that it needs, and the extra that brings it."""


class EngineWish(NamedTuple):
    """What an engine is made for."""

    dsn: str
    """the database of the store that it serves"""
    agents: Sequence[str]
    concurrency: int
    process: str
    """this process, as the registry has it"""
    now: Callable[[], int] = time.time_ns
    """the time by which runs are due"""


class _Room(Protocol):
    def made(self, wish: EngineWish) -> Engine: ...


def engine_of(name: str, wish: EngineWish) -> Engine:
    """Return the engine called ``name``. Raises ``BadInput`` if it isn't installed."""
    package, extra = ENGINES[name]
    if find_spec(package) is None:
        raise BadInput(f"the engine {name} isn't installed", hint=f"pip install 'perdure[{extra}]'")
    return cast("_Room", cast("object", import_module(f"perdure.worker.engines.{name}"))).made(wish)
