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
        """The exit state of the command (negative: the signal); None while it lives or if it isn't known."""
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
