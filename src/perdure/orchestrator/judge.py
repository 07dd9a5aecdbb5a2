"""Judging one intention: schema, memory, contract, approval; then the promise.

The order is the invariant: what was done already is answered from memory before anything is
allowed, and nothing starts that a rule refuses or a person hasn't allowed.
"""

from enum import Enum, auto
from typing import NamedTuple

from msgspec import structs

from perdure.contract import Allowed, Refusal, check_arguments, divergence, judge
from perdure.effect.memory import (
    Blocked,
    Differs,
    Elsewhere,
    Equal,
    Fresh,
    identity_on_path,
    recall,
)
from perdure.intention.declaration import Declaration
from perdure.intention.identity import Identity, digest_of, key_of, meaning
from perdure.intention.reply import Call
from perdure.log import events as e
from perdure.orchestrator.draft import Draft
from perdure.orchestrator.figures import figures_of, where_of
from perdure.page.handles import RECALL_NAME
from perdure.page.own import recalls
from perdure.projection.state import Approval, CallRecord
from perdure.values.digest import Json, canonical, name_of
from perdure.values.errors import Broken
from perdure.values.limits import (
    APPROVAL_SECONDS,
    CALL_NAME_CHARACTERS_MAX,
    CHILD_DEPTH_MAX,
    WAIT_SECONDS_MAX,
)

WHAT_CHARACTERS_MAX = 80
"""A line in a terminal beside key and outcome."""


class Upshot(Enum):
    """How a judgement leaves the call."""

    ANSWERED = auto()
    STARTED = auto()
    WAITS = auto()
    """for a person, or for another effect"""
    UNKNOWN = auto()
    """until the store was asked again about other runs"""


class Repeat(NamedTuple):
    """Why a person is asked about a call that meets an earlier act and differs from it."""

    why: str
    receipt: str
    """key of the earlier act; empty where it isn't the only one that may be meant"""


def judge_call(d: Draft, record: CallRecord, call: Call) -> Upshot:
    """Refuse, replay, ask or start the call; return how that leaves it."""
    if call.tool == RECALL_NAME and call.arguments is not None and recalls(d.state):
        d.emit(e.IntentionAccepted(record.id, "recall"))
        return Upshot.STARTED
    declaration = d.law.definition.tool(call.tool)
    wrong = _wrong_form(d, call, declaration)
    if wrong is not None:
        return _refuse(d, record, wrong)
    if declaration is None or call.arguments is None:
        raise Broken("a call without tool or arguments passed the check of its form")
    if declaration.builtin == "client":
        return _clients_own(d, record, declaration, call.arguments)
    if declaration.builtin in ("wait", "ask"):
        return _builtin(d, record, declaration, call.arguments)
    if declaration.effect == "read":
        return _read(d, record, declaration, call.arguments)
    return _deed(d, record, declaration, call.arguments)


def _wrong_form(d: Draft, call: Call, declaration: Declaration | None) -> Refusal | None:
    if declaration is None:
        names = ", ".join(sorted(tool.name for tool in d.law.definition.tools))
        named = call.tool[:CALL_NAME_CHARACTERS_MAX]
        return Refusal("tool", f"there is no tool {named!r}.", f"Use one of: {names}.")
    if call.arguments is None:
        return Refusal(
            "unreadable",
            f"the arguments are not a JSON object: {call.unreadable!r}.",
            "Send the call again with valid JSON.",
        )
    return check_arguments(d.law, call.tool, call.arguments)


def _refuse(d: Draft, record: CallRecord, refusal: Refusal) -> Upshot:
    d.emit(e.IntentionRefused(record.id, refusal.rule, refusal.reason, refusal.hint))
    return Upshot.ANSWERED


