"""Run one command to its end, its limit of time or its cancellation, and hear what it says.

Invariants:
- When a play returns or raises, no process of the command is left.
- Output is read while it comes, so a command never waits for us; what is kept of it has a bound.
"""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from perdure.adapters.sandboxes.confinement import Overlay
from perdure.adapters.sandboxes.jail import Jail
from perdure.adapters.sandboxes.listening import Listener
from perdure.adapters.sandboxes.output import Ears
from perdure.adapters.sandboxes.plain import unconfined
from perdure.adapters.sandboxes.ran import Hear, Ran
from perdure.adapters.sandboxes.unbroken import unbroken
from perdure.adapters.sandboxes.view import View, furnished
from perdure.adapters.sandboxes.wrapper import reported, wrapped
from perdure.values.errors import SandboxMissing
from perdure.values.limits import SHELL_OUTPUT_BYTES_MAX


class Errand(NamedTuple):
    """A command with all that is asked of its run."""

    command: str
    env: Mapping[str, str]
    """the whole environment"""
    seconds_max: float
    hear: Hear | None = None
    entrance: Sequence[str] = ()
    overlay: Overlay | None = None


class _Processes(Protocol):
    async def ended(self) -> None: ...

    def kill(self) -> None: ...


async def play_confined(jail: Jail, errand: Errand) -> Ran:
    """Run the errand in a sandbox; raises ``SandboxMissing`` if none could be made."""
    begins, ears, report = time.monotonic(), Ears(SHELL_OUTPUT_BYTES_MAX), bytearray()
    cage, timed_out = None, False
    with Listener(_both(ears, errand.hear)) as output, Listener(report.extend) as reports:
        cage = await jail.begin(
            wrapped(errand.command),
            env=errand.env,
            stdin=reports.mouth,
            output=output.mouth,
            overlay=errand.overlay,
            entrance=errand.entrance,
        )
        output.given()
        reports.given()
        if cage is not None:
            timed_out = await _outlasted(cage, errand.seconds_max)
    kept, told = ears.kept(), reported(bytes(report))
    if cage is None or not (told.begun or timed_out):
        said = kept.output.decode("utf-8", "replace").strip()
        raise SandboxMissing(f"no sandbox could be made for the command: {said or 'it ended without a word'}")
    exit_state = None if timed_out else cage.exit
    return Ran(exit_state, kept.output, kept.cut, time.monotonic() - begins, timed_out, left=told.left)


async def play_plain(view: View, errand: Errand) -> Ran:
    """Run the errand as ordinary processes, confined by nothing."""
    furnished(view)
    begins, ears = time.monotonic(), Ears(SHELL_OUTPUT_BYTES_MAX)
    with Listener(_both(ears, errand.hear)) as output:
        mark = f"{os.getpid()}-{time.monotonic_ns()}"
        running = await unconfined(
            errand.command, root=view.root, env=errand.env, output=output.mouth, mark=mark
        )
        output.given()
        timed_out = await _outlasted(running, errand.seconds_max)
    kept = ears.kept()
    exit_state = None if timed_out else running.exit
    return Ran(exit_state, kept.output, kept.cut, time.monotonic() - begins, timed_out, left=running.left)


async def _outlasted(processes: _Processes, seconds_max: float) -> bool:
    """Wait until all processes have ended, ending them after ``seconds_max``; tell whether that was needed."""
    try:
        async with asyncio.timeout(seconds_max):
            await processes.ended()
    except TimeoutError:
        return True
    finally:
        # Nothing happens where they have ended; a cancellation comes by here as well.
        processes.kill()
        await unbroken(processes.ended())
    return False


def _both(ears: Ears, hear: Hear | None) -> Hear:
    def heard(piece: bytes) -> None:
        ears.hear(piece)
        if hear is not None:
            hear(piece)

    return heard
