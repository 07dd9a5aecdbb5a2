"""What a decision takes from the store's shared memory, in the transaction of its own events."""

from typing import NamedTuple

from perdure.contract import Law
from perdure.effect.memory import scope_of
from perdure.log import events as e
from perdure.log.port import ClaimClosed, ClaimOpened, CounterMoved
from perdure.orchestrator.draft import Decision
from perdure.projection.state import State

_NO_LIMIT = 2**62


class Shared(NamedTuple):
    """Claims and counters of one decision, in the order of its events."""

    opened: tuple[ClaimOpened, ...]
    closed: tuple[ClaimClosed, ...]
    counters: tuple[CounterMoved, ...]


def shared_of(decision: Decision, law: Law) -> Shared:
    """Return the claims that ``decision`` opens and closes, and the shared counters it moves."""
    opened: list[ClaimOpened] = []
    closed: list[ClaimClosed] = []
    counters: list[CounterMoved] = []
    for event in decision.events:
        body = event.body
        match body:
            case e.EffectStarted() if body.send == 1:
                if is_claimed(body.effect, decision.state.step):
                    opened.append(_claim(decision.state, body, event.position, law))
                counters += (
                    CounterMoved(item.counter, item.amount, item.limit)
                    for item in body.reserved
                    if item.shared
                )
            case e.EffectSettled() | e.ChildFinished():
                closing = _closing(decision, body.key, event.position)
                if closing is not None:
                    receipt = decision.state.world.receipts[closing.key]
                    if is_claimed(receipt.effect, decision.state.step):
                        closed.append(closing)
                    counters += _given_back(decision.state, closing)
            case e.EffectCompensated():
                closed.append(ClaimClosed(body.key, "compensated"))
            case _:
                pass
    return Shared(tuple(opened), tuple(closed), _as_judged(decision.state, counters))


def is_claimed(effect: str, step: int) -> bool:
    """Whether other runs must hear of effects of this class: the files of a run are its own."""
    return effect != "read" and not (effect == "workspace" and step >= 2)


def _as_judged(state: State, moves: list[CounterMoved]) -> tuple[CounterMoved, ...]:
    """Bind counters without a limit to the figures that the rules have seen.

    A rule such as `state.spent + args.amount <= 100` was judged by what this run knows. If another run of
    the lineage has spent meanwhile, the store refuses, says what is spent, and it is judged again.
    """
    known = {move.counter: state.world.counters.get(move.counter, 0) for move in moves}
    for move in moves:
        known[move.counter] -= move.amount
    bound: list[CounterMoved] = []
    for move in moves:
        known[move.counter] += move.amount
        limited = move.amount < 0 or move.limit < _NO_LIMIT
        bound.append(move if limited else move._replace(limit=known[move.counter]))
    return tuple(bound)


def _claim(state: State, body: e.EffectStarted, position: int, law: Law) -> ClaimOpened:
    declaration = law.definition.tool(body.tool)
    scope = f"lineage:{state.lineage}"
    if declaration is not None and not body.undoes:
        scope = scope_of(state, declaration)
    return ClaimOpened(
        key=body.key,
        stem=body.stem,
        scope=scope,
        tool=body.tool,
        attempt=body.attempt,
        position=position,
        arguments=body.arguments,
        loose=body.loose,
    )


def _closing(decision: Decision, key: str, position: int) -> ClaimClosed | None:
    """Return the claim's end if this event is what settled it; a second answer closes nothing."""
    receipt = decision.state.world.receipts.get(key)
    if receipt is None or receipt.settled != position or receipt.run != decision.state.run:
        return None
    return ClaimClosed(key, receipt.outcome, receipt.result)


def _given_back(state: State, closing: ClaimClosed) -> list[CounterMoved]:
    if closing.outcome != "failed":
        return []
    receipt = state.world.receipts[closing.key]
    return [CounterMoved(item.counter, -item.amount, _NO_LIMIT) for item in receipt.reserved if item.shared]
