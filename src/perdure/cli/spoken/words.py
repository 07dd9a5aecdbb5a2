"""What an event says in one line. Keys and call ids are spoken by what they stand for."""

from collections.abc import Callable
from typing import Final

import msgspec

from perdure.cli.drawing.ink import Line, Tone, clock, count, money, one_line
from perdure.cli.spoken.moving import conversed, moved
from perdure.cli.spoken.visiting import visited
from perdure.intention.reply import read_reply
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import State
from perdure.projection.workspace import REQUEST
from perdure.values.digest import Json

KEY_CHARACTERS: Final = 8
"""Enough of a key to be unambiguous among a run's open effects."""

OUTCOMES: Final[dict[str, tuple[str, Tone]]] = {
    "succeeded": ("✓", "good"),
    "partial": ("◐", "doubt"),
    "failed": ("✗", "bad"),
    "finished": ("✓", "good"),
    "cancelled": ("■", "quiet"),
    "found": ("✓", "good"),
    "never": ("○", "doubt"),
    "barred": ("○", "doubt"),
    "unknown": ("?", "doubt"),
}
WRAPPED: Final = "wrap:"
"""How the agent's name begins in the run of a wrapped client."""

_CHANGES: Final = {"created": "+", "changed": "~", "deleted": "-"}
PATHS_SHOWN: Final = 4
"""Changed paths in a line: what fits beside position, time and kind."""
UNKNOWN: Final[tuple[str, Tone]] = ("·", "plain")


class Names:
    """What keys and calls stand for, learned from events in order."""

    def __init__(self, state: State | None = None, read: Callable[[e.Content], str] | None = None) -> None:
        """Begin with what ``state`` knows; ``read`` fetches content that stands in a blob."""
        self._read: Callable[[e.Content], str] | None = read
        self.acts: dict[str, str] = {}
        self.calls: dict[str, str] = {}
        self.approvals: dict[str, str] = {}
        self.pages: dict[str, str] = {}
        self.turns: dict[int, int] = {}
        """requests of a wrapped client by position, as far as they were told since this began"""
        self.wrapped: bool = state is not None and state.agent.startswith(WRAPPED)
        if state is not None:
            for effect in (*state.world.receipts.values(), *state.world.open.values()):
                self.acts[effect.key] = f"{effect.tool} {effect.what}".rstrip()
            for approval in state.world.approvals.values():
                self.approvals[approval.id] = approval.why
            self.pages |= {
                page.page: f"{page.tool} {page.about}".strip() for page in state.live.pages.values()
            }
            turn = state.live.turn
            self.calls |= {call.id: call.tool for call in turn.calls} if turn is not None else {}
            self.calls |= {call.id: call.tool for call in state.live.received.values()}

    def learn(self, event: Event) -> None:
        """Know what ``event`` names."""
        match event.body:
            case e.IntentionProposed(call=call, tool=tool, arguments=arguments):
                self.calls[call] = f"{tool} {spoken(arguments)}".rstrip()
            case e.EffectStarted() as body:
                known = self.calls.get(body.call, body.tool) if not body.what else ""
                if body.send == 1 or body.key not in self.acts:
                    self.acts[body.key] = known or f"{body.tool} {body.what}"
            case e.ApprovalRequested(approval=approval, why=why):
                self.approvals[approval] = why
            case e.PageAdmitted(page=page, tool=tool, about=about):
                self.pages[page] = f"{tool} {about}".strip()
            case e.RunOpened(agent=agent):
                self.wrapped = agent.startswith(WRAPPED)
            case e.RequestForwarded(number=number, purpose="main"):
                self.turns[event.position] = number
            case e.CallReceived(call=call, tool=tool):
                self.calls.setdefault(call, tool)
            case _:
                return

    def turn_at(self, position: int) -> int:
        """Return the newest turn of a wrapped client that was known at ``position``; 0 where none was."""
        known = [number for at, number in self.turns.items() if at <= position] if self.wrapped else []
        return known[-1] if known else 0

    def text(self, content: e.Content | None) -> str:
        """Return the content's text; what stands in a blob only if it can be read from here."""
        if content is None or content.text is not None or self._read is None:
            return text_of(content)
        return self._read(content)

    def said(self, reply: e.Content) -> str:
        """Return what the model said in its reply, besides calls."""
        text = self.text(reply)
        return read_reply(text.encode()).text if text.startswith("{") else ""

    def act(self, key: str) -> str:
        """Return what the effect of ``key`` does, or the key itself."""
        if key.startswith(REQUEST):
            return f"after turn {key.removeprefix(REQUEST)}"
        return self.acts.get(key, key[:KEY_CHARACTERS])

    def call(self, call: str) -> str:
        """Return what was called, or the call's id."""
        return self.calls.get(call, call)


