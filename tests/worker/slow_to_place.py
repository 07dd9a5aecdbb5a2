"""A worker that takes its time between a driving that met a held child and what it then says of the run's children."""

from collections.abc import Collection

from perdure.projection.state import State
from perdure.worker import driving
from tests.worker import agents

_place = driving.Driving._place_children


def _late(self: driving.Driving, state: State, root: str, held: Collection[str]) -> None:
    if "holds it" in state.wait_text:
        agents._gate("placing-gate")
    _place(self, state, root, held)


driving.Driving._place_children = _late
boss, doer, scribe = agents.boss, agents.doer, agents.scribe
