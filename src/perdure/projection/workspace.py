"""The workspace's part of the fold: what stands recorded, what may have changed since, what has to go back.

Invariants:
- ``fresh`` says that the recorded tree is the directory as far as the run knows. An effect ends that, and so
  does each turn: it is looked at anew while the model thinks.
- ``touched`` holds every effect that ran since the tree was recorded, so that a change finds its cause.
"""

from typing import Final

from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import Live, PutBack, State, Touch
from perdure.values.limits import TOUCHES_MAX

RULE: Final = "perdure"
"""Who goes back without being asked to: a rule, not a person."""


REQUEST: Final = "request-"
"""Begins the name of the time in which a foreign client does what its model said in the reply to that request."""


def look_for(state: State) -> int:
    """Return what a look at a foreign client's files is for now: the newest stir, or the run's beginning."""
    return state.live.stirred or 1


def client_asks(state: State, number: int, event: Event) -> State:
    """A foreign client asks its model: what it did for the reply before is done; the workspace is looked at anew."""
    state = client_rests(turn_begins(state), event.at)
    touched = _bounded((*state.live.touched, Touch(f"{REQUEST}{number}", event.at)))
    return replace(state, live=replace(state.live, touched=touched, stirred=event.position))


def client_rests(state: State, at: int) -> State:
    """A foreign client does nothing more for the reply that it has."""
    known = tuple(
        replace(each, ends=at) if each.key.startswith(REQUEST) and not each.ends else each
        for each in state.live.touched
    )
    return replace(state, live=replace(state.live, touched=known))


def touched(state: State, body: e.EffectStarted, event: Event) -> State:
    """From here on the workspace may be another than was recorded, also if this is not the first request."""
    if body.effect == "read":
        return state
    known = state.live.touched
    place = _place_of(body.key, known)
    began = event.at if place is None else known[place].begins
    others = known if place is None else (*known[:place], *known[place + 1 :])
    live = replace(
        state.live,
        fresh=False,
        stirred=event.position,
        touched=_bounded((*others, Touch(body.key, began))),
    )
    return replace(state, live=live)


def let_go(state: State, key: str, at: int) -> State:
    """The effect of ``key`` changes nothing any more."""
    known = state.live.touched
    place = _place_of(key, known)
    if place is None:
        return state
    ended = replace(known[place], ends=at)
    return replace(state, live=replace(state.live, touched=(*known[:place], ended, *known[place + 1 :])))


def _place_of(key: str, touches: tuple[Touch, ...]) -> int | None:
    """Return where the effect of ``key`` stands, which is there at most once."""
    keys = [each.key for each in touches]
    return keys.index(key) if key in keys else None


def turn_begins(state: State) -> State:
    """It is looked at anew in each turn: services and people change files without telling."""
    if not state.live.fresh and not state.live.workspace_error:
        return state
    return replace(state, live=replace(state.live, fresh=False, workspace_error=""))


def recorded(
    state: State,
    body: e.CheckpointTaken | e.CheckpointSkipped | e.CheckpointRestored,
    event: Event,
) -> State:
    """The workspace is this tree. What a foreign client may do in it goes on.

    A look that began before the newest stir may have missed what that is about: what it found is recorded, and the
    workspace is looked at again.
    """
    if not isinstance(body, e.CheckpointRestored) and body.of and body.of != look_for(state):
        seen = replace(
            state.live, tree=body.tree, tree_position=event.position, image=body.image, workspace_error=""
        )
        return replace(state, live=seen)
    goes_on = tuple(
        replace(each, begins=event.at)
        for each in state.live.touched
        if each.key.startswith(REQUEST) and not each.ends and not isinstance(body, e.CheckpointRestored)
    )
    live = replace(
        state.live,
        tree=body.tree,
        tree_position=event.position,
        image=body.image,
        fresh=True,
        workspace_error="",
        touched=goes_on,
        put_back=None,
    )
    return replace(state, live=live)


def failed(state: State, body: e.CheckpointFailed, event: Event) -> State:
    """The workspace could not be recorded or put back; nothing that needs it begins."""
    return replace(state, live=replace(state.live, workspace_error=body.error))


def to_be_put_back(
    live: Live, body: e.RunRewound | e.RunForked | e.ChangeReverted, event: Event, was: Live
) -> Live:
    """The files become the tree that the event names, before anything else goes on; ``was``: before the event.

    What still runs may still change them.
    """
    position = event.position
    if not isinstance(body, e.RunForked):
        live = replace(live, touched=tuple(each for each in was.touched if not each.ends))
    if not body.tree:
        return live
    seen = was.put_back.seen if was.put_back is not None else was.tree
    match body:
        case e.RunRewound():
            asked = body.by != RULE
            why = "the run went back" if asked else body.why
            back = PutBack(body.tree, position, body.image, body.keep, why, asked, seen, event.at)
        case e.RunForked():
            back = PutBack(body.tree, position, body.image, (), "the fork begins")
        case e.ChangeReverted():
            why = "a change is taken back"
            back = PutBack(body.tree, position, live.image, (), why, seen=seen, at=event.at)
    return replace(live, put_back=back)


def _bounded(touches: tuple[Touch, ...]) -> tuple[Touch, ...]:
    """Return the newest touches; the window of the oldest one reaches back over those that are dropped."""
    if len(touches) <= TOUCHES_MAX:
        return touches
    kept = touches[-TOUCHES_MAX:]
    return (replace(kept[0], begins=touches[0].begins), *kept[1:])
