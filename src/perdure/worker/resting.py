"""When a run at rest wants to be driven again although nobody posts: a function of its state."""

from perdure.projection.state import State


def wake_of(state: State, now: int) -> int | None:
    """Return the time of its next timer or poll; None if only a post leads on."""
    timers = state.live.timers.items()
    if state.closed:
        open_ = any(True for _ in state.world.open)
        due = [timer.due for name, timer in timers if open_ and name.startswith(("probe:", "send:"))]
    else:
        due = [timer.due for _, timer in timers]
    for effect in state.world.open.values():
        if effect.phase == "pending" and not effect.child:
            due.append(min(now + effect.poll_ns, effect.give_up))
    return min(due, default=None)
