"""What is measured, by name: nothing, perdure at a level, and the others; each as an agent with its ports."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import perdure
from benchmarks.workspace import ours
from benchmarks.workspace.agents import ThinkingModel, plain_agent
from benchmarks.workspace.marks import Marks, marked
from benchmarks.workspace.others import Copies, Method, OtherPlace, Restic, ShadowGit
from benchmarks.workspace.trees import Turn
from perdure.assembly.agents.ports import Ports
from perdure.assembly.agents.toolbox import Toolbox
from perdure.assembly.files.site import Site
from perdure.assembly.store import Store
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.log.port import BlobStore

PLAIN = "plain"
"""the same agent with a plain shell, and no workspace that anybody keeps"""
BASELINES = (PLAIN, ours.CONFINED)

METHODS: dict[str, Callable[[Path, Path], Method]] = {"copy": Copies, "git": ShadowGit, "restic": Restic}
PROGRAMS = {"git": "git", "restic": "restic"}


def baseline_of(system: str) -> str:
    """Return what ``system`` is compared with: what its shell costs is no part of what keeping files costs."""
    return ours.CONFINED if system in ours.IN_A_SANDBOX else PLAIN


def with_baselines(systems: Sequence[str]) -> list[str]:
    """Return ``systems`` behind what they are compared with."""
    needed = {PLAIN, *map(baseline_of, systems)}
    return [*(each for each in BASELINES if each in needed), *systems]


def absent(system: str) -> str:
    """Return why ``system`` can't be measured here; empty if it can."""
    if system in ours.SYSTEMS:
        return ours.absent(system)
    program = PROGRAMS.get(system)
    return f"{program} is not installed" if program is not None and shutil.which(program) is None else ""


def agent_of(system: str, root: Path, turns: Sequence[Turn], wait_s: float) -> tuple[perdure.Agent, Marks]:
    """Return an agent at work in ``root``, and where its instants are noted."""
    marks = Marks()
    model = ThinkingModel(turns, wait_s, marks)
    if system in ours.SYSTEMS:
        return ours.agent_at(root, model), marks
    return plain_agent(root, model, workspace=system != PLAIN), marks


class Keeping:
    """One system as it keeps the workspaces of a process; what another method keeps lies below ``kept``."""

    def __init__(self, system: str, kept: Path) -> None:
        """Keep by ``system``."""
        self._system = system
        self._kept = kept
        self._places: dict[Path, OtherPlace] = {}

    def make_ports(self, agent: perdure.Agent, store: BlobStore, site: Site | None) -> Ports:
        """Return the ports of a run, timed."""
        model = agent.ask_with()
        assert isinstance(model, ThinkingModel)
        return marked(self._ports(agent, store, site), model.marks)

    def go_back(self, store: Store, run: str, checkpoint: Event) -> None:
        """The workspace of ``run`` is what it was at ``checkpoint``.

        Another method only puts its files back; ``rewind`` also records the present, keeps what isn't the agent's,
        and looks at the end whether all is as it should be.
        """
        if self._system in ours.SYSTEMS:
            store.rewind(run, to=checkpoint.position)
            return
        assert isinstance(checkpoint.body, e.CheckpointTaken)
        place = self._places[Path(store.state(run).root)]
        asyncio.run(place.restore(checkpoint.body.tree, "", (), None))

    def _ports(self, agent: perdure.Agent, store: BlobStore, site: Site | None) -> Ports:
        if self._system in ours.SYSTEMS:
            return ours.ports_at(self._system, agent, store, site)
        tools = Toolbox(agent.tools, workspace=site.root if site is not None else None)
        if site is None:
            return Ports(tools, agent.ask_with())
        if site.root not in self._places:
            self._places[site.root] = OtherPlace(
                METHODS[self._system](site.root, self._kept / site.root.name)
            )
        return Ports(tools, agent.ask_with(), self._places[site.root])