def spoken(arguments: dict[str, Json] | None) -> str:
    """Return arguments as 'name=value name=value'."""
    return " ".join(f"{name}={_value(value)}" for name, value in (arguments or {}).items())


def _value(value: Json) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def text_of(content: e.Content | None) -> str:
    """Return the content's own text, or that it stands in a blob."""
    if content is None:
        return ""
    return (
        content.text
        if content.text is not None
        else f"({content.size:,} bytes in blob {(content.blob or '')[:12]})"
    )


def line_of(event: Event, names: Names) -> Line:
    """Return what ``event`` says; ``names`` has learned it and all before it."""
    part = event.kind.partition(".")[0]
    teller = _TELLERS.get(part)
    line = teller(event.body, names) if teller is not None else None
    return line or Line("·", "quiet", one_line(msgspec.json.encode(event.body).decode()))


def _run(body: e.Body, names: Names) -> Line | None:
    match body:
        case e.RunOpened(agent=agent, tenant=tenant, parent=parent):
            return Line(
                "▶", "head", f"agent {agent}", f"tenant {tenant}" + (f", child of {parent}" if parent else "")
            )
        case e.RunForked(parent=parent, at=at, why=why):
            return Line("⑂", "head", f"from {parent} at {at}", why)
        case e.RunRewound(to=to, by=by, why=why, session=session):
            turn = names.turn_at(to)
            where = f"turn {turn}, position {to}," if turn else f"{to}"
            asides = (why, f"session {session}" if session else "")
            return Line("↶", "head", f"back to {where} by {by}", " · ".join(filter(None, asides)))
        case e.RunSuspended(why=why, text=text):
            return Line("‖", "ask", text, why)
        case e.RunResumed(why=why):
            return Line("▶", "head", f"no longer waits for: {why}")
        case e.RunClosed(status=status, why=why, answer=answer):
            sign, tone = OUTCOMES.get(status, UNKNOWN)
            return Line(sign, tone, f"{status} {why or names.text(answer)}".rstrip())
        case _:
            return None


def _talk(body: e.Body, names: Names) -> Line | None:
    match body:
        case e.MessageReceived(sender=sender, text=text):
            return Line("»", "head", f"{sender}: {names.text(text)}")
        case e.NoteMade(by=by, text=text):
            return Line("❞", "head", f"{by} notes: {names.text(text)}")
        case e.ModelRequested(turn=turn, attempt=attempt):
            return Line("…", "model", f"turn {turn}" + (f", attempt {attempt}" if attempt > 1 else ""))
        case e.ModelReplied(turn=turn, usage=usage, reply=reply):
            return Line("«", "model", f"turn {turn}  {names.said(reply)}".rstrip(), _usage(usage))
        case e.ModelFailed(turn=turn, error=error, retryable=retryable):
            return Line("✗", "bad", f"turn {turn}: {error}", "" if retryable else "not tried again")
        case _:
            return None


def _usage(usage: e.Usage) -> str:
    tokens = usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    parts = [count(tokens, "token")] if tokens else []
    if usage.cost_microusd:
        parts.append(money(usage.cost_microusd))
    return " · ".join(parts)


