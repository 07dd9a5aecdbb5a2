"""Start services in sandboxes of their own, side by side on one loopback."""

import os
import time
from pathlib import Path

from perdure.adapters.sandboxes.jail import Jail
from perdure.adapters.sandboxes.network import SharedLoopback, loopback
from perdure.adapters.sandboxes.plain import Unconfined, unconfined
from perdure.adapters.sandboxes.services import Running, ServiceOrder
from perdure.adapters.sandboxes.wrapper import reaping
from perdure.values.errors import SandboxMissing


class BubblewrapLauncher:
    """Services in sandboxes; they change the workspace in place."""

    def __init__(self, jail: Jail) -> None:
        """Start services in sandboxes of ``jail``."""
        self._jail: Jail = jail
        self._network: SharedLoopback | None = None

    async def launch(self, order: ServiceOrder) -> Running:
        """Start the service; raises ``SandboxMissing`` if no sandbox can be made for it."""
        entrance = await self._way_in()
        order.folder.mkdir(parents=True, exist_ok=True)
        said, nothing = _opened(order.output), os.open(os.devnull, os.O_RDONLY)
        try:
            running = await self._jail.begin(
                reaping(order.command), env=order.env, stdin=nothing, output=said, entrance=entrance
            )
        finally:
            os.close(said)
            os.close(nothing)
        if running is None:
            raise SandboxMissing(
                f"service {order.name}: no sandbox could be made: {_last_line(order.output)}"
            )
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
        if self._jail.view.network:
            return ()
        if self._network is None or self._network.over:
            await self.close()
            self._network = await loopback(self._jail.program, self._jail.seccomp)
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
