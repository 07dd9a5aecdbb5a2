"""The shell of one run: a sandbox that is made when the first command or service is asked for.

Invariants:
- What a command changed is put down to its effect only where that is certain: its changes were held back.
- The network is open only where the contract opens it *and* the shell is declared to reach beyond the workspace.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.images.criu import NoCriu, find_criu
from perdure.adapters.sandboxes.images.launcher import ImageLauncher
from perdure.adapters.sandboxes.images.probe import probe_images
from perdure.adapters.sandboxes.ladder import Ladder, probe
from perdure.adapters.sandboxes.reach import WriteReach
from perdure.adapters.sandboxes.sandbox import Sandbox
from perdure.adapters.sandboxes.services import Service as Started
from perdure.adapters.sandboxes.services import tail as tail_of
from perdure.adapters.sandboxes.view import View
from perdure.adapters.tools.desk import Ran, Service, Tail
from perdure.adapters.workspace.rules import SECRET_NAMES, IgnoreRules
from perdure.assembly.files.site import Site
from perdure.contract import Law
from perdure.contract.grounds import grounds_of
from perdure.values.errors import BadInput, PerdureError

SHELL: Final = "shell"
"""The tool whose declaration and bounds are the sandbox's."""


class Shelter:
    """Commands and services in one workspace; see ``perdure.adapters.tools.desk.Shell``."""

    def __init__(self, site: Site, law: Law) -> None:
        """Run commands at ``site`` as ``law`` lets the shell."""
        self._site: Site = site
        self._law: Law = law
        self._opening: asyncio.Lock = asyncio.Lock()
        self._warming: asyncio.Task[None] | None = None
        self.sandbox: Sandbox | None = None
        self.images: ImageLauncher | None = None
        self.accounted: dict[str, frozenset[str]] = {}
        """effects of which every changed path is known -> those paths, until somebody takes them"""

    async def run(
        self,
        command: str,
        *,
        timeout: float,  # noqa: ASYNC109 - handed on to what ends processes
        key: str,
        on_output: Callable[[bytes], None],
    ) -> Ran:
        """Run ``command``."""
        sandbox = await self.opened()
        ran = await sandbox.run(command, timeout=timeout, hear=on_output)
        changed = sandbox.take_changes()
        if ran.level == "L1" and changed is not None:
            self.accounted[key] = changed
        return Ran(ran.exit, ran.timed_out, ran.refused, ran.why, ran.left)

    async def start(self, name: str, command: str) -> Service:
        """Start a service."""
        sandbox = await self.opened()
        return _shown(await sandbox.start(name, command))

    async def stop(self, name: str) -> Service:
        """End a service."""
        return _shown(await self._known(name).stop(name))

    def services(self) -> tuple[Service, ...]:
        """Return the services of this run."""
        return tuple(map(_shown, self.sandbox.services.all())) if self.sandbox is not None else ()

    async def tail(self, name: str, *, bytes_max: int) -> Tail:
        """Return the end of what a service printed."""
        found = next(each for each in self._known(name).services.all() if each.name == name)
        said = await asyncio.to_thread(tail_of, found, bytes_max)
        size = await asyncio.to_thread(_size, found.output)
        return Tail(said, max(0, size - len(said)))

    def warm(self) -> None:
        """Begin to make the sandbox while the model thinks, if the agent has a shell: the first one takes a second."""
        if self._warming is None and self.sandbox is None and self._law.definition.tool(SHELL) is not None:
            self._warming = asyncio.create_task(self._warmed())

    async def _warmed(self) -> None:
        # What is wrong is told to whoever needs the sandbox.
        with contextlib.suppress(PerdureError, OSError):
            await self.opened()

    async def opened(self) -> Sandbox:
        """Return the sandbox, made now if it wasn't yet. Raises ``SandboxMissing``."""
        async with self._opening:
            if self.sandbox is None:
                self.sandbox = await asyncio.to_thread(self._made)
            return self.sandbox

    async def close(self) -> None:
        """No process of the run is left."""
        if self._warming is not None:
            await self._warming
        async with self._opening:
            sandbox, self.sandbox, self.images = self.sandbox, None, None
        if sandbox is not None:
            await sandbox.close()

    def _made(self) -> Sandbox:
        root, scratch = self._site.root.resolve(), self._site.scratch / "sandbox"
        scratch.mkdir(parents=True, exist_ok=True)
        ladder = ladder_of(root, scratch)
        hidden = hidden_paths(self._law, root)
        network = network_open(self._law)
        reach = _reach(self._law)
        if ladder.level == "L2" and not network:
            criu = find_criu()
            if not isinstance(criu, NoCriu):
                view = View(root, scratch, (), hidden, network)
                writable = None if reach is None or reach.everything() else reach.writable(root)
                self.images = ImageLauncher(view, scratch / "services", scratch / "images", criu, writable)
        return Sandbox(
            root,
            scratch,
            network=network,
            reach=reach,
            hidden=hidden,
            ladder=ladder,
            launcher=self.images,
        )

    def _known(self, name: str) -> Sandbox:
        if self.sandbox is None or all(each.name != name for each in self.sandbox.services.all()):
            raise BadInput(f"there is no service {name}", hint="list the services")
        return self.sandbox


def ladder_of(root: Path, scratch: Path) -> Ladder:
    """Return what this machine allows for a workspace in ``root``; everything is really tried, once."""
    return probe(root, scratch, lambda: probe_images(scratch))


def network_open(law: Law) -> bool:
    """Whether the shell of this law reaches the machine's network: the contract says ``hosts: ["*"]`` for it."""
    declaration = law.definition.tool(SHELL)
    if declaration is None or declaration.effect == "workspace":
        return False
    own = law.contract.tools.get(SHELL)
    named = [reach.hosts for reach in (law.contract.reach, own.reach if own else None) if reach is not None]
    told = [hosts for hosts in named if hosts is not None]
    return bool(told) and all(tuple(hosts) == ("*",) for hosts in told)


def hidden_paths(law: Law, root: Path) -> tuple[str, ...]:
    """Return the paths of ``root`` that the shell may not read, as they stand now: by its contract, or as secrets.

    What a command prints is in the log; what is declared secret may not get there.
    """
    grounds = grounds_of(law.contract, SHELL)
    secrets = law.definition.secret_files
    rules = IgnoreRules("", SECRET_NAMES if secrets is None else secrets)
    hidden: list[str] = []
    for folder, folders, files in os.walk(root):
        within = os.path.relpath(folder, root)
        prefix = "" if within == "." else f"{within}/"
        barred = (
            name
            for name in files
            if rules.secret_by_name(name) or grounds.barred(write=False, path=f"{prefix}{name}")
        )
        hidden += (f"{folder}/{name}" for name in barred)
        # A directory is hidden only with all that is in it: what is allowed below has to be reached.
        folders[:] = [name for name in folders if name != ".git"]
    return tuple(sorted(hidden))


def _reach(law: Law) -> WriteReach | None:
    """Return within what the shell may write; None where nothing bounds it."""
    bounds = grounds_of(law.contract, SHELL).write
    if not bounds:
        return None
    return WriteReach.of(*(bound.texts for bound in bounds))


def _shown(service: Started) -> Service:
    return Service(service.name, service.command, service.alive, service.exit)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
