"""The processes of one sandbox, from its first to the last: held by the first one of their PID namespace.

Invariants:
- Nothing runs in a sandbox before we hold its first process by a descriptor, so no id can be taken
  for another's.
- It is held within a number of processes before anything of the command runs.
- When ``ended`` returns, no process of the sandbox is left: the kernel ends a PID namespace with its
  first process, and reports that one's end last.
- The sandbox ends with the thread that began it, also by SIGKILL, and with its event loop.
"""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.confinement import Fds
from perdure.adapters.sandboxes.crowding import crowded, dispersed

_CHILD: Final = re.compile(rb'"child-pid"\s*:\s*(\d+)')


class Cage:
    """One sandbox that was started."""

    def __init__(self, monitor: subprocess.Popen[bytes], pid: int) -> None:
        """Hold ``pid``, the sandbox's first process, and the ``monitor`` that waits for its command."""
        self.pid: int = pid
        self._monitor: subprocess.Popen[bytes] = monitor
        self._first: int = os.pidfd_open(pid)
        self._group: Path | None = crowded(pid)
        self._watched: int = os.pidfd_open(monitor.pid)
        self._over: asyncio.Task[None] = asyncio.create_task(self._end())

    @property
    def exit(self) -> int | None:
        """The command's exit state; as a shell reports it; None while it lives."""
        return self._monitor.returncode

    @property
    def over(self) -> bool:
        """Whether no process of it is left."""
        return self._over.done()

    async def ended(self) -> None:
        """Return when no process of the sandbox is left."""
        await asyncio.shield(self._over)

    def kill(self) -> None:
        """Begin to end all of its processes."""
        if not self._over.done():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)

    async def _end(self) -> None:
        try:
            await readable(self._watched)
            self._monitor.wait()
            # Where the monitor itself was killed, the first process goes by the kernel's word to it.
            await readable(self._first)
        except asyncio.CancelledError:
            # The loop is closing with the sandbox still open: nobody would wait for its end.
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
            self._monitor.kill()
            self._monitor.wait()
            raise
        finally:
            os.close(self._first)
            os.close(self._watched)
            dispersed(self._group)


async def begun(
    words: Callable[[Fds], Sequence[str]],
    *,
    env: Mapping[str, str],
    stdin: int,
    output: int,
    seccomp: Path,
    entrance: Sequence[str] = (),
) -> Cage | None:
    """Return a sandbox that was started and runs its command; None if bubblewrap could not make it.

    ``words`` makes the command line, given the descriptors that it names. What bubblewrap has to say
    goes to ``output``, as the command's own words do.
    """
    status, status_in = os.pipe()
    gate, gate_in = os.pipe()
    rules = os.open(seccomp, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            given = (status_in, gate, rules)
            monitor = _started([*entrance, *words(Fds(*given))], env, (stdin, output), given)
        finally:
            for descriptor in (status_in, gate, rules):
                os.close(descriptor)
        return await _entered(monitor, status, gate_in)
    finally:
        os.close(status)
        os.close(gate_in)


def _started(
    words: Sequence[str], env: Mapping[str, str], stdio: tuple[int, int], given: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    """Start ``words`` in this thread, with whose end the sandbox ends."""
    stdin, output = stdio
    return subprocess.Popen(  # noqa: S603 - the words are ours; what they run is confined
        words, stdin=stdin, stdout=output, stderr=output, env=env, pass_fds=given, start_new_session=True
    )


async def _entered(monitor: subprocess.Popen[bytes], status: int, gate: int) -> Cage | None:
    try:
        pid = await _first_process(status)
        if pid is not None:
            cage = Cage(monitor, pid)
            with suppress(BrokenPipeError):  # It gave up meanwhile, which its end will show.
                os.write(gate, b"\n")
            return cage
    except BaseException:
        monitor.kill()
        monitor.wait()
        raise
    monitor.kill()
    monitor.wait()
    return None


async def _first_process(status: int) -> int | None:
    said = b""
    while (found := _CHILD.search(said)) is None or not said.rstrip().endswith(b"}"):
        await readable(status)
        piece = os.read(status, 4096)
        if not piece:
            return None
        said += piece
    return int(found[1])


async def readable(descriptor: int) -> None:
    """Return when something can be read, or the other side has ended."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(descriptor, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
