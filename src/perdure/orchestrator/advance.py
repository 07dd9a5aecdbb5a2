"""Going on: what follows from a state once a fact is in it.

``advance`` is level-triggered: it looks at the state alone, so after a crash the same rules that
would have led on do lead on.
"""

from typing import NamedTuple

from perdure.contract import judge_model
from perdure.effect import doubt as ways
from perdure.intention.reply import Reply
from perdure.log import events as e
from perdure.orchestrator.draft import Draft
from perdure.orchestrator.figures import figures_of, where_of
from perdure.orchestrator.judge import Upshot, judge_call
from perdure.orchestrator.revert import begin_reverts
from perdure.orchestrator.window import tell_window
from perdure.projection.state import CallRecord, Effect, Message, Turn
from perdure.values.errors import require
from perdure.values.limits import BAD_REPLIES_MAX, READS_TOGETHER_MAX

_SHAPELESS = ("Refused (tool)", "Refused (arguments)", "Refused (unreadable)", "Refused (too many)")


class Wait(NamedTuple):
    """What only a person can end."""

    why: str
    text: str


def advance(d: Draft, reply: Reply | None) -> None:
    """Settle what can be settled, lead the turn on, and say whether a person must act."""
    if d.state.attended:
        return
    if d.state.live.put_back is not None:
        error = d.state.live.workspace_error
        _suspend_or_resume(
            d, Wait("workspace", f"The files could not be put back: {error}") if error else None
        )
        return
    begin_reverts(d)
    waits = [wait for effect in tuple(d.state.world.open.values()) if (wait := _doubt(d, effect))]
    if not d.state.closed:
        waits += _received(d)
        wait = None if d.law.definition.foreign else _turn(d, reply)
        if wait is not None:
            waits.append(wait)
    _suspend_or_resume(d, waits[0] if waits else None)


def _suspend_or_resume(d: Draft, wait: Wait | None) -> None:
    if d.state.closed:
        return
    if wait is None:
        if d.state.status == "waiting":
            d.emit(e.RunResumed(d.state.wait))
    elif (d.state.status, d.state.wait, d.state.wait_text) != ("waiting", wait.why, wait.text):
        d.emit(e.RunSuspended(wait.why, wait.text))


def _doubt(d: Draft, effect: Effect) -> Wait | None:
    """Put a dead writer's promise in doubt, and do what its class allows about it."""
    if effect.phase == "started" and effect.epoch < d.fact.epoch and not effect.child:
        d.emit(e.EffectDoubted(effect.key, "crash", ended=False))
        effect = d.state.world.open[effect.key]
    if effect.phase == "pending":
        if effect.child and effect.doubt:
            return Wait("child", f"{effect.child} waits: {effect.doubt}")
        return None
    if effect.phase != "doubted":
        return None
    return _way_out(d, effect)


def _way_out(d: Draft, effect: Effect) -> Wait | None:
    match ways.way_out(d.state, d.law.definition.tool(effect.tool), effect, d.at):
        case ways.Send():
            _send_again(d, effect)
        case ways.SendAt(due):
            _timer(d, f"send:{effect.key}", due, "before it is requested again")
        case ways.ProbeAt(due):
            _timer(d, f"probe:{effect.key}", due, "before it is looked for")
        case ways.GiveUp(why):
            d.emit(e.EffectSettled(effect.key, "failed", None, why, by="rule"))
        case ways.Ask(text):
            return Wait("doubt", f"{effect.tool} ({effect.what}) is in doubt. {text}")
        case ways.Probe() | ways.Restore():
            pass
    return None


def _send_again(d: Draft, effect: Effect) -> None:
    d.emit(
        e.EffectStarted(
            key=effect.key,
            call=effect.call,
            tool=effect.tool,
            effect=effect.effect,
            stem=effect.stem,
            attempt=effect.attempt,
            send=effect.send + 1,
            arguments=effect.arguments,
            undoes=effect.undoes or None,
        )
    )


def _timer(d: Draft, name: str, due: int, why: str) -> None:
    timer = d.state.live.timers.get(name)
    if timer is None or timer.due != due:
        d.emit(e.TimerSet(name, due, why))


def _turn(d: Draft, reply: Reply | None) -> Wait | None:
    turn = d.state.live.turn
    if turn is None:
        return _ask_model(d, reply) if len(d.state.live.entries) else None
    if not turn.replied:
        if turn.failed_at and "model" not in d.state.live.timers:
            return Wait("model", d.state.wait_text or "The model can't be asked.")
        return None
    wait = _calls(d, reply)
    newest = d.state.live.turn
    if wait is not None or d.state.closed or newest is None or newest.open:
        return wait
    return _after(d, newest, reply)


