"""The world's part of the fold: effects, receipts, approvals, counters."""

from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection import turns, workspace
from perdure.projection.approvals import put_approval, void_approvals
from perdure.projection.state import Approval, CallRecord, Effect, State, World
from perdure.values.table import Table


def started(state: State, body: e.EffectStarted, event: Event) -> State:
    """The effect is open; a second send keeps what the first one said."""
    world = state.world
    was = world.open.get(body.key)
    if was is not None:
        again = replace(
            was,
            phase="started",
            send=body.send,
            epoch=event.epoch,
            sent_at=event.at,
            doubt="",
            ended_at=0,
            probes=0,
            verdict="",
        )
        return workspace.touched(
            _world(state, replace(world, open=world.open.put(body.key, again))), body, event
        )
    record = None
    if not body.undoes:
        record = _record(state, body.call)
        state = turns.change(state, body.call, accepted=event.position, key=body.key)
    effect = Effect(
        key=body.key,
        stem=body.stem,
        tool=body.tool,
        effect=body.effect,
        run=event.run,
        call=body.call,
        proposed=record.proposed if record is not None else 0,
        started=event.position,
        attempt=body.attempt,
        arguments=body.arguments,
        loose=body.loose,
        what=body.what,
        send=body.send,
        epoch=event.epoch,
        first_at=event.at,
        sent_at=event.at,
        reserved=body.reserved,
        approval=body.approval or "",
        undoes=body.undoes or "",
    )
    changed = replace(
        world,
        open=world.open.put(body.key, effect),
        counters=_moved(world.counters, body.reserved, 1),
        started=world.started.put(body.tool, world.started.get(body.tool, 0) + 1),
    )
    if body.approval:
        changed = put_approval(changed, body.approval, "used")
    if body.effect == "read":
        return _world(state, changed)
    if body.undoes:
        changed = replace(changed, reverts=world.reverts.without(body.undoes))
    live = replace(state.live, met=state.live.met.put(body.stem, event.position))
    return workspace.touched(replace(state, world=changed, live=live), body, event)


def pending(state: State, body: e.EffectPending, event: Event) -> State:
    """The other side is working on it."""
    return _open(
        state,
        body.key,
        phase="pending",
        reference=body.reference,
        poll_ns=body.poll_ns,
        give_up=body.give_up,
    )


def settled(state: State, body: e.EffectSettled, event: Event) -> State:
    """Record what the world answered; a second answer is ignored."""
    was = state.world.open.get(body.key)
    if was is None:
        return state
    done = replace(
        was,
        phase="settled",
        settled=event.position,
        outcome=body.outcome,
        result=body.result,
        error=body.error,
        by=body.by,
    )
    world = replace(state.world, open=state.world.open.without(body.key))
    if was.effect != "read":
        world = replace(world, receipts=world.receipts.put(body.key, done))
    if body.outcome == "failed" and was.effect != "read":
        world = replace(world, counters=_moved(world.counters, was.reserved, -1))
    state = workspace.let_go(_world(state, world), body.key, event.at)
    state = _answered(state, done, event.position)
    return turns.previewed(state, done.call, body, event.position) if body.lines else state


def doubted(state: State, body: e.EffectDoubted, event: Event) -> State:
    """Whether it happened is not known."""
    return _open(
        state,
        body.key,
        phase="doubted",
        doubt=body.why,
        ended_at=event.at if body.ended else 0,
        probes=0,
        verdict="",
    )


def reconciled(state: State, body: e.EffectReconciled, event: Event) -> State:
    """Looking showed something; 'found' and 'never' lead to a decision in the same batch."""
    was = state.world.open.get(body.key)
    if was is None:
        return state
    return _open(
        state,
        body.key,
        phase="doubted",
        probes=was.probes + 1,
        probed_at=event.at,
        verdict=body.verdict,
        evidence=body.evidence,
    )


def replayed(state: State, body: e.EffectReplayed, event: Event) -> State:
    """The call is answered with a receipt, which now is met on this path."""
    receipt = state.world.receipts.get(body.key)
    if receipt is None:
        return state
    live = replace(state.live, met=state.live.met.put(receipt.stem, event.position))
    state = replace(state, live=live)
    return turns.answer(
        state, body.call, "replayed", event.position, content=receipt.result, text=receipt.error
    )


