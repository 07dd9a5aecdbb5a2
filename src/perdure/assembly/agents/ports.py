"""What an agent's run is driven with: its tools, its model, its workspace."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from perdure.assembly.agents.agent import Agent
from perdure.assembly.agents.toolbox import Toolbox
from perdure.assembly.files.desk import RunDesk
from perdure.assembly.files.shelter import Shelter
from perdure.assembly.files.site import Site
from perdure.assembly.files.workplace import Workplace
from perdure.contract import Law
from perdure.driver.port import Model, Tools, Workspace
from perdure.log.port import BlobStore


class OpenedWorkspace(Workspace, Protocol):
    """A workspace that somebody has opened."""

    async def close(self) -> None:
        """End what still runs there, and let others have it."""
        ...


class Ports(NamedTuple):
    """The driver's ports for one run."""

    tools: Tools
    model: Model
    workspace: OpenedWorkspace | None = None


MakePorts = Callable[[Agent, BlobStore, Site | None], Ports]
OpenWorkspace = Callable[[Site, BlobStore, Law], OpenedWorkspace]


def ports_of(agent: Agent, store: BlobStore, site: Site | None) -> Ports:
    """Return the real ports of ``agent``; the workspace's trees are read from ``store``."""
    if site is None:
        return Ports(toolbox_of(agent), agent.ask_with())
    law = agent.rules().law
    shelter = Shelter(site, law)
    place = Workplace(site, store, law.definition, shelter)
    toolbox = Toolbox(
        agent.tools, secrets=agent.secrets, workspace=site.root, desk=RunDesk(place, law, shelter)
    )
    return Ports(toolbox, agent.ask_with(), place)


def place_of(site: Site, store: BlobStore, law: Law) -> Workplace:
    """Return the workspace at ``site``, opened to put files back; nothing runs in it."""
    return Workplace(site, store, law.definition)


def toolbox_of(agent: Agent) -> Toolbox:
    """Return the agent's tools, ready to be asked what they see."""
    return Toolbox(agent.tools, secrets=agent.secrets, workspace=agent.workspace)
