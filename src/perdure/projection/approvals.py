"""Questions and grants that no longer count."""

from msgspec.structs import replace

from perdure.projection.state import World
from perdure.values.table import Table


def void_approvals(world: World) -> World:
    """Return ``world`` in which no open question or unused grant counts any more."""
    approvals = {
        name: replace(item, phase="void") if item.phase in ("asked", "granted") else item
        for name, item in world.approvals.items()
    }
    return replace(world, approvals=Table(approvals))