def compensated(state: State, body: e.EffectCompensated, event: Event) -> State:
    """The receipt says that it was taken back; its act may be done again."""
    receipt = state.world.receipts.get(body.key)
    if receipt is None:
        return state
    taken_back = replace(receipt, outcome="compensated", by=body.by)
    receipts = state.world.receipts.put(body.key, taken_back)
    return _world(state, replace(state.world, receipts=receipts))


def learned(state: State, body: e.MemoryLearned, event: Event) -> State:
    """What other runs hold becomes part of what this run knows."""
    world = state.world
    counters = world.counters
    for seen in body.counters:
        counters = counters.put(seen.counter, seen.used)
    world = replace(world, counters=counters)
    for claim in body.claims:
        lost = claim.run == state.run and claim.key not in world.open and claim.key not in world.receipts
        world = _lost(world, claim) if lost else _claim(world, claim)
    for denial in body.denials:
        world = _denial(world, denial)
    waiting = next(
        (call.proposed for call in (*_calls(state), *state.live.received.values()) if not call.answered), 0
    )
    return replace(state, world=world, live=replace(state.live, refreshed=waiting))


def revert_asked(state: State, body: e.ChangeReverted, event: Event) -> State:
    """A person wants it undone; the undo begins when somebody drives the run. Files are put back at once."""
    if body.tree:
        return replace(state, live=workspace.to_be_put_back(state.live, body, event, state.live))
    if body.key not in state.world.receipts:
        return state
    return _world(state, replace(state.world, reverts=state.world.reverts.put(body.key, event.position)))


def approval_requested(state: State, body: e.ApprovalRequested, event: Event) -> State:
    """A person is asked."""
    asked = Approval(
        id=body.approval,
        call=body.call,
        key=body.key,
        stem=body.key,
        arguments=body.arguments,
        contract=body.contract,
        expires=body.expires,
        asked=event.position,
        why=body.why,
        who=body.who,
        receipt=body.receipt,
    )
    world = replace(state.world, approvals=state.world.approvals.put(body.approval, asked))
    return turns.change(_world(state, world), body.call, approval=body.approval)


def approval_granted(state: State, body: e.ApprovalGranted, event: Event) -> State:
    """A grant counts once, while the question is open and not expired."""
    asked = state.world.approvals.get(body.approval)
    if asked is None or asked.phase != "asked" or event.at >= asked.expires:
        return state
    given = replace(asked, phase="granted", by=body.by, note=body.note)
    return _world(state, replace(state.world, approvals=state.world.approvals.put(body.approval, given)))


def approval_denied(state: State, body: e.ApprovalDenied, event: Event) -> State:
    """A denial holds for the same act for the life of the lineage.

    Who denies what may repeat an earlier act has recognised that one: it raises no further question.
    """
    asked = state.world.approvals.get(body.approval)
    if asked is None or asked.phase not in ("asked", "granted"):
        return state
    refused = replace(asked, phase="denied", by=body.by, note=body.note)
    world = replace(
        state.world,
        approvals=state.world.approvals.put(body.approval, refused),
        denied=state.world.denied.put(f"{asked.key}:{asked.arguments}", body.approval),
    )
    receipt = state.world.receipts.get(asked.receipt)
    if receipt is not None:
        recognised = state.live.recognised.put(receipt.stem, event.position)
        state = replace(state, live=replace(state.live, recognised=recognised))
    return _world(state, world)


def approval_expired(state: State, body: e.ApprovalExpired, event: Event) -> State:
    """Nobody answered: the question is closed."""
    return _world(state, put_approval(state.world, body.approval, "expired"))


def child_spawned(state: State, body: e.ChildSpawned, event: Event) -> State:
    """A child run works on the effect."""
    return _open(state, body.key, child=body.child, phase="started", doubt="", epoch=event.epoch)


def child_finished(state: State, body: e.ChildFinished, event: Event) -> State:
    """The child's answer is the effect's result; a waiting child keeps it open."""
    was = state.world.open.get(body.key)
    if was is None:
        return state
    match body.status:
        case "waiting":
            return _open(state, body.key, phase="pending", doubt=body.why)
        case "finished":
            outcome, error = "succeeded", ""
        case _:
            outcome, error = "failed", f"The child run {body.status}: {body.why}"
    done = e.EffectSettled(body.key, outcome, body.answer, error, by="child")
    return settled(state, done, event)


