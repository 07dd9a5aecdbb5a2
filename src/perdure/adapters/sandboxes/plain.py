"""Commands where no sandbox can be had: ordinary processes, whose end we see to as well as we can.

Invariants:
- Nothing is confined: whoever uses this says so.
- What a command leaves running is ended with it, by its session and by a mark in its environment. A
  program that takes off both is not found.
- SIGKILL of this process leaves them running: no kernel namespace ends them with it.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.view import shell

MARK: Final = "PERDURE_COMMAND"


class Unconfined:
    """One command with its processes."""

    def __init__(self, shell_running: asyncio.subprocess.Process, mark: str) -> None:
        """Hold a shell that was started in a session of its own, with ``mark`` in its environment."""
        self._shell: asyncio.subprocess.Process = shell_running
        self._mark: str = mark
        self.pid: int = shell_running.pid
        self.left: tuple[str, ...] = ()
        """names of programs that outlived the command, and were ended"""
        self._over: asyncio.Task[None] = asyncio.create_task(self._end())

    @property
    def exit(self) -> int | None:
        """The command's exit state; None while it lives, negative if a signal ended it."""
        return self._shell.returncode

    @property
    def over(self) -> bool:
        """Whether all that can be found of it has ended."""
        return self._over.done()

    async def ended(self) -> None:
        """Return when all that can be found of it has ended."""
        await asyncio.shield(self._over)

    def kill(self) -> None:
        """Begin to end all of its processes."""
        if self._shell.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def _end(self) -> None:
        await self._shell.wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        names: list[str] = []
        # Each round ends what the round before had not seen yet.
        while marked := _marked(self._mark):
            for pid, name in marked:
                names.append(name)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0)
        self.left = tuple(dict.fromkeys(names))


async def unconfined(
    command: str, *, root: Path, env: Mapping[str, str], output: int, mark: str
) -> Unconfined:
    """Start ``command`` by the shell in ``root``; ``mark`` tells its processes from all others."""
    words: Sequence[str] = (shell(), "-c", command)
    started = await asyncio.create_subprocess_exec(
        *words,
        cwd=root,
        env={**env, MARK: mark},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    return Unconfined(started, mark)


def _marked(mark: str) -> list[tuple[int, str]]:
    """Return living processes that carry ``mark``, with their programs' names; none where there is no /proc."""
    wanted = f"{MARK}={mark}".encode()
    found: list[tuple[int, str]] = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                found.append((int(place.name), (place / "comm").read_text(errors="replace").strip()))
    return found
