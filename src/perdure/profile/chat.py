"""Conversations as lists of OpenAI chat messages, alone or in a list of sessions, one to a line or all in one file.

What they hold, and how it is read: each message of the assistant was one request with all before it. Usage, times and
the model are taken where a session or message has them; most have none.
"""

from collections.abc import Iterator
from typing import Final

from perdure.profile.loom import Loom, Reported
from perdure.profile.moments import moment_of
from perdure.profile.snippets import Snippet, answered, called, read_blocks, thought
from perdure.profile.trace import Trace
from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dicts_at, dicts_in, text_raw
from perdure.wire.usage import chat_usage

SOURCE: Final = "chat"
DENSITY: Final = 4.0

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_NAMES: Final = ("id", "session_id", "conversation_id", "task_id", "trial", "name")


def is_chat(record: dict[str, Json]) -> bool:
    """Tell whether ``record`` is a session of chat messages, or one message."""
    return bool(messages_in(record) or sessions_in(record)) or text_raw(record, "role") in _ROLES


def messages_in(record: dict[str, Json]) -> list[dict[str, Json]]:
    """Return the first list of messages in a session, under whatever name."""
    for value in record.values():
        if isinstance(value, list):
            found = dicts_in(value)
            if found and sum(text_raw(item, "role") in _ROLES for item in found) * 2 > len(found):
                return found
    return []


def sessions_in(record: dict[str, Json]) -> list[dict[str, Json]]:
    """Return the sessions that stand in a list of ``record``, under whatever name."""
    lists = [dicts_in(value) for value in record.values() if isinstance(value, list)]
    return [item for found in lists for item in found if messages_in(item)]


class ChatReader:
    """Sessions of chat messages: each record one, or each record a message of the same."""

    def __init__(self, name: str) -> None:
        """``name`` is for the sessions that have none."""
        self._name: str = name
        self._number: int = 0
        self._loose: Loom | None = None
        self._ready: list[Trace] = []

    def take(self, record: dict[str, Json]) -> None:
        """Take in a session, or a message."""
        messages = messages_in(record)
        for session in [] if messages else sessions_in(record):
            self.take(session)
        if messages:
            loom = self._loom(record)
            for message in messages:
                _message(loom, message, record)
            self._add(loom)
        elif text_raw(record, "role") in _ROLES:
            self._loose = self._loose if self._loose is not None else self._loom(record)
            _message(self._loose, record, record)

    def traces(self) -> Iterator[Trace]:
        """Yield what was read since the last time."""
        loose, self._loose = self._loose, None
        if loose is not None:
            self._add(loose)
        ready, self._ready = self._ready, []
        yield from ready

    def ready(self) -> Iterator[Trace]:
        """Yield the sessions that are complete."""
        ready, self._ready = self._ready, []
        yield from ready

    def _loom(self, record: dict[str, Json]) -> Loom:
        self._number += 1
        words = [f"{record[name]}" for name in _NAMES if isinstance(record.get(name), str | int)]
        loom = Loom(
            f"{self._name}#{self._number}{' ' if words else ''}{words[0] if words else ''}",
            SOURCE,
            density=DENSITY,
        )
        loom.hole("schema", "schema")
        loom.assumed[
            "Tool schemas aren't recorded: where usage is, the first request's surplus is theirs; else none."
        ] = None
        return loom

    def _add(self, loom: Loom) -> None:
        if loom.requests:
            self._ready.append(loom.trace())


def _message(loom: Loom, message: dict[str, Json], session: dict[str, Json]) -> None:
    role, content = message.get("role"), message.get("content")
    if role == "assistant":
        loom.reply(_told(loom, message, session))
    elif role in ("tool", "function"):
        name = text_raw(message, "tool_call_id") or text_raw(message, "name")
        loom.put([answered(name, content)])
    else:
        loom.put(read_blocks(content, "system" if role in ("system", "developer") else "user"))


def _told(loom: Loom, message: dict[str, Json], session: dict[str, Json]) -> Reported:
    pieces: list[Snippet] = []
    if text_raw(message, "reasoning_content"):
        pieces.append(thought({"thinking": message["reasoning_content"]}))
    pieces += read_blocks(message.get("content"), "said")
    for call in dicts_at(message, "tool_calls"):
        function = dict_at(call, "function")
        pieces.append(called(text_raw(call, "id"), text_raw(function, "name"), function.get("arguments")))
    old = dict_at(message, "function_call")
    if old:
        pieces.append(called(text_raw(old, "name"), text_raw(old, "name"), old.get("arguments")))
    usage = chat_usage(message.get("usage"))
    measured = usage.input_tokens > 0
    if not measured:
        loom.assumed[
            f"No usage is recorded: tokens are characters divided by {DENSITY:g}, and nothing is known of a cache."
        ] = None
    at = moment_of(message.get("timestamp")) or moment_of(message.get("created_at"))
    model = text_raw(message, "model") or text_raw(session, "model")
    return Reported(at, usage, pieces, model, measured=measured)
