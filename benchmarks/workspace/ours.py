"""perdure itself at a level of its ladder."""

from pathlib import Path

import perdure
from benchmarks.workspace.agents import ThinkingModel, plain_agent
from perdure.assembly.ports import Ports, ports_of
from perdure.assembly.site import Site
from perdure.log.port import BlobStore

LEVELS = ("L0", "L1")


def absent(system: str) -> str:
    """Return why this level can't be had here; empty if it can."""
    return "not wired yet" if system == "L1" else ""


def agent(root: Path, model: ThinkingModel) -> perdure.Agent:
    return plain_agent(root, model, workspace=True)


def ports(system: str, agent: perdure.Agent, store: BlobStore, site: Site | None) -> Ports:
    del system
    return ports_of(agent, store, site)
