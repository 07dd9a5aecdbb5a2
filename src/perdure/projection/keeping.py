"""The fold of what may be gone back to: positions whose files were let go, and those that are pinned."""

from bisect import insort

from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import State, World


def pinned(state: State, body: e.CheckpointPinned, event: Event) -> State:
    """The position is pinned, or it is no longer."""
    pins = [position for position in state.world.pins if position != body.position]
    if body.pinned:
        insort(pins, body.position)
    return replace(state, world=replace(state.world, pins=tuple(pins)))


def released(state: State, body: e.CheckpointReleased, event: Event) -> State:
    """Files of earlier positions may be gone; what was let go once doesn't come back."""
    if body.before <= state.world.kept_from:
        return state
    return replace(state, world=replace(state.world, kept_from=body.before, kept=body.kept))


def files_let_go(world: World, position: int) -> bool:
    """Tell whether the files of ``position`` were let go by the run of ``world``, which wrote it."""
    return position < world.kept_from and position not in world.kept