def disown(world: World) -> World:
    """Return what a fork takes along: open effects stay the parent's, approvals end.

    Epochs are counted anew in the fork, so what is known of the parent's writers doesn't count.
    """
    elsewhere = world.elsewhere
    for effect in world.open.values():
        if effect.effect != "read":
            elsewhere = elsewhere.put(effect.stem, effect)
    return replace(void_approvals(world), open=Table(), elsewhere=elsewhere, dead=Table())


def _answered(state: State, done: Effect, position: int) -> State:
    record = _record(state, done.call)
    if record is None or record.key != done.key or done.undoes:
        return state
    match done.outcome:
        case "succeeded" | "partial":
            kind = done.outcome
        case _:
            kind = "failed"
    return turns.answer(state, done.call, kind, position, content=done.result, text=done.error)


def _claim(world: World, claim: e.ClaimSeen) -> World:
    """Take in one claim of another run; what this run knows in more words stays."""
    known = world.receipts.get(claim.key)
    if claim.key in world.open or (known is not None and known.outcome == (claim.outcome or "")):
        return world
    waiting = world.elsewhere.get(claim.stem)
    effect = known or (waiting if waiting is not None and waiting.key == claim.key else None)
    effect = replace(
        effect or _foreign(claim),
        phase="doubted" if claim.outcome is None else "settled",
        outcome=claim.outcome or "",
        result=claim.result,
    )
    if claim.outcome is None:
        return replace(world, elsewhere=world.elsewhere.put(claim.stem, effect))
    elsewhere = world.elsewhere
    if waiting is not None and waiting.key == claim.key:
        elsewhere = elsewhere.without(claim.stem)
    receipts = world.receipts.put(claim.key, effect)
    return replace(world, receipts=receipts, elsewhere=elsewhere)


def _lost(world: World, claim: e.ClaimSeen) -> World:
    """Take in a claim of this run's own, whose events are gone: the run was put back to before it, the world was not."""
    effect = replace(
        _foreign(claim),
        started=0,
        what="(in events that were lost)",
        outcome=claim.outcome or "",
        result=claim.result,
    )
    world = replace(world, rewinds=world.rewinds + 1)
    if claim.outcome is None:
        doubt = "the event that promised it was lost with the end of the log"
        return replace(world, open=world.open.put(claim.key, replace(effect, phase="doubted", doubt=doubt)))
    return replace(world, receipts=world.receipts.put(claim.key, replace(effect, phase="settled")))


def _denial(world: World, denial: e.DenialSeen) -> World:
    """Take in what was forbidden elsewhere, as if it had been forbidden here."""
    if denial.approval in world.approvals:
        return world
    refused = Approval(
        id=denial.approval,
        call="",
        key=denial.key,
        stem=denial.key,
        arguments=denial.arguments,
        contract="",
        expires=0,
        asked=0,
        phase="denied",
        by=denial.by,
    )
    return replace(
        world,
        approvals=world.approvals.put(denial.approval, refused),
        denied=world.denied.put(f"{denial.key}:{denial.arguments}", denial.approval),
    )


def _foreign(claim: e.ClaimSeen) -> Effect:
    return Effect(
        key=claim.key,
        stem=claim.stem,
        tool=claim.tool,
        effect="once",
        run=claim.run,
        call="",
        proposed=0,
        started=claim.position,
        attempt=claim.attempt,
        arguments=claim.arguments,
        loose=claim.loose,
        what=f"(by run {claim.run})",
    )


def _record(state: State, call: str) -> CallRecord | None:
    """Return the call of that name: a foreign client's, or one of the newest turn."""
    found = state.live.received.get(call)
    return found or next((record for record in _calls(state) if record.id == call), None)


def _calls(state: State) -> tuple[CallRecord, ...]:
    turn = state.live.turn
    return turn.calls if turn is not None else ()


def _open(state: State, key: str, **fields: object) -> State:
    was = state.world.open.get(key)
    if was is None:
        return state
    opened = state.world.open.put(key, replace(was, **fields))
    return _world(state, replace(state.world, open=opened))


def _moved(counters: Table[str, int], reserved: tuple[e.Reservation, ...], sign: int) -> Table[str, int]:
    for item in reserved:
        used = counters.get(item.counter, 0) + sign * item.amount
        counters = counters.put(item.counter, used)
    return counters


def _world(state: State, world: World) -> State:
    return replace(state, world=world)
