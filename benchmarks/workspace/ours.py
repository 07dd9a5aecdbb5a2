"""perdure itself, held to a rung of its ladder: the real workspace, the real shell tool.

L0 is the lowest: no sandbox, every file is looked at. L1 is a sandbox with an overlay. L2 is the same with a
service of 100 MB, whose memory is a part of each checkpoint.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import perdure
from benchmarks.workspace.agents import ThinkingModel
from benchmarks.workspace.trees import Turn
from perdure.adapters.sandboxes.ladder import Ladder
from perdure.adapters.tools.tool import AnyTool
from perdure.assembly.agents.coding import coding_tools
from perdure.assembly.agents.ports import OpenedWorkspace, Ports, ports_of
from perdure.assembly.files import shelter
from perdure.assembly.files.site import Site
from perdure.checkpoint.inspection import Inspection, Restored, Window
from perdure.log.port import BlobStore
from perdure.values.digest import digest

LEVELS = ("L0", "L1", "L2")
CONFINED = "sandbox alone"
"""the same confined shell, in a workspace that nobody looks at"""
IN_A_SANDBOX = ("L1", "L2")
SYSTEMS = (*LEVELS, CONFINED)

RUNGS = {
    "L0": frozenset({"scan"}),
    CONFINED: frozenset({"scan", "sandbox"}),
    "L1": frozenset({"scan", "sandbox", "overlay"}),
    "L2": frozenset({"scan", "sandbox", "overlay", "images"}),
}

SERVICE = Turn(
    "python3 -c 'import os, time; held = bytearray(os.urandom(1 << 20)) * 100; time.sleep(3600)'",
    changes=True,
    service="server",
)
"""100 MB that are nobody's zeros, and then nothing to do."""

_rungs_of = shelter.ladder_of


class _Unkept:
    """A workspace that nobody looks at."""

    def __init__(self, place: OpenedWorkspace) -> None:
        self._place: OpenedWorkspace = place

    async def record(self, known: str, image: str, windows: Sequence[Window]) -> Inspection:
        del image, windows
        return Inspection(known or digest(b""), "none")

    async def restore(
        self, tree: str, image: str, keep: Sequence[str], windows: Sequence[Window] | None, seen: str = ""
    ) -> Restored:
        raise OSError(f"nobody has kept {tree}: {image} {keep} {windows} {seen}")

    def hurry(self) -> None:
        self._place.hurry()

    async def close(self) -> None:
        await self._place.close()


def absent(system: str) -> str:
    """Return why this can't be had here; empty if it can."""
    with tempfile.TemporaryDirectory(prefix="perdure-level-") as place:
        root, scratch = Path(place) / "root", Path(place) / "scratch"
        root.mkdir()
        scratch.mkdir()
        ladder = _rungs_of(root, scratch)
    return next((rung.why for rung in ladder.rungs if rung.name in RUNGS[system] and not rung.ok), "")


def agent_at(root: Path, model: ThinkingModel) -> perdure.Agent:
    """Return an agent with perdure's own shell."""
    tools: list[AnyTool] = [tool for tool in coding_tools(confined=True) if tool.declaration.name == "shell"]
    return perdure.Agent(name="bench", instructions="work", tools=tools, model=model, workspace=root)


def ports_at(system: str, agent: perdure.Agent, store: BlobStore, site: Site | None) -> Ports:
    """Return the ports of a run on a machine that has the rungs of ``system`` and no others."""
    shelter.ladder_of = lambda root, scratch: _held_to(RUNGS[system], _rungs_of(root, scratch))
    ports = ports_of(agent, store, site)
    if system != CONFINED:
        return ports
    assert ports.workspace is not None
    return ports._replace(workspace=_Unkept(ports.workspace))


def _held_to(names: frozenset[str], ladder: Ladder) -> Ladder:
    return ladder._replace(
        rungs=tuple(
            rung if rung.name in names else rung._replace(ok=False, why="left out, to measure without it")
            for rung in ladder.rungs
        )
    )
