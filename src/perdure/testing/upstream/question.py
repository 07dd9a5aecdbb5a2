"""What a request asks, whatever API it came through, and what the scripted model says to it."""

import hashlib
from typing import Literal

import msgspec

from perdure.values.digest import Json

Api = Literal["messages", "chat", "responses"]
Spoken = Api | Literal["gemini"]
"""What is spoken here: the gateway's three, and one that it lets through unread."""
Role = Literal["system", "user", "assistant", "reasoning", "call", "result", "summary"]


class Passage(msgspec.Struct, frozen=True):
    """One piece of the conversation, in order."""

    role: Role
    text: str = ""
    """of a call: its arguments, as they were sent"""
    id: str = ""
    name: str = ""


class Offer(msgspec.Struct, frozen=True):
    """A tool that the model may call."""

    name: str
    schema: dict[str, Json]
    manner: str = "function"
    """'function', 'custom' (free text) or 'local_shell'"""
    space: str = ""
    """the namespace that it stands in"""


class Question(msgspec.Struct, frozen=True):
    """A request that passed every check."""

    api: Spoken
    model: str
    stream: bool
    system: str
    offers: tuple[Offer, ...]
    passages: tuple[Passage, ...]
    units: tuple["Unit", ...]
    thinks: bool = False
    wanted: dict[str, Json] | None = None
    """JSON schema that the answer has to fit"""
    silent: bool = False
    """the caller wants no call of a tool"""
    stored: bool = False
    compacts: bool = False
    """its last item asks for a compaction"""


class Unit(msgspec.Struct, frozen=True):
    """A stretch of prompt that a provider's cache can end at."""

    digest: str
    tokens: int
    kept: str = ""
    """'5m' or '1h' where the caller marked it"""
    part: str = "messages"
    """'tools', 'system' or 'messages'"""


class ToolCall(msgspec.Struct, frozen=True):
    """A call that the scripted model makes."""

    id: str
    offer: Offer
    arguments: dict[str, Json]
    free: str = ""
    """what a custom tool gets"""


class Utterance(msgspec.Struct, frozen=True):
    """What the scripted model says."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    thought: str = ""
    sealed: str = ""
    """what only the provider can read again: a compaction's summary"""


def unit_of(value: Json, *, characters: int, kept: str = "", part: str = "messages") -> Unit:
    """Return ``value`` as a stretch of prompt: the marks of caches are no part of it."""
    spelled = msgspec.json.encode(without_marks(value), order="deterministic")
    tokens = max(1, len(spelled) // characters)
    return Unit(digest=hashlib.sha256(spelled).hexdigest(), tokens=tokens, kept=kept, part=part)


def without_marks(value: Json) -> Json:
    """Return ``value`` without ``cache_control`` at any depth that a provider looks at."""
    if isinstance(value, list):
        return [without_marks(each) for each in value]
    if isinstance(value, dict):
        return {name: without_marks(each) for name, each in value.items() if name != "cache_control"}
    return value
