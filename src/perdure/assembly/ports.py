"""What an agent's run is driven with: its tools, its model, its workspace."""

from typing import NamedTuple

from perdure.adapters.workspace import DirectoryWorkspace
from perdure.assembly.agent import Agent
from perdure.assembly.toolbox import Toolbox
from perdure.driver.port import Model, Tools, Workspace
from perdure.log.port import BlobStore


class Ports(NamedTuple):
    """The driver's ports for one run."""

    tools: Tools
    model: Model
    workspace: Workspace | None = None


def ports_of(agent: Agent, store: BlobStore) -> Ports:
    """Return the real ports of ``agent``; the workspace's trees are read from ``store``."""
    root = agent.workspace
    workspace = DirectoryWorkspace(root, store.get) if root is not None else None
    return Ports(toolbox_of(agent), agent.ask_with(), workspace)


def toolbox_of(agent: Agent) -> Toolbox:
    """Return the agent's tools, ready to be called."""
    return Toolbox(agent.tools, secrets=agent.secrets, workspace=agent.workspace)
