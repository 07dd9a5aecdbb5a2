"""The fold: what each event makes of a run's state.

Invariants:
- ``evolve`` is total and never refuses: what the log says has happened. A second answer to a
  settled question changes nothing.
- It reads no clock and no store; the same events give the same state.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection import calls, conversations, effects, keeping, pages, turns, workspace
from perdure.projection.approvals import void_approvals
from perdure.projection.cut import begun, cut, goes_back
from perdure.projection.state import Live, State, Timer

B = TypeVar("B", bound=e.Body)
Rule = Callable[[State, B, Event], State]


def evolve(state: State, event: Event) -> State:
    """Return the state after ``event``."""
    rule = RULES.get(type(event.body))
    if rule is not None:
        state = rule(state, event.body, event)
    return replace(state, position=event.position, at=event.at, epoch=event.epoch)


def fold(state: State, events: Iterable[Event]) -> State:
    """Return the state after all of ``events``."""
    for event in events:
        state = evolve(state, event)
    return state


def _opened(state: State, body: e.RunOpened, event: Event) -> State:
    return replace(
        state,
        run=event.run,
        agent=body.agent,
        definition=body.definition,
        contract=body.contract,
        lineage=body.lineage,
        tenant=body.tenant,
        step=body.step,
        depth=body.depth,
        parent=body.parent or "",
        root=body.root,
        world=replace(state.world, opened_at=event.at),
    )


def _forked(state: State, body: e.RunForked, event: Event) -> State:
    """The parent's receipts go along as fences; its approvals and open effects aren't ours.

    A fork drives nothing until a writer takes it: first it learns what its lineage did elsewhere.
    """
    world = effects.disown(state.world)
    return replace(
        state,
        run=event.run,
        tenant=body.tenant,
        step=body.step,
        parent=body.parent,
        forked_at=body.at,
        attended=True,
        status="running",
        wait="",
        wait_text="",
        needs_person=False,
        answer=None,
        why="",
        root=body.root,
        live=workspace.to_be_put_back(begun(cut(state.live, body.at), body.at), body, event, state.live),
        world=replace(world, rewinds=world.rewinds + 1),
    )


def _rewound(state: State, body: e.RunRewound, event: Event) -> State:
    if not goes_back(body, event.position):
        return replace(state, live=workspace.to_be_put_back(state.live, body, event, state.live))
    world = void_approvals(state.world)
    return replace(
        state,
        status="running",
        wait="",
        wait_text="",
        needs_person=False,
        answer=None,
        why="",
        live=workspace.to_be_put_back(cut(state.live, body.to), body, event, state.live),
        world=replace(world, rewinds=world.rewinds + 1),
    )


def _suspended(state: State, body: e.RunSuspended, event: Event) -> State:
    return replace(
        state,
        status="waiting",
        wait=body.why,
        wait_text=body.text,
        needs_person=body.needs_person,
    )


def _resumed(state: State, body: e.RunResumed, event: Event) -> State:
    return replace(state, status="running", wait="", wait_text="", needs_person=False)


def _closed(state: State, body: e.RunClosed, event: Event) -> State:
    if state.closed:
        return state
    match body.status:
        case "finished" | "cancelled":
            status = body.status
        case _:
            status = "failed"
    return replace(
        state,
        status=status,
        wait="",
        wait_text="",
        needs_person=False,
        answer=body.answer,
        why=body.why,
    )


def _adopted(state: State, body: e.ContractAdopted, event: Event) -> State:
    return replace(state, contract=body.contract, definition=body.definition)


def _timer_set(state: State, body: e.TimerSet, event: Event) -> State:
    timer = Timer(body.timer, body.due, body.why, event.position)
    return _live(state, replace(state.live, timers=state.live.timers.put(body.timer, timer)))


def _timer_fired(state: State, body: e.TimerFired, event: Event) -> State:
    if body.timer not in state.live.timers:
        return state
    live = replace(state.live, timers=state.live.timers.without(body.timer))
    return turns.timer_answered(_live(state, live), body.timer, event.position)


def _lease(state: State, body: e.LeaseAcquired, event: Event) -> State:
    """A writer is there. One that drives looks anew at what was given up: a workspace, a probe."""
    dead = state.world.dead
    for epoch in body.dead:
        if epoch not in dead:
            dead = dead.put(epoch, event.at)
    world = replace(state.world, dead=dead)
    if body.root:
        state = replace(state, root=body.root)
    if body.attends:
        return replace(state, attended=True, world=world)
    live = replace(state.live, workspace_error="", refreshed=0)
    for effect in tuple(world.open.values()):
        if effect.probes:
            world = replace(world, open=world.open.put(effect.key, replace(effect, probes=0)))
    return replace(state, attended=False, world=world, live=live)


def _kept(state: State, body: e.Body, event: Event) -> State:
    """Events that are a record for people and change no decision."""
    return state


def _live(state: State, live: Live) -> State:
    return replace(state, live=live)


def _rule(rule: Callable[[State, B, Event], State]) -> Rule[e.Body]:
    """Give up the body's type where it goes into the table that is keyed by that same type."""
    return cast("Rule[e.Body]", rule)


