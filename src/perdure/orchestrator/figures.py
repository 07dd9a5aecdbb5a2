"""What the contract may know of a run: counts of the lineage, and where it runs."""

from perdure.contract import Figures, Where
from perdure.projection.state import State, Turn


def where_of(state: State) -> Where:
    """Return the names that budgets are kept under."""
    return Where(state.run, state.lineage, state.tenant)


def figures_of(state: State, at: int) -> Figures:
    """Return the figures of ``state`` at time ``at`` (ns)."""
    world = state.world

    def used(counter: str) -> int:
        return world.counters.get(counter, 0)

    def repeats(tool: str, digest: str) -> int:
        return _repeats(state, tool, digest)

    return Figures(
        turns=world.turns,
        calls=world.started,
        spent=used(f"lineage:{state.lineage}:spent"),
        tokens=world.tokens,
        cost_microusd=world.cost_microusd,
        elapsed_ns=at - world.opened_at,
        at=at,
        used=used,
        repeats=repeats,
    )


def _repeats(state: State, tool: str, digest: str) -> int:
    """Return how many answered calls in a row, newest first, are this one."""
    count = 0
    for ordinal in range(len(state.live.entries) - 1, -1, -1):
        entry = state.live.entries[ordinal]
        if not isinstance(entry, Turn):
            continue
        for call in reversed(entry.calls):
            if not call.answered:
                continue
            if call.tool != tool or call.digest != digest:
                return count
            count += 1
    return count
