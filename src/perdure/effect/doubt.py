"""What an effect in doubt allows, by class: the rules of DESIGN section 5.

``Ask`` means that only a person can know; everything else is done without one.
"""

from typing import NamedTuple

from perdure.intention.declaration import Declaration
from perdure.projection.state import Effect, State
from perdure.values.limits import PROBE_PAUSE_NS, PROBES_MAX


class Send(NamedTuple):
    """Request it again, under the same key with the recorded arguments."""


class SendAt(NamedTuple):
    """Request it again, not before ``due``."""

    due: int


class Probe(NamedTuple):
    """Look whether it happened, now."""


class ProbeAt(NamedTuple):
    """Look whether it happened, not before ``due``: earlier it could be there and invisible."""

    due: int


class Restore(NamedTuple):
    """Put the workspace back to before it; then it is known not to be done, and may be done again."""


class GiveUp(NamedTuple):
    """It is known that it was not done, and it won't be tried again."""

    why: str


class Ask(NamedTuple):
    """Only a person can know."""

    text: str


Way = Send | SendAt | Probe | ProbeAt | Restore | GiveUp | Ask


def way_out(state: State, declaration: Declaration | None, effect: Effect, at: int) -> Way:
    """Return what to do about ``effect``, which is in doubt, at time ``at``."""
    if declaration is None:
        return Ask(f"The agent has no tool {effect.tool!r} any more that could look.")
    if not effect.proposed and not effect.undoes:
        return _lost(effect)
    may_send = not (state.closed and not effect.undoes)
    match effect.effect:
        case "read":
            return _read(effect, declaration, may_send=may_send)
        case "workspace":
            return _workspace(state, effect, declaration, may_send=may_send)
        case "idempotent":
            return _idempotent(effect, declaration, at, may_send=may_send)
        case "probeable" | "transactional" if not effect.undoes:
            return _probeable(state, effect, declaration, at, may_send=may_send)
        case _:
            if effect.verdict in ("never", "barred"):
                return Send() if may_send else GiveUp("the run ended before it was done")
            return Ask("Nothing can tell whether it happened: the tool promises nothing about repeats.")


def ended_at(state: State, effect: Effect) -> int:
    """Return when the sender was known to send no more; 0 if that isn't known."""
    return effect.ended_at or state.world.dead.get(effect.epoch, 0)


def _lost(effect: Effect) -> Way:
    """What a lost event promised can't be looked for or sent again: what it was called with is lost as well."""
    if effect.verdict in ("never", "barred"):
        return GiveUp("it was not done, and the call for it is lost: the model may propose it anew")
    return Ask("The event that promised it was lost when the store was restored or failed over.")


def _workspace(state: State, effect: Effect, declaration: Declaration, *, may_send: bool) -> Way:
    if may_send and _left_behind(state, effect):
        return GiveUp("the run went back to before it, and so did the workspace")
    if not state.live.tree:
        return Ask("The workspace has no checkpoint from before it.")
    if state.live.workspace_error:
        return Ask(f"The workspace could not be put back: {state.live.workspace_error}")
    if not state.live.fresh:
        return Restore()
    if not may_send:
        return GiveUp("the run ended, and the workspace was put back to before it")
    # Crashes of the writer come one a resume; what fails by itself would fail for ever.
    if effect.doubt != "crash" and effect.send >= declaration.sends_max:
        return GiveUp(f"tried {effect.send} times and put back each time: {effect.doubt}")
    return Send()


def _left_behind(state: State, effect: Effect) -> bool:
    """Whether no call of the present path stands for this effect: the run went back to before it."""
    turn = state.live.turn
    calls = (*(turn.calls if turn is not None else ()), *state.live.received.values())
    return all(call.key != effect.key for call in calls)


def _read(effect: Effect, declaration: Declaration, *, may_send: bool) -> Way:
    if may_send and effect.send < declaration.sends_max:
        return Send()
    return GiveUp(f"given up after {effect.send} tries: {effect.doubt}")


def _idempotent(effect: Effect, declaration: Declaration, at: int, *, may_send: bool) -> Way:
    if effect.verdict in ("never", "barred"):
        return Send() if may_send else GiveUp("the run ended before it was done")
    if not may_send:
        return Ask("The run ended while it was under way.")
    lifetime = declaration.key_lifetime
    if lifetime is not None and at >= effect.first_at + lifetime:
        return Ask("The other side honours our key no longer, so sending again could repeat it.")
    if effect.send >= declaration.sends_max:
        return Ask(f"It was requested {effect.send} times without an answer: {effect.doubt}")
    if effect.doubt == "crash":
        return Send()
    due = effect.sent_at + (PROBE_PAUSE_NS << (effect.send - 1))
    return Send() if at >= due else SendAt(due)


def _probeable(state: State, effect: Effect, declaration: Declaration, at: int, *, may_send: bool) -> Way:
    if effect.verdict == "barred":
        return _again(effect, declaration, may_send=may_send)
    ended = ended_at(state, effect)
    visible = ended + (declaration.visible_within or 0)
    if effect.verdict == "never" and ended and effect.probed_at >= visible:
        return _again(effect, declaration, may_send=may_send)
    if effect.probes >= PROBES_MAX:
        last = f"The last of {effect.probes} probes said {effect.verdict!r}"
        alive = "" if ended else ", and its sender may still be alive"
        return Ask(f"{last}{alive}. {effect.evidence}".rstrip())
    pause = effect.probed_at + (PROBE_PAUSE_NS << effect.probes) if effect.probes else 0
    due = max(pause, visible if ended and effect.effect == "probeable" else 0)
    return Probe() if at >= due else ProbeAt(due)


def _again(effect: Effect, declaration: Declaration, *, may_send: bool) -> Way:
    if not may_send:
        return GiveUp("the run ended before it was done")
    if effect.send >= declaration.sends_max:
        return GiveUp(f"requested {effect.send} times, and each time it was not done")
    return Send()
