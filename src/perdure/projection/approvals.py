"""How questions to people and their grants stand, and when they count no more."""

from msgspec.structs import replace

from perdure.projection.state import ApprovalPhase, World
from perdure.values.table import Table


def void_approvals(world: World) -> World:
    """Return ``world`` in which no open question or unused grant counts any more."""
    approvals = {
        name: replace(item, phase="void") if item.phase in ("asked", "granted") else item
        for name, item in world.approvals.items()
    }
    return replace(world, approvals=Table(approvals))


def put_approval(world: World, approval: str, phase: ApprovalPhase) -> World:
    """Return ``world`` in which the question stands so, if there is one of that name."""
    asked = world.approvals.get(approval)
    if asked is None:
        return world
    return replace(world, approvals=world.approvals.put(approval, replace(asked, phase=phase)))
