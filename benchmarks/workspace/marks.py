"""What a user waits for, read off from outside: when the model was asked and answered, when a tool ran.

The model, the tools and the workspace of a run are wrapped; what is wrapped is the real thing. Clocks are
`perf_counter`, in seconds.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from perdure.assembly.agents.ports import OpenedWorkspace, Ports
from perdure.checkpoint.inspection import Inspection, Restored, Window
from perdure.driver.port import Deed, Finding, Outcome, Tools


class Marks:
    """The instants of one run, in order."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.asked: list[float] = []
        self.answered: list[float] = []
        self.begun: list[float] = []
        self.ended: list[float] = []
        self.cpu: list[float] = []
        """CPU seconds of the process and its children, whenever the model was asked"""
        self.records: list[float] = []
        """seconds that each look at the workspace took, whether or not anyone waited for it"""
        self.found: list[Inspection] = []
        self.restores: list[float] = []

    def turns(self) -> list["TurnTimes"]:
        """Return the times of the turns that had a deed and were followed by another question."""
        whole = zip(self.asked, self.answered, self.begun, self.ended, self.asked[1:], strict=False)
        return [
            TurnTimes(after - asked, (begun - answered) + (after - ended), ended - begun)
            for asked, answered, begun, ended, after in whole
        ]


class TurnTimes(NamedTuple):
    """Seconds of one turn."""

    whole: float
    path: float
    """between the model's answer and the tool, and between the tool and the next question"""
    tool: float


class MarkedTools:
    """Tools whose deeds are timed."""

    def __init__(self, tools: Tools, marks: Marks) -> None:
        """Pass calls on to ``tools``."""
        self._tools: Tools = tools
        self._marks: Marks = marks

    async def perform(self, deed: Deed) -> Outcome:
        """Do the deed."""
        self._marks.begun.append(time.perf_counter())
        try:
            return await self._tools.perform(deed)
        finally:
            self._marks.ended.append(time.perf_counter())

    async def look(self, deed: Deed) -> Finding:
        """Look."""
        return await self._tools.look(deed)

    async def poll(self, deed: Deed) -> Outcome:
        """Poll."""
        return await self._tools.poll(deed)


class MarkedPlace:
    """A workspace whose looks and restores are timed."""

    def __init__(self, place: OpenedWorkspace, marks: Marks) -> None:
        """Pass calls on to ``place``."""
        self._place: OpenedWorkspace = place
        self._marks: Marks = marks

    async def record(self, known: str, image: str, windows: Sequence[Window]) -> Inspection:
        """Record."""
        began = time.perf_counter()
        found = await self._place.record(known, image, windows)
        self._marks.records.append(time.perf_counter() - began)
        self._marks.found.append(found)
        return found

    async def restore(
        self, tree: str, image: str, keep: Sequence[str], windows: Sequence[Window] | None, seen: str = ""
    ) -> Restored:
        """Put back."""
        began = time.perf_counter()
        done = await self._place.restore(tree, image, keep, windows, seen)
        self._marks.restores.append(time.perf_counter() - began)
        return done

    def hurry(self) -> None:
        """Hurry."""
        self._place.hurry()

    async def close(self) -> None:
        """Close."""
        await self._place.close()


def marked(ports: Ports, marks: Marks) -> Ports:
    """Return ``ports`` with tools and workspace timed into ``marks``."""
    place = MarkedPlace(ports.workspace, marks) if ports.workspace is not None else None
    return ports._replace(tools=MarkedTools(ports.tools, marks), workspace=place)