def _builtin(d: Draft, record: CallRecord, declaration: Declaration, arguments: dict[str, Json]) -> Upshot:
    verdict = judge(d.law, declaration, arguments, figures_of(d.state, d.at), where_of(d.state))
    if isinstance(verdict, Refusal):
        return _refuse(d, record, verdict)
    if declaration.builtin == "ask":
        d.emit(e.IntentionAccepted(record.id, "ask"))
        return Upshot.WAITS
    seconds = arguments.get("seconds")
    if not isinstance(seconds, int | float) or not 0 <= seconds <= WAIT_SECONDS_MAX:
        reason = f"one can wait for 0 to {WAIT_SECONDS_MAX} seconds."
        return _refuse(d, record, Refusal("arguments", reason, "Wait for less, and then again."))
    pause = int(seconds * 1e9)
    timer = f"wait-{record.proposed}"
    d.emit(e.IntentionAccepted(record.id, timer))
    d.emit(e.TimerSet(timer, d.at + pause, "the agent waits"))
    return Upshot.STARTED


def _clients_own(
    d: Draft, record: CallRecord, declaration: Declaration, arguments: dict[str, Json]
) -> Upshot:
    """Say whether a client may do it. Nothing is promised for it: who does it isn't us."""
    stem = _place("client", d, record)
    fresh = Fresh(key_of(stem, 1), stem, 1)
    allowed = _allowed(d, record, declaration, arguments, fresh)
    if isinstance(allowed, Upshot):
        return allowed
    d.emit(e.IntentionAccepted(record.id, "client", allowed[1]))
    return Upshot.STARTED


def _read(d: Draft, record: CallRecord, declaration: Declaration, arguments: dict[str, Json]) -> Upshot:
    """A read has no identity: doing it again is always right, so its key is its place.

    After going back the same place is another one: a read from before may still be under way.
    """
    stem = _place("read", d, record)
    identity = Identity(stem, record.digest, "")
    return _allow(d, record, declaration, arguments, identity, Fresh(key_of(stem, 1), stem, 1))


def _place(kind: str, d: Draft, record: CallRecord) -> str:
    """Name an act by where it stands; after going back the same place is another one."""
    return name_of(kind, d.run, record.proposed, d.state.world.rewinds)


def _deed(d: Draft, record: CallRecord, declaration: Declaration, arguments: dict[str, Json]) -> Upshot:
    """What the world remembers answers first. The workspace goes back with the run, and so remembers nothing."""
    if declaration.effect == "workspace" and d.state.step >= 2:
        stem = _place("workspace", d, record)
        identity = Identity(stem, record.digest, "")
        return _allow(d, record, declaration, arguments, identity, Fresh(key_of(stem, 1), stem, 1))
    identity = identity_on_path(d.state, declaration, arguments)
    remembered = recall(d.state, declaration, identity)
    match remembered:
        case Equal(receipt):
            d.emit(e.EffectReplayed(record.id, receipt.key))
            return Upshot.ANSWERED
        case Blocked():
            return Upshot.WAITS
        case Elsewhere(effect):
            if d.state.live.refreshed != record.proposed:
                return Upshot.UNKNOWN
            return _refuse(d, record, _busy_elsewhere(effect.run))
        case Differs():
            return _differing(d, record, declaration, arguments, identity, remembered)
        case Fresh():
            return _allow(d, record, declaration, arguments, identity, remembered)


def _busy_elsewhere(run: str) -> Refusal:
    return Refusal(
        "in doubt",
        f"run {run!r} has begun exactly this and its outcome is not known yet.",
        "Do something else, and try this later.",
    )