def _intention(body: e.Body, names: Names) -> Line | None:
    match body:
        case e.IntentionProposed(call=call):
            return Line("?", "model", names.call(call))
        case e.IntentionRefused(call=call, rule=rule, reason=reason, hint=hint):
            return Line("⊘", "bad", f"{names.call(call)}: {reason} {hint}".rstrip(), rule)
        case e.IntentionAccepted(call=call):
            return Line("·", "quiet", names.call(call))
        case _:
            return None


def _approval(body: e.Body, names: Names) -> Line | None:
    match body:
        case e.ApprovalRequested(approval=approval, why=why, who=who):
            return Line("⚑", "ask", why, f"{approval}{f', of {who}' if who else ''}")
        case e.ApprovalGranted(approval=approval, by=by, note=note):
            return Line("✓", "good", f"{by} allowed {names.approvals.get(approval, approval)}", note)
        case e.ApprovalDenied(approval=approval, by=by, note=note):
            return Line("✗", "bad", f"{by} denied {names.approvals.get(approval, approval)}", note)
        case e.ApprovalExpired(approval=approval):
            return Line("○", "doubt", f"nobody answered {names.approvals.get(approval, approval)}")
        case _:
            return None


def _effect(body: e.Body, names: Names) -> Line | None:
    match body:
        case e.EffectStarted(key=key, effect=effect, send=send):
            again = f", request {send}" if send > 1 else ""
            return Line("→", "tool", names.act(key), f"{effect}{again} · {key[:KEY_CHARACTERS]}")
        case e.EffectPending(key=key, give_up=give_up):
            return Line("◌", "doubt", f"{names.act(key)} is under way", f"given up at {clock(give_up)}")
        case e.EffectSettled(key=key, outcome=outcome, result=result, error=error, by=by):
            sign, tone = OUTCOMES.get(outcome, UNKNOWN)
            aside = error or names.text(result)
            return Line(sign, tone, names.act(key) + ("" if by == "tool" else f", says {by}"), aside)
        case e.EffectDoubted(key=key, why=why):
            return Line("?", "doubt", f"{names.act(key)} is in doubt: {why}", key[:KEY_CHARACTERS])
        case e.EffectReconciled(key=key, verdict=verdict, evidence=evidence, by=by):
            sign, tone = OUTCOMES.get(verdict, UNKNOWN)
            return Line(sign, tone, f"{names.act(key)}: {by} says {verdict}", evidence)
        case e.EffectReplayed(call=call, key=key):
            return Line(
                "↺",
                "good",
                f"{names.call(call)}: done before, answered with its receipt",
                key[:KEY_CHARACTERS],
            )
        case e.EffectCompensated(key=key, by=by):
            return Line("↶", "doubt", f"{names.act(key)} was taken back", by)
        case _:
            return None


def _around(body: e.Body, names: Names) -> Line | None:
    """Tell of children, drift, and what is taken back."""
    match body:
        case e.DriftFound(key=key, text=text):
            return Line("!", "bad", f"{names.act(key)}: the world is otherwise: {text}")
        case e.ChildSpawned(child=child, key=key):
            return Line("↳", "head", f"{child} works on {names.act(key)}")
        case e.ChildFinished(child=child, status=status, why=why):
            sign, tone = OUTCOMES.get(status, UNKNOWN)
            return Line(sign, tone, f"{child} {status} {why}".rstrip())
        case e.ChangeReverted(position=position, key=key, by=by):
            return Line("↶", "head", f"{by} asks to undo {names.act(key)}", f"event {position}")
        case _:
            return None


