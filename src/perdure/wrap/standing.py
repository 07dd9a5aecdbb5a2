"""How a run stands at the end of a session, in figures."""

from collections.abc import Sequence

from msgspec import structs

from perdure.assembly.foreign.sessions import Session
from perdure.projection.state import State
from perdure.wrap.order import Summary


def summary_of(session: Session, heard: Sequence[str]) -> Summary:
    """Return how the run of ``session`` stands, with what was ``heard`` of its servers."""
    failure = session.failure
    found = standing(session.state)
    lost = (f"it was not kept to the end: {failure}",) if failure is not None else ()
    return structs.replace(found, notes=(*lost, *found.notes, *heard))


def standing(state: State) -> Summary:
    """Return what the state of a wrapped client's run amounts to."""
    talk, world = state.live.conversation, state.world
    mine = [each for each in world.receipts.values() if each.run == state.run]
    return Summary(
        run=state.run,
        position=state.position,
        requests=talk.requests if talk is not None else 0,
        cost_microusd=world.cost_microusd,
        saved_microusd=talk.saved_microusd if talk is not None else 0,
        done=sum(each.outcome in ("succeeded", "partial") for each in mine),
        doubts=sum(each.phase == "doubted" for each in world.open.values()),
        asked=sum(each.phase == "asked" for each in world.approvals.values()),
        recorded=bool(state.live.tree),
        notes=(f"its files could not be recorded: {state.live.workspace_error}",)
        if state.live.workspace_error
        else (),
    )
