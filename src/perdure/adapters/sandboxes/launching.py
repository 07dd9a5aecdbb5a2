"""Start services in sandboxes of their own, side by side on one loopback."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from perdure.adapters.sandboxes.cage import begun
from perdure.adapters.sandboxes.confinement import Fds, confined, in_place
from perdure.adapters.sandboxes.network import SharedLoopback, loopback
from perdure.adapters.sandboxes.plain import Unconfined, unconfined
from perdure.adapters.sandboxes.services import Running, ServiceOrder
from perdure.adapters.sandboxes.view import View, shell
from perdure.values.errors import SandboxMissing


class BubblewrapLauncher:
    """Services in sandboxes; they change the workspace in place."""

    def __init__(self, program: Path, view: View, seccomp: Path, writable: Callable[[], list[str]] | None = None) -> None:
        """Show services what ``view`` says; ``writable`` gives the words that mount the workspace."""
        self._program: Path = program
        self._view: View = view
        self._seccomp: Path = seccomp
        self._workspace: Callable[[], list[str]] = writable or (lambda: in_place(view.root))
        self._network: SharedLoopback | None = None

    async def launch(self, order: ServiceOrder) -> Running:
        """Start the service; raises ``SandboxMissing`` if no sandbox can be made for it."""
        entrance = await self._way_in()
        command = (shell(), "-c", order.command)

        def words(fds: Fds) -> list[str]:
            whose = "machine" if self._view.network else "shared"
            return confined(
                self._program, self._view, self._workspace(), fds=fds, loopback=whose, command=command
            )

        order.folder.mkdir(parents=True, exist_ok=True)
        said, nothing = _opened(order.output), os.open(os.devnull, os.O_RDONLY)
        try:
            running = await begun(
                words, env=order.env, stdin=nothing, output=said, seccomp=self._seccomp, entrance=entrance
            )
        finally:
            os.close(said)
            os.close(nothing)
        if running is None:
            raise SandboxMissing(f"service {order.name}: no sandbox could be made: {_last_line(order.output)}")
        return running

    def entrance(self) -> tuple[str, ...]:
        """Words that start a command on the services' loopback; empty while there is none."""
        return self._network.entrance() if self._network else ()

    async def close(self) -> None:
        """The loopback is gone."""
        network, self._network = self._network, None
        if network:
            await network.close()

    async def _way_in(self) -> tuple[str, ...]:
        if self._view.network:
            return ()
        if self._network is None or self._network.over:
            await self.close()
            self._network = await loopback(self._program, self._seccomp)
        return self._network.entrance()


class PlainLauncher:
    """Services as ordinary processes, where no sandbox can be had."""

    def __init__(self, root: Path) -> None:
        """Start services in ``root``."""
        self._root: Path = root

    async def launch(self, order: ServiceOrder) -> Running:
        """Start the service."""
        order.folder.mkdir(parents=True, exist_ok=True)
        said = _opened(order.output)
        try:
            mark = f"{os.getpid()}-{order.name}-{time.monotonic_ns()}"
            started: Unconfined = await unconfined(
                order.command, root=self._root, env=order.env, output=said, mark=mark
            )
        finally:
            os.close(said)
        return started

    def entrance(self) -> tuple[str, ...]:
        """Nothing: the network is this machine's."""
        return ()

    async def close(self) -> None:
        """Nothing is shared."""


def _opened(output: Path) -> int:
    return os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _last_line(output: Path) -> str:
    lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"


