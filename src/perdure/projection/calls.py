"""Calls of a foreign client: each stands by itself, and is remembered for a while after it was answered."""

from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection import workspace
from perdure.projection.approvals import void_approvals
from perdure.projection.state import CallRecord, State
from perdure.values.limits import CALLS_REMEMBERED_MAX
from perdure.values.table import Table


def put(state: State, record: CallRecord) -> State:
    """Return the state in which the call stands like that."""
    return replace(state, live=replace(state.live, received=state.live.received.put(record.id, record)))


def received(state: State, body: e.CallReceived, event: Event) -> State:
    """A call came; one that is known already stays as it is. The oldest of the answered are forgotten."""
    known = state.live.received
    if body.call in known:
        return state
    if len(known) >= CALLS_REMEMBERED_MAX:
        kept = dict(known.items())
        for name in [name for name, record in kept.items() if record.answered][: len(kept) // 2]:
            del kept[name]
        state = replace(state, live=replace(state.live, received=Table(kept)))
    return put(state, CallRecord(body.call, body.tool, 0, "", event.position, of=body.of, via=body.via))


def answered(state: State, body: e.CallAnswered, event: Event) -> State:
    """The client has done it, or hasn't, or doesn't know."""
    record = state.live.received.get(body.call)
    if record is None or record.answered:
        return state
    kind = "succeeded" if body.outcome == "succeeded" else "failed"
    return put(
        state, replace(record, answered=event.position, answer=kind, content=body.result, text=body.error)
    )


def released(state: State, body: e.CallReleased, event: Event) -> State:
    """Nobody waits for its answer any more; what was begun for it goes on.

    Whoever makes the call again means that one: it doesn't count as met, so its receipt, or its doubt, answers.
    """
    record = state.live.received.get(body.call)
    if record is None:
        return state
    if record.answered:
        return _untaken(state, record, body, event) if body.kind == "gone" else state
    begun = state.world.open.get(record.key)
    if begun is not None:
        state = replace(state, live=replace(state.live, met=state.live.met.without(begun.stem)))
    match body.kind:
        case "waits" | "doubt":
            kind = body.kind
        case _:
            kind = "gone"
    return put(state, replace(record, answered=event.position, answer=kind, text=body.why))


def _untaken(state: State, record: CallRecord, body: e.CallReleased, event: Event) -> State:
    """The client went away without its answer: what it asks for next, it asks without knowing of that.

    What a person allowed before was allowed without knowing of it as well.
    """
    world, live = void_approvals(state.world), state.live
    done = world.open.get(record.key) or world.receipts.get(record.key)
    if done is None:
        return state
    state = replace(
        state,
        live=replace(live, met=live.met.without(done.stem)),
        world=replace(world, rewinds=world.rewinds + 1),
    )
    return put(state, replace(record, answered=event.position, answer="gone", text=body.why))


def attached(state: State, body: e.ClientAttached, event: Event) -> State:
    """A client works in this run from here on."""
    return replace(state, live=replace(state.live, client=body.client))


def left(state: State, body: e.ClientLeft, event: Event) -> State:
    """It doesn't any more."""
    state = workspace.client_rests(state, event.at)
    return replace(state, live=replace(state.live, client=""))
