"""What the tests of sandboxes share: a real sandbox, and eyes on the processes of this machine."""

import asyncio
import os
import select
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from perdure.adapters.sandboxes.ladder import Ladder, probe
from perdure.adapters.sandboxes.reach import WriteReach
from perdure.adapters.sandboxes.sandbox import Sandbox

T = TypeVar("T")

_ladders: dict[int, Ladder] = {}


class Ground(NamedTuple):
    """A workspace and a scratch directory beside it."""

    root: Path
    scratch: Path

    def sandbox(
        self,
        *,
        reach: WriteReach | None = None,
        network: bool = False,
        hidden: tuple[str, ...] = (),
        ladder: Ladder | None = None,
    ) -> Sandbox:
        """Return a real sandbox; the test is skipped where this machine allows none."""
        allowed = ladder or confining(self)
        return Sandbox(self.root, self.scratch, reach=reach, network=network, hidden=hidden, ladder=allowed)


def ground(place: Path) -> Ground:
    """Return fresh ground below ``place``."""
    made = Ground(place / "workspace", place / "scratch")
    for path in made:
        path.mkdir(parents=True)
    return made


def confining(here: Ground) -> Ladder:
    """Return what this machine allows, and skip the test where it allows no overlay.

    It is probed once for all workspaces on one file system, of which it says the same.
    """
    disk = here.root.stat().st_dev
    if disk not in _ladders:
        _ladders[disk] = probe(here.root, here.scratch)
    ladder = _ladders[disk]
    for name in ("sandbox", "overlay"):
        rung = ladder.rung(name)
        if not rung.ok:
            pytest.skip(f"this machine allows no {name}: {rung.why}")
    return ladder


def in_place(ladder: Ladder) -> Ladder:
    """Return the ladder without its overlay: commands then change the workspace in place."""
    rungs = (rung._replace(ok=rung.ok and rung.name != "overlay", why="not wanted") for rung in ladder.rungs)
    return ladder._replace(rungs=tuple(rungs))


def unconfining(ladder: Ladder) -> Ladder:
    """Return the ladder of a machine that allows no sandbox at all."""
    rungs = (rung._replace(ok=rung.name == "scan", why="not allowed") for rung in ladder.rungs)
    return Ladder(tuple(rungs))


def played(story: Coroutine[object, object, T]) -> T:
    """Return what ``story`` returns; a minute is more than any of them takes."""

    async def bounded() -> T:
        async with asyncio.timeout(60):
            return await story

    return asyncio.run(bounded())


def once_said(word: bytes, then: Callable[[], object]) -> Callable[[bytes], None]:
    """Return a listener that does ``then`` when it has heard ``word`` for the first time."""
    heard = bytearray()
    done: list[bool] = []

    def hear(piece: bytes) -> None:
        heard.extend(piece)
        if word in heard and not done:
            done.append(True)
            then()

    return hear


async def until(fact: Callable[[], object]) -> None:
    """Wait for a fact about another process, which nobody tells us of; ``played`` bounds the wait."""
    while not fact():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)


def processes(mark: str) -> list[int]:
    """Return the processes of this machine whose command line has ``mark``, but not this one."""
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in line and int(place.name) != os.getpid():
            found.append(int(place.name))
    return found


def appears(mark: str, seconds: float = 60) -> bool:
    """Wait until a process has ``mark`` in its command line; tell whether one had in time."""
    until = time.monotonic() + seconds
    while not (found := processes(mark)) and time.monotonic() < until:
        # Nothing tells of a process of somebody else's that begins another program.
        time.sleep(0.01)
    return bool(found)


def all_end(pids: list[int], seconds: float = 60) -> bool:
    """Wait until every one of ``pids`` has ended; tell whether they did in time."""
    poll = select.poll()
    opened: set[int] = set()
    for pid in pids:
        try:
            opened.add(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    for descriptor in opened:
        poll.register(descriptor, select.POLLIN)
    left = set(opened)
    while left and (ready := poll.poll(seconds * 1000)):
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            left.discard(descriptor)
    for descriptor in opened:
        os.close(descriptor)
    return not left
