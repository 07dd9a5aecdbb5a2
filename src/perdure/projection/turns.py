"""The conversation's part of the fold: messages, turns, calls and their answers."""

from collections.abc import Callable

from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection import calls, workspace
from perdure.projection.approvals import put_approval
from perdure.projection.state import Answered, CallRecord, Message, State, Turn


def _append(state: State, entry: Turn | Message) -> State:
    entries = state.live.entries
    ordinal = len(entries)
    newest = ordinal if isinstance(entry, Turn) else state.live.newest
    return replace(state, live=replace(state.live, entries=entries.put(ordinal, entry), newest=newest))


def _put(state: State, ordinal: int, turn: Turn) -> State:
    entries = state.live.entries.put(ordinal, turn)
    return replace(state, live=replace(state.live, entries=entries))


def _newest(state: State) -> tuple[int, Turn] | None:
    turn = state.live.turn
    return None if turn is None else (state.live.newest, turn)


def message(state: State, body: e.MessageReceived, event: Event) -> State:
    """The message joins the conversation, and answers a call that asked for one."""
    said = Message(event.position, body.id, body.sender, body.text)
    state = _append(state, said)
    if body.sender == "perdure":
        return state
    found = _newest(state)
    if found is None:
        return state
    for call in found[1].calls:
        if call.key == "ask" and call.accepted and not call.answered:
            state = answer(state, call.id, "told", event.position, text="See the next message.")
    return state


def drift(state: State, body: e.DriftFound, event: Event) -> State:
    """The model is told that the world isn't as it believes."""
    text = f"The world is not as you believe: {body.text}"
    content = e.Content(len(text.encode()), text)
    return _append(state, Message(event.position, f"drift-{event.position}", "perdure", content))


def requested(state: State, body: e.ModelRequested, event: Event) -> State:
    """A turn begins, or the newest one is asked again: then it stands behind what was said since."""
    state = workspace.turn_begins(state)
    found = _newest(state)
    if found is not None and not found[1].replied:
        again = replace(found[1], requested=event.position, attempt=body.attempt, failed_at=0)
        return _moved_to_end(state, found[0], again)
    turn = Turn(body.turn, event.position, body.attempt)
    world = replace(state.world, turns=state.world.turns + 1)
    return _append(replace(state, world=world), turn)


def _moved_to_end(state: State, ordinal: int, turn: Turn) -> State:
    entries = state.live.entries
    last = len(entries) - 1
    for place in range(ordinal, last):
        entries = entries.put(place, entries[place + 1])
    return replace(state, live=replace(state.live, entries=entries.put(last, turn), newest=last))


def replied(state: State, body: e.ModelReplied, event: Event) -> State:
    """The reply stands; its calls follow as intentions."""
    used = body.usage
    world = replace(
        state.world,
        tokens=state.world.tokens + used.input_tokens + used.output_tokens,
        cost_microusd=state.world.cost_microusd + used.cost_microusd,
    )
    state = replace(state, world=world)
    found = _newest(state)
    if found is None or found[1].replied:
        return state
    return _put(state, found[0], replace(found[1], replied=event.position, reply=body.reply))


def failed(state: State, body: e.ModelFailed, event: Event) -> State:
    """The turn has one failure more."""
    found = _newest(state)
    if found is None or found[1].replied:
        return state
    turn = replace(found[1], failures=found[1].failures + 1, failed_at=event.at)
    return _put(state, found[0], turn)


def proposed(state: State, body: e.IntentionProposed, event: Event) -> State:
    """The turn has one call more; a foreign client's has its own place."""
    record = state.live.received.get(body.call)
    if record is not None:
        told = replace(record, digest=body.digest, proposed=event.position)
        return calls.put(state, told)
    found = _newest(state)
    if found is None:
        return state
    call = CallRecord(body.call, body.tool, body.index, body.digest, event.position)
    return _put(state, found[0], replace(found[1], calls=(*found[1].calls, call)))


def accepted(state: State, body: e.IntentionAccepted, event: Event) -> State:
    """The call may be done under its key; a grant that allowed it is used up."""
    state = replace(state, world=put_approval(state.world, body.approval, "used"))
    return change(state, body.call, accepted=event.position, key=body.key)


def refused(state: State, body: e.IntentionRefused, event: Event) -> State:
    """The call is answered with the reason."""
    text = f"Refused ({body.rule}): {body.reason}" + (f" {body.hint}" if body.hint else "")
    return answer(state, body.call, "refused", event.position, text=text)


def recalled(state: State, body: e.RecallAnswered, event: Event) -> State:
    """The call is answered with what was asked for."""
    return answer(state, body.call, "told", event.position, content=body.text)


def previewed(state: State, call: str, body: e.EffectSettled, position: int) -> State:
    """Return the state in which the call that was answered at ``position`` has what could stand for its answer."""
    return _changed(
        state,
        call,
        lambda record: (
            replace(record, preview=body.preview, lines=body.lines) if record.answered == position else record
        ),
    )


def timer_answered(state: State, timer: str, position: int) -> State:
    """A call that waited for the timer is answered."""
    found = _newest(state)
    if found is not None:
        for call in found[1].calls:
            if call.key == timer and not call.answered:
                return answer(state, call.id, "told", position, text="The time has passed.")
    return state


def change(
    state: State,
    call: str,
    *,
    accepted: int | None = None,
    key: str | None = None,
    approval: str | None = None,
) -> State:
    """Return the state in which that call has these fields."""
    return _changed(
        state,
        call,
        lambda record: replace(
            record,
            accepted=record.accepted if accepted is None else accepted,
            key=record.key if key is None else key,
            approval=record.approval if approval is None else approval,
        ),
    )


def answer(
    state: State,
    call: str,
    kind: Answered,
    position: int,
    *,
    content: e.Content | None = None,
    text: str = "",
) -> State:
    """Return the state in which that call is answered; an answered call stays as it is."""
    return _changed(
        state,
        call,
        lambda record: (
            record
            if record.answered
            else replace(record, answered=position, answer=kind, content=content, text=text)
        ),
    )


def _changed(state: State, call: str, change: Callable[[CallRecord], CallRecord]) -> State:
    """Return the state in which that call is as ``change`` makes it: a foreign client's, or one of the newest turn."""
    record = state.live.received.get(call)
    if record is not None:
        return calls.put(state, change(record))
    found = _newest(state)
    if found is None:
        return state
    changed = tuple(change(record) if record.id == call else record for record in found[1].calls)
    return _put(state, found[0], replace(found[1], calls=changed))
