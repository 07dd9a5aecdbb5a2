"""perdure itself, held to a rung of its ladder: the real workspace, the real shell tool.

L0 is the lowest: no sandbox, every file is looked at. L1 is a sandbox with an overlay. L2 is the same with a
service of 100 MB, whose memory is a part of each checkpoint.
"""

import tempfile
from pathlib import Path

import perdure
from benchmarks.workspace.agents import ThinkingModel
from benchmarks.workspace.trees import Turn
from perdure.adapters.sandboxes.ladder import Ladder
from perdure.adapters.tools.tool import AnyTool
from perdure.assembly import shelter
from perdure.assembly.coding import coding_tools
from perdure.assembly.ports import Ports, ports_of
from perdure.assembly.site import Site
from perdure.log.port import BlobStore

LEVELS = ("L0", "L1", "L2")

SERVICE = Turn(
    "python3 -c 'import os, time; held = bytearray(os.urandom(1 << 20)) * 100; time.sleep(3600)'",
    changes=True,
    service="server",
)
"""100 MB that are nobody's zeros, and then nothing to do."""

_rungs_of = shelter.ladder_of


def absent(level: str) -> str:
    """Return why this level can't be had here; empty if it can."""
    with tempfile.TemporaryDirectory(prefix="perdure-level-") as place:
        root, scratch = Path(place) / "root", Path(place) / "scratch"
        root.mkdir()
        scratch.mkdir()
        ladder = _rungs_of(root, scratch)
    if ladder.level >= level:
        return ""
    return next(rung.why for rung in ladder.rungs if not rung.ok)


def agent_at(root: Path, model: ThinkingModel) -> perdure.Agent:
    """Return an agent with perdure's own shell."""
    tools: list[AnyTool] = [tool for tool in coding_tools(confined=True) if tool.declaration.name == "shell"]
    return perdure.Agent(name="bench", instructions="work", tools=tools, model=model, workspace=root)


def ports_at(level: str, agent: perdure.Agent, store: BlobStore, site: Site | None) -> Ports:
    """Return the ports of a run on a machine that allows ``level`` and no more."""
    shelter.ladder_of = lambda root, scratch: _held_to(level, _rungs_of(root, scratch))
    return ports_of(agent, store, site)


def _held_to(level: str, ladder: Ladder) -> Ladder:
    return ladder._replace(
        rungs=tuple(
            rung
            if index == 0 or (level > "L0" and rung.level <= level)
            else rung._replace(ok=False, why="measured without")
            for index, rung in enumerate(ladder.rungs)
        )
    )
