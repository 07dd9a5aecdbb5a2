"""What is measured, by name: nothing, perdure at a level, and the others; each as an agent with its ports."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import perdure
from benchmarks.workspace import ours
from benchmarks.workspace.agents import ThinkingModel, plain_agent
from benchmarks.workspace.marks import Marks, marked
from benchmarks.workspace.others import Copies, Method, OtherPlace, Restic, ShadowGit
from benchmarks.workspace.trees import Turn
from perdure.assembly.ports import MakePorts, Ports
from perdure.assembly.site import Site
from perdure.assembly.toolbox import Toolbox
from perdure.log.port import BlobStore

BASELINE = "none"
"""the same agent, and no workspace that anybody keeps"""

METHODS: dict[str, Callable[[Path, Path], Method]] = {"copy": Copies, "git": ShadowGit, "restic": Restic}
PROGRAMS = {"git": "git", "restic": "restic"}


def absent(system: str) -> str:
    """Return why ``system`` can't be measured here; empty if it can."""
    if system in ours.LEVELS:
        return ours.absent(system)
    program = PROGRAMS.get(system)
    return f"{program} is not installed" if program is not None and shutil.which(program) is None else ""


def agent_of(system: str, root: Path, turns: Sequence[Turn], wait_s: float) -> tuple[perdure.Agent, Marks]:
    """Return an agent at work in ``root``, and where its instants are noted."""
    marks = Marks()
    model = ThinkingModel(turns, wait_s, marks)
    if system in ours.LEVELS:
        return ours.agent(root, model), marks
    return plain_agent(root, model, workspace=system != BASELINE), marks


def ports_by(system: str, kept: Path) -> MakePorts:
    """Return how the ports of a run are made, timed; what a method keeps lies below ``kept``."""
    places: dict[Path, OtherPlace] = {}

    def make(agent: perdure.Agent, store: BlobStore, site: Site | None) -> Ports:
        model = agent.ask_with()
        assert isinstance(model, ThinkingModel)
        return marked(_ports(agent, store, site), model.marks)

    def _ports(agent: perdure.Agent, store: BlobStore, site: Site | None) -> Ports:
        if system in ours.LEVELS:
            return ours.ports(system, agent, store, site)
        tools = Toolbox(agent.tools, workspace=site.root if site is not None else None)
        if site is None:
            return Ports(tools, agent.ask_with())
        if site.root not in places:
            places[site.root] = OtherPlace(METHODS[system](site.root, kept / site.root.name))
        return Ports(tools, agent.ask_with(), places[site.root])

    return make