def _differing(
    d: Draft,
    record: CallRecord,
    declaration: Declaration,
    arguments: dict[str, Json],
    identity: Identity,
    found: Differs,
) -> Upshot:
    policy = divergence(d.law, declaration)
    before = (
        "was done before" if found.receipt.settled or found.receipt.outcome else "may have been done before"
    )
    told = f"{declaration.name} {before}: {found.receipt.what}"
    if policy == "refuse":
        reason = f"{told}. The world remembers it, and this call differs from it."
        hint = "If it is the same act, use its result. If not, say how it differs to a person."
        return _refuse(d, record, Refusal("divergence", reason, hint))
    ask = policy == "ask" or (found.near and declaration.identity is None)
    new = what(declaration, arguments)
    if new == found.receipt.what and d.state.step >= 3:
        # The identity alone doesn't tell a person what is different.
        new = f"{new}, with {what(structs.replace(declaration, identity=None), arguments)}"
    why = f"{told}. The new call differs: {new}"
    repeat = Repeat(why, found.receipt.key if found.alone else "") if ask else None
    return _allow(d, record, declaration, arguments, identity, found.fresh, ask=repeat)


def _allow(
    d: Draft,
    record: CallRecord,
    declaration: Declaration,
    arguments: dict[str, Json],
    identity: Identity,
    fresh: Fresh,
    *,
    ask: Repeat | None = None,
) -> Upshot:
    allowed = _allowed(d, record, declaration, arguments, fresh, ask=ask)
    if isinstance(allowed, Upshot):
        return allowed
    if declaration.effect == "workspace" and _needs_checkpoint(d):
        return Upshot.WAITS
    _start(d, record, declaration, arguments, identity, fresh, *allowed)
    return Upshot.STARTED


def _allowed(
    d: Draft,
    record: CallRecord,
    declaration: Declaration,
    arguments: dict[str, Json],
    fresh: Fresh,
    *,
    ask: Repeat | None = None,
) -> tuple[Allowed, str] | Upshot:
    """Return what the contract allows it with, and the approval that it has; or how the call stands without."""
    key = _asked_about(d, record, declaration, fresh)
    denied = d.state.world.denied.get(f"{key}:{record.digest}")
    if denied is not None:
        asked = d.state.world.approvals[denied]
        note = f": {asked.note}" if asked.note else ""
        reason = f"{asked.by} denied exactly this ({denied}){note}."
        return _refuse(d, record, Refusal("denied", reason, "Do something else."))
    verdict = judge(d.law, declaration, arguments, figures_of(d.state, d.at), where_of(d.state))
    if isinstance(verdict, Refusal):
        return _refuse(d, record, verdict)
    approval = ""
    if verdict.approval is not None or ask or _is_asked(d, record, (key, record.digest, d.state.contract)):
        answered = _approval(d, record, declaration, arguments, key, verdict, ask)
        if isinstance(answered, Upshot):
            return answered
        approval = answered.id
    return verdict, approval


def _is_asked(d: Draft, record: CallRecord, bound: tuple[str, str, str]) -> bool:
    """Tell whether a person was asked about a foreign call: what they say of another one lets none through."""
    if record.id not in d.state.live.received:
        return False
    asked = d.state.world.approvals.get(record.approval) or _standing(d, bound)
    if asked is None or asked.phase in ("used", "void"):
        return False
    return (asked.key, asked.arguments, asked.contract) == bound


def _needs_checkpoint(d: Draft) -> bool:
    return d.law.definition.workspace and not d.state.live.fresh


def _approval(
    d: Draft,
    record: CallRecord,
    declaration: Declaration,
    arguments: dict[str, Json],
    key: str,
    verdict: Allowed,
    ask: Repeat | None,
) -> Approval | Upshot:
    """Return the grant that covers exactly this call, or how the question stands."""
    bound = (key, record.digest, d.state.contract)
    asked = d.state.world.approvals.get(record.approval)
    if asked is None and record.id in d.state.live.received:
        asked = _standing(d, bound)
    if asked is not None and (asked.key, asked.arguments, asked.contract) == bound:
        match asked.phase:
            case "granted":
                return asked
            case "asked":
                return Upshot.WAITS
            case "denied":
                note = f": {asked.note}" if asked.note else ""
                refusal = Refusal("denied", f"{asked.by} denied it{note}.", "Do something else.")
                return _refuse(d, record, refusal)
            case "expired":
                refusal = Refusal("expired", "nobody approved it in time.", "Ask for it again.")
                return _refuse(d, record, refusal)
            case "used" | "void":
                pass
    need = verdict.approval
    expires = d.at + (need.expires_ns if need is not None else APPROVAL_SECONDS * 10**9)
    why = "; ".join(part for part in (need.why if need is not None else "", ask.why if ask else "") if part)
    name = "ap-" + name_of(d.run, d.state.position, *bound)[:12]
    act = f"{declaration.name}: {what(declaration, arguments)}"
    d.emit(
        e.ApprovalRequested(
            approval=name,
            call=record.id,
            key=key,
            arguments=record.digest,
            contract=d.state.contract,
            expires=expires,
            why=f"{act} ({why})" if why else act,
            who=need.who if need is not None else "",
            receipt=ask.receipt if ask is not None else "",
        )
    )
    d.emit(e.TimerSet(name, expires, "the approval expires"))
    return Upshot.WAITS


