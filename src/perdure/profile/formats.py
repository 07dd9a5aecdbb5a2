"""Which kind of transcript a file is, by its first records; and who reads it."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from perdure.profile.chat import ChatReader, is_chat
from perdure.profile.claude import SOURCE as CLAUDE
from perdure.profile.claude import ClaudeReader
from perdure.profile.codex import SOURCE as CODEX
from perdure.profile.codex import CodexReader
from perdure.profile.moments import moment_of
from perdure.profile.trace import Trace
from perdure.values.digest import Json
from perdure.wire.reading import dict_at, text_raw

CHAT: Final = "chat"
_CLAUDE_TYPES: Final = frozenset({
    "user", "assistant", "system", "summary", "attachment", "progress", "file-history-snapshot", "queue-operation",
    "custom-title", "ai-title", "mode", "last-prompt", "pr-link", "frame-link",
})  # fmt: skip
_CODEX_TYPES: Final = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "compacted"})


class Reader(Protocol):
    """Takes a session's records in order and makes traces of them."""

    def take(self, record: dict[str, Json]) -> None:
        """Take in the next record."""
        ...

    def traces(self) -> Iterator[Trace]:
        """Yield what was read."""
        ...


class Recognised(NamedTuple):
    """What a file's first records say of it."""

    source: str
    session: str
    """the client's own name for the session; empty where it has none"""
    begun: int
    """ns; 0 where no record has a time"""


def recognised(records: Sequence[dict[str, Json]]) -> Recognised | None:
    """Return what the first records of a file are of; None where no kind is known that they could be."""
    begun = next((when for when in (moment_of(record.get("timestamp")) for record in records) if when), 0)
    for record in records:
        what = text_raw(record, "type")
        if what in _CODEX_TYPES and isinstance(record.get("payload"), dict):
            named = (dict_at(each, "payload") for each in records if each.get("type") == "session_meta")
            session = next((text_raw(meta, "id") for meta in named), "")
            return Recognised(CODEX, session, begun)
        if what in _CLAUDE_TYPES and ("sessionId" in record or "uuid" in record or "message" in record):
            names = (text_raw(each, "sessionId") for each in records)
            return Recognised(CLAUDE, next((name for name in names if name), ""), begun)
        if is_chat(record):
            return Recognised(CHAT, "", begun)
    return None


def reader_of(source: str, name: str, seen: set[int]) -> Reader:
    """Return a reader for a session of that kind; ``seen``: requests that were counted already."""
    if source == CODEX:
        return CodexReader(name, seen)
    return ClaudeReader(name, seen) if source == CLAUDE else ChatReader(name)
