"""Background services of a run: started and stopped by name, looked at from outside.

Invariants:
- A name belongs to one living service at most; one that has ended keeps its output and exit state
  until its name is used again.
- All services of a run share one loopback, which nothing outside of the run can reach.
- When ``stop`` or ``close`` returns, no process of the service is left.

Who starts the processes is a ``Launcher``: bubblewrap's where nothing more is needed, another where
process images are to be taken of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from perdure.adapters.sandboxes.removal import uprooted
from perdure.values.errors import BadInput
from perdure.values.ids import checked_name
from perdure.values.limits import SERVICES_MAX


class ServiceOrder(NamedTuple):
    """A service as it is asked for."""

    name: str
    command: str
    """a line for the shell"""
    env: Mapping[str, str]
    """the whole environment: nothing else is inherited"""
    folder: Path
    """of this service alone, outside of the workspace, kept while its name is known"""

    @property
    def output(self) -> Path:
        """The file that takes what the service says, from its first byte on; appended to."""
        return self.folder / "output"


class Running(Protocol):
    """The processes of one service, alive or ended."""

    @property
    def pid(self) -> int:
        """The first process of its PID namespace, as seen from here: with it, all of them end."""
        ...

    @property
    def exit(self) -> int | None:
        """The exit state of the command, as a shell reports it; None while it lives or if it isn't known."""
        ...

    @property
    def over(self) -> bool:
        """Whether no process of it is left."""
        ...

    async def ended(self) -> None:
        """Return when no process of it is left; may be awaited by several, and again."""
        ...

    def kill(self) -> None:
        """Begin to end all of its processes; nothing happens if they have ended."""
        ...


class Launcher(Protocol):
    """Starts services in the workspace, whose files they change in place."""

    async def launch(self, order: ServiceOrder) -> Running:
        """Start it; raises ``OSError`` or ``PerdureError`` where that can't be done."""
        ...

    def entrance(self) -> tuple[str, ...]:
        """Words to put before a command line so that it starts on the services' loopback.

        Empty where the services have no network of their own. What runs behind these words may be in
        another user namespace, and makes its own sandbox there.
        """
        ...

    async def close(self) -> None:
        """Let go of what the services shared; called when all of them have ended."""
        ...


class Service(NamedTuple):
    """A service as it stands."""

    name: str
    command: str
    pid: int
    """its first process as seen from here; says nothing once it has ended"""
    alive: bool
    exit: int | None
    output: Path


class _Entry(NamedTuple):
    order: ServiceOrder
    running: Running


class Services:
    """The services of one run."""

    def __init__(self, launcher: Launcher, folder: Path) -> None:
        """Start services by ``launcher``, and keep what they say below ``folder``."""
        self._launcher: Launcher = launcher
        self._folder: Path = folder
        self._entries: dict[str, _Entry] = {}

    async def start(self, name: str, command: str, env: Mapping[str, str]) -> Service:
        """Start ``command`` as ``name``; one of that name that has ended is forgotten with its output.

        Raises ``BadInput`` if one of that name lives, or too many do, and ``SandboxMissing``.
        """
        checked_name(name, field="service")
        if name in self._entries and _alive(self._entries[name]):
            raise BadInput(
                f"service {name} is running", hint=f"stop it first, or choose another name than {name}"
            )
        if len(self.living()) >= SERVICES_MAX:
            raise BadInput(f"{SERVICES_MAX} services are running", hint="stop one first")
        folder = self._folder / name
        uprooted(folder)
        order = ServiceOrder(name, command, dict(env), folder)
        return self.adopt(order, await self._launcher.launch(order))

    def adopt(self, order: ServiceOrder, running: Running) -> Service:
        """Take ``running`` in as the service of ``order``: one that came back from an image, say."""
        self._entries[order.name] = _Entry(order, running)
        return _seen(self._entries[order.name])

    async def stop(self, name: str) -> Service:
        """The service has ended with all its processes; raises ``BadInput`` if there is none of that name."""
        entry = self._entries.get(name)
        if entry is None:
            raise BadInput(f"there is no service {name}", hint="list the services")
        entry.running.kill()
        await entry.running.ended()
        return _seen(entry)

    def all(self) -> tuple[Service, ...]:
        """Return every service whose name is known, by name."""
        return tuple(_seen(self._entries[name]) for name in sorted(self._entries))

    def living(self) -> tuple[Service, ...]:
        """Return the services that live."""
        return tuple(service for service in self.all() if service.alive)

    def order(self, name: str) -> ServiceOrder:
        """Return how the service ``name`` was asked for; raises ``KeyError``."""
        return self._entries[name].order

    def entrance(self) -> tuple[str, ...]:
        """Words that start a command where it reaches the living services; empty if none lives."""
        return self._launcher.entrance() if self.living() else ()

    async def close(self) -> None:
        """No service lives any more, and what they shared is gone."""
        for entry in self._entries.values():
            entry.running.kill()
        for entry in self._entries.values():
            await entry.running.ended()
        await self._launcher.close()


def tail(service: Service, limit: int) -> bytes:
    """Return the last ``limit`` bytes that the service said."""
    try:
        with service.output.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit))
            return file.read(limit)
    except FileNotFoundError:
        return b""


def _seen(entry: _Entry) -> Service:
    order, running = entry
    return Service(order.name, order.command, running.pid, _alive(entry), running.exit, order.output)


def _alive(entry: _Entry) -> bool:
    return not entry.running.over
