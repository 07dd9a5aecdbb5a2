"""The sandbox of one run: where its commands run, and its services live.

Invariants:
- One command at a time. While it is alone (no service lives) and the machine allows it, its changes are
  held back until it has ended, then judged, then made all together or not at all.
- When ``run`` returns or raises, no process of the command is left.
- What can't be confined as asked for is not run.

A command that is broken off by a cancellation leaves nothing in the workspace at L1; at L0 what it did
until then.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from perdure.adapters.sandboxes import watching
from perdure.adapters.sandboxes.environment import clean_environment
from perdure.adapters.sandboxes.jail import Jail
from perdure.adapters.sandboxes.ladder import Ladder, probe
from perdure.adapters.sandboxes.launching import BubblewrapLauncher, PlainLauncher
from perdure.adapters.sandboxes.overlays import HeldBack, Overlays
from perdure.adapters.sandboxes.playing import Errand, play_confined, play_plain
from perdure.adapters.sandboxes.ran import Hear, Ran
from perdure.adapters.sandboxes.reach import WriteReach
from perdure.adapters.sandboxes.services import Launcher, Service, Services
from perdure.adapters.sandboxes.unbroken import unbroken
from perdure.adapters.sandboxes.upper import NetChange
from perdure.adapters.sandboxes.view import View
from perdure.adapters.sandboxes.watching import Deleted
from perdure.checkpoint.inspection import Level
from perdure.values.errors import SandboxMissing


class Sandbox:
    """Runs shell commands and services in one workspace."""

    def __init__(
        self,
        root: Path,
        scratch: Path,
        *,
        network: bool = False,
        reach: WriteReach | None = None,
        hidden: Sequence[str] = (),
        readable: Sequence[str] = (),
        ladder: Ladder | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        """Serve the workspace ``root`` with ``scratch``, a directory outside of it that is this run's alone.

        ``hidden`` and ``readable`` are absolute paths: masked, and shown read-only. ``ladder`` is what the
        machine allows, probed here unless given; ``launcher`` starts the services. Raises
        ``SandboxMissing`` if there is a reach and nothing that can hold it.
        """
        self.root: Path = root.resolve()
        scratch.mkdir(parents=True, exist_ok=True)
        self._scratch: Path = scratch.resolve()
        self.ladder: Ladder = ladder or probe(self.root, self._scratch)
        self._reach: WriteReach | None = None if reach is None or reach.everything() else reach
        self._view: View = View(self.root, self._scratch, tuple(readable), tuple(hidden), network)
        self._overlays: Overlays | None = self._made_overlays()
        self._jail: Jail | None = self._made_jail()
        self.services: Services = Services(launcher or self._made_launcher(), self._scratch / "services")
        self._turn: asyncio.Lock = asyncio.Lock()
        self._discards: ThreadPoolExecutor = ThreadPoolExecutor(1, "perdure-discards")
        self._changed: set[str] | None = set() if self._overlays else None

    @property
    def level(self) -> Level:
        """How the next command's changes are found: L1 by its overlay, L0 by looking at all files."""
        return "L1" if self._overlays and not self.services.living() else "L0"

    @property
    def confined(self) -> bool:
        """Whether commands can't reach any network outside of the run."""
        return self._jail is not None and not self._view.network

    async def run(
        self,
        command: str,
        *,
        timeout: float,  # noqa: ASYNC109 - it ends processes, not just our waiting for them
        env: Mapping[str, str] | None = None,
        hear: Hear | None = None,
    ) -> Ran:
        """Run ``command`` by the shell; after ``timeout`` seconds it is ended, and what it did until then counts.

        Raises ``SandboxMissing`` if no sandbox could be made, and ``OSError`` if its changes could not be
        put into the workspace: then the workspace is between both states.
        """
        async with self._turn:
            errand = Errand(command, self._environment(env or {}), timeout, hear)
            if self._overlays is not None and self.level == "L1":
                return await self._held_back(errand, self._overlays.fresh())
            self._changed = None
            return await self._play(errand._replace(entrance=self.services.entrance()))

    async def start(self, name: str, command: str, *, env: Mapping[str, str] | None = None) -> Service:
        """Start ``command`` in the background as ``name``; it changes the workspace in place, at any time."""
        async with self._turn:
            self._changed = None
            return await self.services.start(name, command, self._environment(env or {}))

    async def stop(self, name: str) -> Service:
        """The service ``name`` has ended with all its processes."""
        async with self._turn:
            return await self.services.stop(name)

    def take_changes(self) -> frozenset[str] | None:
        """Return every path that commands changed since this was last called; None where that isn't known.

        It isn't where something changed the workspace in place: commands at L0, and services.
        """
        taken = self._changed
        self._changed = set() if self._overlays and not self.services.living() else None
        return None if taken is None else frozenset(taken)

    def mapped_shared(self) -> set[str]:
        """Return the files that services can change through their memory, unseen: read these to know."""
        return watching.mapped_shared(self._pids(), self.root)

    def open_deleted(self) -> set[Deleted]:
        """Return the files that have no name any more and live on in a service."""
        return watching.open_deleted(self._pids(), self.root)

    def runtime_ns(self) -> int:
        """Return how long the services have run, in ns: the same twice means that none ran in between."""
        return watching.runtime_ns(self._pids())

    async def close(self) -> None:
        """No process of the run is left. Its home, its /tmp and what services said stay in the scratch directory."""
        async with self._turn:
            await self.services.close()
            await asyncio.wrap_future(self._discards.submit(_nothing))  # Behind all that were asked for.

    async def _play(self, errand: Errand) -> Ran:
        return await (play_confined(self._jail, errand) if self._jail else play_plain(self._view, errand))

    async def _held_back(self, errand: Errand, held: HeldBack) -> Ran:
        try:
            ran = await self._play(errand._replace(overlay=held.overlay))
            return await unbroken(asyncio.to_thread(self._landed, held, ran))
        finally:
            # Nobody waits for it: where a command deleted a large tree this takes as long as that did.
            # What fails here is thrown away when the next sandbox opens.
            self._discards.submit(held.discard)

    def _landed(self, held: HeldBack, ran: Ran) -> Ran:
        change = held.change(self._reach.allows if self._reach else None)
        why, paths = _against(change)
        if why:
            return ran._replace(refused=paths, why=why, level="L1")
        held.land(change)
        if self._changed is not None:
            self._changed |= change.paths
        return ran._replace(level="L1")

    def _pids(self) -> list[int]:
        return [service.pid for service in self.services.living()]

    def _environment(self, env: Mapping[str, str]) -> dict[str, str]:
        if self._jail is not None:
            return clean_environment(env)
        # Without a sandbox the home that programs find is this run's all the same.
        return clean_environment(env, home=str(self._scratch / "home"), temporary=str(self._scratch / "tmp"))

    def _made_overlays(self) -> Overlays | None:
        return Overlays(self.root, self._scratch / "layers") if self.ladder.rung("overlay").ok else None

    def _made_jail(self) -> Jail | None:
        sandbox = self.ladder.rung("sandbox")
        if sandbox.ok and self.ladder.program:
            return Jail(self.ladder.program, self._view, self._writable())
        if self._reach is not None:
            why = (
                f"the shell may change a part of the workspace only, which can't be held here: {sandbox.why}"
            )
            raise SandboxMissing(why, hint=sandbox.cure)
        return None

    def _made_launcher(self) -> Launcher:
        return BubblewrapLauncher(self._jail) if self._jail else PlainLauncher(self.root)

    def _writable(self) -> Sequence[Path] | None:
        """Return what may be changed in place, where not everything may."""
        return None if self._reach is None else self._reach.writable(self.root)


def _nothing() -> None:
    pass


def _against(change: NetChange) -> tuple[str, tuple[str, ...]]:
    """Return why a change may not be made, and the paths that it is about; empty if it may."""
    if change.deep:
        return "directories are nested deeper than perdure goes", (change.deep,)
    if change.outside:
        return "the contract does not let the shell change these paths", change.outside
    if change.foreign:
        return "somebody else changed these paths while the command ran", change.foreign
    return "", ()
