"""What should be going on in a state: the driver begins what is missing and ends what isn't here.

A function of the state alone, so resuming after a crash is the same as going on.
"""

from typing import NamedTuple

from perdure.contract import Law
from perdure.effect import doubt as ways
from perdure.projection.state import Effect, State
from perdure.projection.workspace import look_for


class AskModel(NamedTuple):
    """Ask the model to go on from the conversation; ``requested`` tells equal turns apart."""

    turn: int
    attempt: int
    requested: int


class Perform(NamedTuple):
    """Do the deed that was promised."""

    key: str
    send: int


class Look(NamedTuple):
    """Find out whether a deed in doubt happened."""

    key: str
    probe: int


class Poll(NamedTuple):
    """Ask after a pending operation until it is done."""

    key: str


class RunChild(NamedTuple):
    """Drive the child run and wait for its end."""

    key: str
    child: str


class Checkpoint(NamedTuple):
    """Look what has changed in the workspace since it was recorded at this position, and record it."""

    since: int
    of: int = 0
    """what a foreign client's run is looked at for; it doesn't stand still meanwhile"""


class RestoreTree(NamedTuple):
    """Make the workspace this tree again, but for some paths; ``why`` is the key of a deed, or a position."""

    tree: str
    image: str
    keep: tuple[str, ...]
    why: str


class Refresh(NamedTuple):
    """Ask the store what became of acts that other runs have begun."""

    stems: tuple[str, ...]
    proposed: int


class AnswerRecall(NamedTuple):
    """Give the model the pages that it asks for."""

    call: str
    proposed: int


class Alarm(NamedTuple):
    """Say when this time has come."""

    timer: str
    due: int


Request = (
    AskModel | Perform | Look | Poll | RunChild | Checkpoint | RestoreTree | Refresh | AnswerRecall | Alarm
)


def wanted(state: State, law: Law) -> tuple[Request, ...]:
    """Return the requests of ``state``, each named by what makes it one of a kind."""
    if state.attended:
        return ()
    back = state.live.put_back
    if back is not None:
        again = RestoreTree(back.tree, back.image, back.keep, f"rewind-{back.position}")
        return () if state.live.workspace_error else (again,)
    requests: list[Request] = [*_effects(state, law), *_look(state, law)]
    if not state.closed:
        requests += _turn(state)
        requests += _received(state)
        requests += (Alarm(name, timer.due) for name, timer in state.live.timers.items())
    elif requests or any(True for _ in state.world.open):
        requests += (
            Alarm(name, timer.due)
            for name, timer in state.live.timers.items()
            if name.startswith(("probe:", "send:"))
        )
    return tuple(requests)


def _effects(state: State, law: Law) -> list[Request]:
    requests: list[Request] = []
    for effect in state.world.open.values():
        match effect.phase:
            case "started" if effect.child:
                requests.append(RunChild(effect.key, effect.child))
            case "started":
                if state.status != "cancelled" or effect.undoes:
                    requests.append(Perform(effect.key, effect.send))
            case "pending" if not effect.child:
                requests.append(Poll(effect.key))
            case "doubted":
                declaration = law.definition.tool(effect.tool)
                way = ways.way_out(state, declaration, effect, state.at)
                if isinstance(way, ways.Probe):
                    requests.append(Look(effect.key, effect.probes + 1))
                elif isinstance(way, ways.Restore):
                    requests.append(RestoreTree(state.live.tree, state.live.image, (), effect.key))
            case "pending" | "settled":
                pass
    return requests


def _look(state: State, law: Law) -> list[Request]:
    """The workspace is looked at while the model thinks, before the next deed in it, and after the last one."""
    live = state.live
    if not law.definition.workspace or live.fresh or live.workspace_error:
        return []
    if state.closed and not live.touched:
        return []
    if any(_may_change_it(effect) for effect in state.world.open.values()):
        return []
    return [Checkpoint(live.tree_position, look_for(state) if law.definition.foreign else 0)]


def _may_change_it(effect: Effect) -> bool:
    """Whether files may be half written: a deed runs, or one that changes nothing else is in doubt."""
    running = effect.phase == "started" and effect.effect != "read" and not effect.child
    return running or (effect.phase == "doubted" and effect.effect == "workspace")


def _received(state: State) -> list[Request]:
    """A foreign client's call may wait for news of what other runs have begun."""
    if not state.world.elsewhere:
        return []
    waiting = next((c for c in state.live.received.values() if not c.answered and not c.accepted), None)
    if waiting is None or state.live.refreshed == waiting.proposed:
        return []
    return [Refresh(tuple(state.world.elsewhere), waiting.proposed)]


def _turn(state: State) -> list[Request]:
    turn = state.live.turn
    if turn is None:
        return []
    if not turn.replied:
        return [] if turn.failed_at else [AskModel(turn.number, turn.attempt, turn.requested)]
    waiting = next((call for call in turn.calls if not call.answered), None)
    if waiting is not None and waiting.accepted and waiting.key == "recall":
        return [AnswerRecall(waiting.id, waiting.proposed)]
    if waiting is None or waiting.accepted or state.world.open:
        return []
    requests: list[Request] = []
    approval = state.world.approvals.get(waiting.approval)
    if approval is not None and approval.phase == "asked":
        return requests
    if state.world.elsewhere and state.live.refreshed != waiting.proposed:
        requests.append(Refresh(tuple(state.world.elsewhere), waiting.proposed))
    return requests
