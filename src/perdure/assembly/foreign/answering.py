"""What a foreign client is told of its calls."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from perdure.effect.doubt import Ask, way_out
from perdure.effect.memory import Blocked, identity_on_path, recall
from perdure.intention.declaration import Definition
from perdure.intention.reply import Call
from perdure.log import events as e
from perdure.projection.state import Approval, CallRecord, Effect, State
from perdure.values.digest import Json
from perdure.values.errors import Broken

Kind = Literal["succeeded", "partial", "failed", "refused", "replayed", "allowed", "waits", "doubt", "gone"]


class Asked(NamedTuple):
    """A call of a foreign client."""

    id: str
    """the same when it is sent again after a crash"""
    tool: str
    arguments: dict[str, Json]
    of: int = 0
    """where the request stands in whose reply the model made it; 0 where that isn't known"""
    via: str = "mcp"
    """'mcp', or 'hook' for what the client does itself"""


class Waiting(NamedTuple):
    """A call that only a person can lead on."""

    call: str
    kind: Literal["waits", "doubt"]
    """'waits' for leave; 'doubt': whether it, or its equal, was done isn't known"""
    words: str
    """what a client is told that waits no longer"""
    approval: str = ""
    why: str = ""
    expires: int = 0
    """of the question, ns"""


class Answer(NamedTuple):
    """What a client is told of its call."""

    kind: Kind
    text: str
    """the result (JSON text) where there is one, else words"""
    key: str = ""
    position: int = 0
    approval: str = ""


def answer_of(record: CallRecord, read: Callable[[e.Content | None], str]) -> Answer | None:
    """Return what the client is told of ``record``; None while there is nothing to be told yet."""
    if not record.answered:
        return _unanswered(record)
    place = (record.key, record.answered, record.approval)
    match record.answer:
        case "succeeded" | "partial" | "replayed":
            return Answer(record.answer, read(record.content) or "null", *place)
        case "failed":
            return Answer("failed", record.text, *place)
        case "refused" | "told":
            return Answer("refused", record.text, *place)
        case "waits" | "doubt" | "gone":
            return Answer(record.answer, record.text, *place)
        case "":
            raise Broken(f"{record.id} was answered with nothing")


def waiting_on(state: State, definition: Definition, record: CallRecord, call: Call) -> Waiting | None:
    """Return what ``record``, which isn't answered, waits for; None where that needs no person."""
    asked = _question(state, record)
    if asked is not None:
        words = (
            f"Not done yet: a person has to allow it ({asked.why}). Once somebody has run `perdure approve "
            f"{state.run} {asked.id}`, make exactly this call again. Nothing happens before that."
        )
        return Waiting(record.id, "waits", words, asked.id, asked.why, asked.expires)
    effect = state.world.open.get(record.key) or _blocking(state, definition, record, call)
    if effect is None or effect.phase != "doubted":
        return _held_up(state, record)
    way = way_out(state, definition.tool(effect.tool), effect, state.at)
    if not isinstance(way, Ask):
        return None
    own = "this call" if effect.call == record.id else f"an equal call ({effect.tool} {effect.what})"
    words = (
        f"In doubt: whether {own} was done is not known ({effect.doubt}). {way.text} It is not done again until a "
        f"person has looked and said what happened: `perdure settle {state.run} {effect.key[:12]} ...`. Do not "
        "repeat it in other words; look whether it happened, or do something else."
    )
    return Waiting(record.id, "doubt", words)


def _question(state: State, record: CallRecord) -> Approval | None:
    """Return the open question that the call waits for: its own, or one that the same call has raised before it."""
    own = state.world.approvals.get(record.approval)
    if own is not None or record.accepted or not record.digest:
        return own if own is not None and own.phase == "asked" else None
    for asked in state.world.approvals.values():
        before = state.live.received.get(asked.call)
        same = before is None or before.tool == record.tool
        if (
            asked.phase == "asked"
            and same
            and (asked.arguments, asked.contract) == (record.digest, state.contract)
        ):
            return asked
    return None


def _blocking(state: State, definition: Definition, record: CallRecord, call: Call) -> Effect | None:
    """Return the effect that has to be settled before ``call`` can be judged."""
    declaration = definition.tool(record.tool)
    if record.accepted or declaration is None or call.arguments is None or declaration.effect == "read":
        return None
    match recall(state, declaration, identity_on_path(state, declaration, call.arguments)):
        case Blocked(effect):
            return effect
        case _:
            return None


def _held_up(state: State, record: CallRecord) -> Waiting | None:
    if record.accepted or not state.live.workspace_error:
        return None
    words = f"Not done: the workspace could not be recorded before it ({state.live.workspace_error})."
    return Waiting(record.id, "waits", words)


def _unanswered(record: CallRecord) -> Answer | None:
    if record.accepted and record.key == "client":
        return Answer("allowed", "", "", record.accepted, record.approval)
    return None