RULES: dict[type[e.Body], Rule[e.Body]] = {
    e.RunOpened: _rule(_opened),
    e.RunForked: _rule(_forked),
    e.RunRewound: _rule(_rewound),
    e.RunSuspended: _rule(_suspended),
    e.RunResumed: _rule(_resumed),
    e.RunClosed: _rule(_closed),
    e.ContractAdopted: _rule(_adopted),
    e.MessageReceived: _rule(turns.message),
    e.NoteMade: _rule(_kept),
    e.TimerSet: _rule(_timer_set),
    e.TimerFired: _rule(_timer_fired),
    e.ModelRequested: _rule(turns.requested),
    e.ModelReplied: _rule(turns.replied),
    e.ModelFailed: _rule(turns.failed),
    e.IntentionProposed: _rule(turns.proposed),
    e.IntentionRefused: _rule(turns.refused),
    e.IntentionAccepted: _rule(turns.accepted),
    e.ApprovalRequested: _rule(effects.approval_requested),
    e.ApprovalGranted: _rule(effects.approval_granted),
    e.ApprovalDenied: _rule(effects.approval_denied),
    e.ApprovalExpired: _rule(effects.approval_expired),
    e.CallReceived: _rule(calls.received),
    e.CallAnswered: _rule(calls.answered),
    e.CallReleased: _rule(calls.released),
    e.ClientAttached: _rule(calls.attached),
    e.ClientLeft: _rule(calls.left),
    e.EffectStarted: _rule(effects.started),
    e.EffectPending: _rule(effects.pending),
    e.EffectSettled: _rule(effects.settled),
    e.EffectDoubted: _rule(effects.doubted),
    e.EffectReconciled: _rule(effects.reconciled),
    e.EffectReplayed: _rule(effects.replayed),
    e.EffectCompensated: _rule(effects.compensated),
    e.MemoryLearned: _rule(effects.learned),
    e.WorkspaceChanged: _rule(_kept),
    e.DriftFound: _rule(turns.drift),
    e.CheckpointTaken: _rule(workspace.recorded),
    e.CheckpointSkipped: _rule(workspace.recorded),
    e.CheckpointFailed: _rule(workspace.failed),
    e.CheckpointRestored: _rule(workspace.recorded),
    e.CheckpointPinned: _rule(keeping.pinned),
    e.CheckpointReleased: _rule(keeping.released),
    e.PageAdmitted: _rule(pages.admitted),
    e.PageEvicted: _rule(pages.evicted),
    e.PageFaulted: _rule(pages.faulted),
    e.PagePinned: _rule(pages.pinned),
    e.PageUnpinned: _rule(pages.unpinned),
    e.ConversationOpened: _rule(conversations.opened),
    e.ConversationJoined: _rule(_kept),
    e.RequestForwarded: _rule(conversations.forwarded),
    e.RequestAnswered: _rule(conversations.answered),
    e.RequestFailed: _rule(_kept),
    e.RecallAnswered: _rule(turns.recalled),
    e.RecallHidden: _rule(conversations.hidden),
    e.PagingSet: _rule(conversations.paging_set),
    e.ChangeReverted: _rule(effects.revert_asked),
    e.ChildSpawned: _rule(effects.child_spawned),
    e.ChildFinished: _rule(effects.child_finished),
    e.LeaseAcquired: _rule(_lease),
    e.HeadSigned: _rule(_kept),
    e.PayloadErased: _rule(_kept),
}
"""One rule per kind; a test holds this against ``KINDS``."""