def _asked_about(d: Draft, record: CallRecord, declaration: Declaration, fresh: Fresh) -> str:
    """Return the key that a question to a person is about.

    What is named by its place would be another act each time; a foreign client makes the same call again.
    """
    if record.id in d.state.live.received and (declaration.effect == "read" or declaration.builtin):
        return name_of("asked", d.state.lineage, declaration.name, record.digest)
    return fresh.key


def _standing(d: Draft, bound: tuple[str, str, str]) -> Approval | None:
    """Return the question, or the unused grant, that a call which nobody waits for any more has left to this one."""
    found = [
        asked
        for asked in d.state.world.approvals.values()
        if (asked.key, asked.arguments, asked.contract) == bound and asked.phase in ("asked", "granted")
    ]
    return found[-1] if found else None


def _start(
    d: Draft,
    record: CallRecord,
    declaration: Declaration,
    arguments: dict[str, Json],
    identity: Identity,
    fresh: Fresh,
    verdict: Allowed,
    approval: str,
) -> None:
    if declaration.builtin == "child" and d.state.depth >= CHILD_DEPTH_MAX:
        reason = f"runs are nested {CHILD_DEPTH_MAX} deep."
        _refuse(d, record, Refusal("depth", reason, "Do the work in this run."))
        return
    d.emit(
        e.EffectStarted(
            key=fresh.key,
            call=record.id,
            tool=declaration.name,
            effect=declaration.effect,
            stem=fresh.stem,
            attempt=fresh.attempt,
            send=1,
            arguments=identity.arguments,
            loose=identity.loose if identity.loose != identity.arguments else "",
            what="" if declaration.effect == "read" else what(declaration, arguments),
            reserved=verdict.reservations,
            approval=approval or None,
        )
    )
    if declaration.builtin == "child":
        d.emit(e.ChildSpawned(fresh.key, f"{d.run}.{fresh.key[:12]}"))


def what(declaration: Declaration, arguments: dict[str, Json]) -> str:
    """Return the act in a few words: its identity, else what it says, cut to one line."""
    told = meaning(declaration, arguments)
    if declaration.identity is not None:
        told = {name: arguments.get(name) for name in declaration.identity}
    # What it is done to comes first: the rest may be cut.
    places = (*declaration.writes, *declaration.reads, *declaration.connects)
    ordered = sorted(told.items(), key=lambda pair: (pair[0] not in places, pair[0]))
    words = " ".join(f"{name}={_short(value)}" for name, value in ordered)
    return words if len(words) <= WHAT_CHARACTERS_MAX else words[: WHAT_CHARACTERS_MAX - 3] + "..."


def _short(value: Json) -> str:
    return value if isinstance(value, str) else canonical(value).decode()


def full_digest(call: Call) -> str:
    """Return the digest of all of the call's arguments, or of the words that are none."""
    if call.arguments is None:
        return digest_of({"unreadable": call.unreadable})
    try:
        return digest_of(call.arguments)
    except ValueError:
        return digest_of({"unreadable": repr(call.arguments)})
