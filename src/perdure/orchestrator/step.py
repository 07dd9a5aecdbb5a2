"""``step``: the one place where a fact becomes decisions.

Invariants:
- Pure: the same state, fact and law give the same events, byte for byte. No clock, no chance, no
  store, no order of a set.
- Every batch begins with its fact; the events after it have the fact's position as cause. So a
  log can be decided again, fact by fact, and compared (``perdure.replay``).
- ``STEP`` names the logic. It is recorded when a run opens; a change of any decision raises it. 2: a deed in
  the workspace is named by its place, not by its arguments, since the workspace goes back with a rewind.
  3: after a rewind, what is in doubt behind it is a divergence as well, not only what succeeded.
"""

from typing import Final

from perdure.contract import Law
from perdure.intention.reply import Call, Reply
from perdure.log import events as e
from perdure.orchestrator.advance import advance
from perdure.orchestrator.draft import Decision, Draft, Fact
from perdure.orchestrator.judge import full_digest
from perdure.orchestrator.remember import remembered, taken_back
from perdure.orchestrator.window import adopt_paging, tell_answer
from perdure.page.policy import moves, pins
from perdure.projection.cut import goes_back
from perdure.projection.state import State
from perdure.values.digest import canonical
from perdure.values.limits import (
    ARGUMENTS_INLINE_BYTES_MAX,
    CALL_NAME_CHARACTERS_MAX,
    CALLS_PER_REPLY_MAX,
    MODEL_ATTEMPTS_MAX,
    MODEL_PAUSE_NS,
)

STEP: Final = 3


def step(state: State, fact: Fact, law: Law, *, run: str) -> Decision:
    """Return what follows from ``fact`` in ``state`` under ``law``.

    ``run`` names the stream (it matters for the first event of a run and of a fork).
    """
    draft = Draft(state, fact, law, run)
    draft.emit(fact.body)
    _react(draft)
    advance(draft, fact.reply)
    return Decision(tuple(draft.events), draft.state, tuple(draft.blobs))


def _react(d: Draft) -> None:
    body = d.fact.body
    match body:
        case e.ModelReplied() if d.fact.reply is not None:
            tell_answer(d, body)
            _propose(d, d.fact.reply)
        case e.ModelFailed():
            _model_failed(d, body)
        case e.TimerFired():
            _timer_fired(d, body)
        case e.EffectReconciled():
            _found(d, body)
        case e.EffectSettled():
            _compensated(d, body.key)
        case e.ChangeReverted() if body.tree:
            taken_back(d, body)
        case e.RunRewound() | e.MemoryLearned():
            _look_back(d, body)
        case e.LeaseAcquired():
            _take_up(d)
        case e.ContractAdopted():
            adopt_paging(d)
        case _:
            _foreign(d, body)


def _foreign(d: Draft, body: e.Body) -> None:
    """What foreign clients say: calls, and requests that pages move with."""
    if isinstance(body, e.CallReceived):
        _receive(d, body)
    if isinstance(body, e.RequestForwarded):
        for move in moves(d.state, body, d.at):
            d.emit(move)
    if isinstance(body, e.PageFaulted):
        for pin in pins(d.state, body):
            d.emit(pin)


def _look_back(d: Draft, body: e.RunRewound | e.MemoryLearned) -> None:
    """The model is told what the world remembers, where something lies behind it or was asked for."""
    tells = body.tell if isinstance(body, e.MemoryLearned) else goes_back(body, d.state.position)
    if tells:
        remembered(d)


def _receive(d: Draft, body: e.CallReceived) -> None:
    """A call that is known already is that call; of one that is new its intention is proposed."""
    record = d.state.live.received.get(body.call)
    call = d.fact.asked.get(body.call)
    if record is not None and call is not None and record.proposed == d.state.position:
        d.emit(_intention(body.call, body.tool, 0, call))


def _propose(d: Draft, reply: Reply) -> None:
    seen: set[str] = set()
    for index, call in enumerate(reply.calls):
        given, wanted = call.id[:CALL_NAME_CHARACTERS_MAX], call.tool[:CALL_NAME_CHARACTERS_MAX]
        name = given or f"call-{index}"
        while name in seen:
            name = f"{name}-{index}"
        seen.add(name)
        d.emit(_intention(name, wanted, index, call))
        if index >= CALLS_PER_REPLY_MAX:
            reason = f"a reply may hold at most {CALLS_PER_REPLY_MAX} calls."
            d.emit(e.IntentionRefused(name, "too many", reason, "Send the rest in a later reply."))


def _intention(name: str, tool: str, index: int, call: Call) -> e.IntentionProposed:
    """Return what is proposed: with its arguments, where they are short."""
    arguments = call.arguments
    try:
        small = arguments is not None and len(canonical(arguments)) <= ARGUMENTS_INLINE_BYTES_MAX
    except ValueError:
        small = False
    return e.IntentionProposed(name, tool, index, full_digest(call), arguments if small else None)


def _model_failed(d: Draft, body: e.ModelFailed) -> None:
    turn = d.state.live.turn
    if turn is None or d.state.closed:
        return
    if body.retryable and turn.failures < MODEL_ATTEMPTS_MAX:
        due = d.at + (MODEL_PAUSE_NS << (turn.failures - 1))
        d.emit(e.TimerSet("model", due, "before the model is asked again"))
    else:
        d.emit(e.RunSuspended("model", body.error))


def _timer_fired(d: Draft, body: e.TimerFired) -> None:
    turn = d.state.live.turn
    if body.timer == "model" and turn is not None and not turn.replied and turn.failed_at:
        d.emit(e.ModelRequested(turn.number, turn.attempt + 1, len(d.state.live.entries)))
    approval = d.state.world.approvals.get(body.timer)
    if approval is not None and approval.phase == "asked" and d.at >= approval.expires:
        d.emit(e.ApprovalExpired(body.timer))


def _found(d: Draft, body: e.EffectReconciled) -> None:
    if body.verdict == "found" and body.key in d.state.world.open:
        d.emit(e.EffectSettled(body.key, "succeeded", body.result, by=body.by))
        _compensated(d, body.key)


def _compensated(d: Draft, key: str) -> None:
    receipt = d.state.world.receipts.get(key)
    if receipt is not None and receipt.undoes and receipt.outcome == "succeeded":
        d.emit(e.EffectCompensated(receipt.undoes, receipt.key))


def _take_up(d: Draft) -> None:
    """A new writer asks the model anew, since nobody waits for the old answer, and looks at children."""
    if d.state.attended:
        return
    for effect in tuple(d.state.world.open.values()):
        if effect.child:
            d.emit(e.ChildSpawned(effect.key, effect.child))
    turn = d.state.live.turn
    if not d.state.closed and turn is not None and not turn.replied:
        d.emit(e.ModelRequested(turn.number, turn.attempt + 1, len(d.state.live.entries)))