def _checkpoint(body: e.Body, names: Names) -> Line | None:
    """Tell of how the workspace was recorded and put back."""
    del names
    match body:
        case e.CheckpointTaken(files=files, new_bytes=new, tree=tree, level=level):
            return Line(
                "▣", "quiet", f"{count(files, 'file')}, {new:,} bytes new", f"{level} {tree[:12]}".strip()
            )
        case e.CheckpointSkipped():
            return Line("▣", "quiet", "the files are as before")
        case e.CheckpointRestored(written=written, deleted=deleted, why=why):
            return Line("▣", "doubt", f"{written} written, {deleted} deleted: {why}")
        case e.CheckpointFailed(error=error):
            return Line("✗", "bad", error)
        case e.CheckpointPinned(position=position, by=by, pinned=stays):
            return Line("▣", "head", f"{by} {'pins' if stays else 'unpins'} position {position}")
        case e.CheckpointReleased(before=before, by=by):
            return Line("▣", "doubt", f"{by} lets the files of positions before {before} go")
        case _:
            return None


def _files(body: e.Body, names: Names) -> Line | None:
    """Tell of files that changed."""
    match body:
        case e.WorkspaceChanged(paths=paths, count=number, key=key):
            shown = ", ".join(f"{_CHANGES.get(each.change, '~')}{each.path}" for each in paths[:PATHS_SHOWN])
            more = f" and {number - PATHS_SHOWN} more" if number > PATHS_SHOWN else ""
            unknown = sum(each.by == "unknown" for each in paths)
            aside = f"{unknown} by nobody's tool" if unknown else names.act(key) if key else ""
            return Line("✎", "doubt" if unknown else "tool", f"{shown}{more}", aside)
        case _:
            return None


def _rest(body: e.Body, names: Names) -> Line | None:
    """Tell of writers, timers, and what was learned or adopted."""
    del names
    match body:
        case e.LeaseAcquired(attends=attends, dead=dead, open=alive):
            told = f"epochs {', '.join(map(str, dead))} ended" if dead else ""
            still = f"epochs {', '.join(map(str, alive))} may still write" if alive else ""
            who = "somebody posts" if attends else "a driver begins"
            return Line("·", "quiet", who, " · ".join(part for part in (told, still) if part))
        case e.TimerSet(timer=timer, due=due, why=why):
            return Line("◷", "quiet", why, f"{timer} at {clock(due)}")
        case e.TimerFired(timer=timer):
            return Line("◷", "quiet", timer)
        case e.ContractAdopted(contract=contract, source=source):
            return Line("§", "head", f"contract {contract[:12]}", source)
        case e.MemoryLearned(claims=claims, counters=counters):
            words = f"{count(len(claims), 'claim')} and {count(len(counters), 'counter')} of other runs"
            return Line("·", "quiet", words)
        case _:
            return None


def _window(body: e.Body, names: Names) -> Line | None:
    """Tell of pages, and of what was asked with them."""
    return moved(body, names.pages) or conversed(body, "turn" if names.wrapped else "request")


def _client(body: e.Body, names: Names) -> Line | None:
    """Tell of a foreign client, and of its calls."""
    match body:
        case e.CallReceived(of=of):
            return visited(body, "", names.turns.get(of, 0), names.text)
        case e.CallAnswered(call=call) | e.CallReleased(call=call):
            return visited(body, names.call(call), 0, names.text)
        case e.ConversationOpened():
            return conversed(body)
        case _:
            return visited(body, "", 0, names.text)


_TELLERS: Final[dict[str, Callable[[e.Body, Names], Line | None]]] = {
    "run": _run,
    "message": _talk,
    "note": _talk,
    "model": _talk,
    "intention": _intention,
    "approval": _approval,
    "effect": _effect,
    "drift": _around,
    "child": _around,
    "checkpoint": _checkpoint,
    "workspace": _files,
    "change": _around,
    "lease": _rest,
    "timer": _rest,
    "contract": _rest,
    "memory": _rest,
    **dict.fromkeys(("page", "recall", "request", "paging"), _window),
    **dict.fromkeys(("call", "client", "conversation"), _client),
}
