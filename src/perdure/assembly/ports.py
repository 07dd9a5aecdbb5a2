"""What an agent's run is driven with: its tools, its model, its workspace."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from perdure.assembly.agent import Agent
from perdure.assembly.site import Site
from perdure.assembly.toolbox import Toolbox
from perdure.assembly.workplace import Workplace
from perdure.driver.port import Model, Tools, Workspace
from perdure.intention.declaration import Definition
from perdure.log.port import BlobStore


class Place(Workspace, Protocol):
    """A workspace that somebody has opened."""

    async def close(self) -> None:
        """End what still runs there, and let others have it."""
        ...


class Ports(NamedTuple):
    """The driver's ports for one run."""

    tools: Tools
    model: Model
    workspace: Place | None = None


MakePorts = Callable[[Agent, BlobStore, Site | None], Ports]
OpenPlace = Callable[[Site, BlobStore, Definition], Place]


def ports_of(agent: Agent, store: BlobStore, site: Site | None) -> Ports:
    """Return the real ports of ``agent``; the workspace's trees are read from ``store``."""
    if site is None:
        return Ports(toolbox_of(agent), agent.ask_with())
    place = place_of(site, store, agent.definition())
    return Ports(toolbox_of(agent, place), agent.ask_with(), place)


def place_of(site: Site, store: BlobStore, definition: Definition) -> Workplace:
    """Return the workspace at ``site``, opened."""
    return Workplace(site, store, definition)


def toolbox_of(agent: Agent, place: Workplace | None = None) -> Toolbox:
    """Return the agent's tools, ready to be called."""
    root = place.root if place is not None else agent.workspace
    return Toolbox(agent.tools, secrets=agent.secrets, workspace=root)