def _calls(d: Draft, reply: Reply | None) -> Wait | None:
    """Judge calls in order up to the first that must be waited for; adjacent reads go together."""
    judged = 0
    while (turn := d.state.live.turn) is not None and reply is not None:
        judged += 1
        require(judged <= len(turn.calls) + 1, f"{d.run}: a call was judged and stands as it stood")
        record = next((call for call in turn.calls if not call.answered and not _busy(call)), None)
        busy = [call for call in turn.calls if not call.answered and _busy(call)]
        if record is None:
            return _asked(busy)
        if busy and not _beside(d, record, busy):
            return _asked(busy)
        match judge_call(d, record, reply.calls[record.index]):
            case Upshot.ANSWERED | Upshot.STARTED:
                continue
            case Upshot.UNKNOWN:
                return None
            case Upshot.WAITS:
                return _waits_for(d, record)
    return None


def _received(d: Draft) -> list[Wait]:
    """Judge a foreign client's calls, each by itself: it was the client that sent them side by side."""
    waits: list[Wait] = []
    for name in d.fact.asked:
        record = d.state.live.received.get(name)
        if record is None or record.answered or record.accepted:
            continue
        if judge_call(d, record, d.fact.asked[name]) is Upshot.WAITS:
            now = d.state.live.received[name]
            approval = d.state.world.approvals.get(now.approval)
            if approval is not None and approval.phase == "asked":
                waits.append(Wait("approval", f"{approval.id}: {approval.why}"))
    return waits


def _busy(call: CallRecord) -> bool:
    return bool(call.accepted)


def _beside(d: Draft, record: CallRecord, busy: list[CallRecord]) -> bool:
    """Whether ``record`` may run beside the busy calls: all of them are reads, and few."""
    tools = (d.law.definition.tool(call.tool) for call in (record, *busy))
    reads = all(tool is not None and tool.effect == "read" and not tool.builtin for tool in tools)
    return reads and len(busy) < READS_TOGETHER_MAX


def _asked(busy: list[CallRecord]) -> Wait | None:
    if any(call.key == "ask" for call in busy):
        return Wait("person", "The agent asks a person; answer with `perdure message`.")
    return None


def _waits_for(d: Draft, record: CallRecord) -> Wait | None:
    turn = d.state.live.turn
    now = next((call for call in turn.calls if call.id == record.id), record) if turn else record
    if now.key == "ask":
        return Wait("person", "The agent asks a person; answer with `perdure message`.")
    approval = d.state.world.approvals.get(now.approval)
    if approval is not None and approval.phase == "asked":
        return Wait("approval", f"{approval.id}: {approval.why}")
    if d.state.live.workspace_error:
        return Wait("workspace", f"No checkpoint could be taken: {d.state.live.workspace_error}")
    return None


def _after(d: Draft, turn: Turn, reply: Reply | None) -> Wait | None:
    """All calls are answered: ask the model again, or end."""
    newer = any(isinstance(entry, Message) and entry.position > turn.requested for entry in _tail(d))
    said = reply.text if reply is not None else ""
    if not turn.calls and said.strip() and not newer:
        d.emit(e.RunClosed("finished", d.say(said)))
        return None
    if _useless(d) >= BAD_REPLIES_MAX:
        why = f"the model sent {BAD_REPLIES_MAX} replies in a row that hold nothing usable"
        d.emit(e.RunClosed("failed", None, why))
        return None
    if not turn.calls and not newer:
        text = "Your reply was empty. Call a tool, or answer in words."
        _note(d, text)
    return _ask_model(d, reply)


def _tail(d: Draft) -> list[Turn | Message]:
    entries = d.state.live.entries
    tail: list[Turn | Message] = []
    for ordinal in range(len(entries) - 1, -1, -1):
        if isinstance(entries[ordinal], Turn):
            break
        tail.append(entries[ordinal])
    return tail


def _note(d: Draft, text: str) -> None:
    name = f"note-{d.state.position + 1}"
    d.emit(e.MessageReceived(name, "perdure", d.say(text)))


def _useless(d: Draft) -> int:
    """Return how many of the newest turns in a row held no call that could be judged."""
    count = 0
    entries = d.state.live.entries
    for ordinal in range(len(entries) - 1, -1, -1):
        entry = entries[ordinal]
        if not isinstance(entry, Turn):
            continue
        if not all(call.answer == "refused" and call.text.startswith(_SHAPELESS) for call in entry.calls):
            return count
        count += 1
        if count >= BAD_REPLIES_MAX:
            return count
    return count


def _ask_model(d: Draft, reply: Reply | None) -> Wait | None:
    state = d.state
    turn = state.live.turn
    number = turn.number + 1 if turn is not None else 1
    if state.world.turns >= d.law.definition.turns_max:
        why = f"the agent's bound of {d.law.definition.turns_max} turns is reached"
        d.emit(e.RunClosed("failed", None, why))
        return None
    refusal = judge_model(d.law, figures_of(state, d.at), where_of(state))
    if refusal is not None:
        return Wait("budget", f"{refusal.rule}: {refusal.reason}")
    tell_window(d, reply)
    d.emit(e.ModelRequested(number, 1, len(state.live.entries)))
    return None
