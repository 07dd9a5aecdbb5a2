"""Claude Code's session files: one JSON record a line.

What they hold, and how it is read:
- A reply stands in several records that share a message id and repeat its usage: they are one request. Results of
  its calls may stand between them, and entered the window after it.
- ``progress`` records carry a sub-agent's messages, newer versions mark them ``isSidechain``: each is a trace.
- The order of the lines is the order of the conversation; times may go back. A reply whose parent is an earlier
  reply than the last says that the person went back: a new stretch.
- ``compact_boundary`` begins a new stretch; it may name messages that stay. A resumed session repeats history:
  a request that another trace has counted is history here.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from perdure.profile.loom import Loom, Reported
from perdure.profile.moments import moment_of
from perdure.profile.snippets import Snippet, read_blocks, words_within
from perdure.profile.trace import Trace
from perdure.values.digest import Json
from perdure.wire.reading import dict_at, text_raw
from perdure.wire.usage import anthropic_usage, count

SOURCE: Final = "claude-code"
MINUTES_5_NS: Final = 300 * 1_000_000_000
HOUR_NS: Final = 3600 * 1_000_000_000

SCHEMA_SHARE: Final = 0.82
"""Of what stands before the first message: 7,064 tokens of schemas beside 1,565 of system prompt, as version
2.1.330 sends them without further tools."""

_NEWER: Final = re.compile(r"claude-[a-z]+-([5-9]|\d\d)\b")
_SHOWN: Final = ("content", "addedLines", "addedBlocks", "snippet", "prompt", "stdout")
"""Fields of an attachment of which the first that is there is what the model reads."""

_UNSENT: Final = frozenset({"hook_system_message", "command_permissions", "hook_non_blocking_error"})
"""Attachments for the person's eyes alone."""

UUIDS_MAX: Final = 2_000_000
"""Records whose place in the chain is remembered: some hundred megabytes, for a session of gigabytes."""


def density_for(model: str) -> float:
    """Return the characters per token of tool output, as measured for the model's family."""
    return 2.2 if _NEWER.match(model) else 2.9


class _Open(NamedTuple):
    """A reply of which more records may come."""

    id: str
    usage: Json
    model: str
    pieces: list[Snippet]
    held: list[tuple[str, list[Snippet]]]
    """what entered the window since its first record, under its record's id"""
    parent: str
    at: int


class _Thread:
    """One chain of messages: the session's own, or a sub-agent's."""

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.loom: Loom | None = None
        self.open: _Open | None = None
        self.asked_at: int = 0
        self.waiting: list[tuple[str, list[Snippet]]] = []
        """before the first reply says what the model is"""
        self.places: dict[int, list[int]] = {}
        """record -> where its pieces stand"""
        self.reply_of: dict[int, int] = {}
        """record -> the reply that it stands after"""
        self.ends: dict[int, int] = {}
        """reply -> where the window ended when it was complete"""
        self.last: int = 0
        self.since: list[int] = []
        """records that entered the window since that reply"""
        self.lost: bool = False
        self.fresh: bool = False
        """whether a compaction is under way"""


class ClaudeReader:
    """The records of one session, from one file or several, into traces."""

    def __init__(self, name: str, seen: set[int]) -> None:
        """``seen``: requests that were counted in whatever trace; it grows."""
        self.name: str = name
        self._seen: set[int] = seen
        self._threads: dict[str, _Thread] = {}
        self._place: str = ""

    def take(self, record: dict[str, Json]) -> None:
        """Take in the next record; what is of no concern to the window is passed over."""
        what, place = record.get("type"), record.get("cwd")
        self._place = place if isinstance(place, str) else self._place
        if what == "progress":
            self._progress(record)
        elif what in ("user", "assistant", "attachment", "system"):
            self._record(record, self._thread_of(record))

    def traces(self) -> Iterator[Trace]:
        """Yield a trace for each chain in which the model was asked."""
        for thread in self._threads.values():
            self._complete(thread)
            if thread.loom is not None and thread.loom.requests:
                yield thread.loom.trace()

    # -- which chain ---------------------------------------------------------------------------------

    def _progress(self, record: dict[str, Json]) -> None:
        shape = dict_at(record, "data")
        message = dict_at(shape, "message")
        self._chain(record, self._thread_of(record))
        if shape.get("type") != "agent_progress" or not message:
            return
        message.setdefault("timestamp", record.get("timestamp"))
        agent = text_raw(shape, "agentId") or text_raw(record, "parentToolUseID")
        self._record(message, self._thread(agent or "agent"))

    def _thread_of(self, record: dict[str, Json]) -> _Thread:
        if record.get("isSidechain") is not True:
            return self._thread("")
        agent = text_raw(record, "agentId")
        if agent:
            return self._thread(agent)
        parent = hash(text_raw(record, "parentUuid"))
        for thread in self._threads.values():
            if thread.name and parent in thread.reply_of:
                return thread
        return self._thread(text_raw(record, "uuid") or "sidechain")

    def _thread(self, agent: str) -> _Thread:
        thread = self._threads.get(agent)
        if thread is None:
            thread = self._threads[agent] = _Thread(f"{self.name}/{agent}" if agent else self.name)
        return thread

    # -- what a record says --------------------------------------------------------------------------

    def _record(self, record: dict[str, Json], thread: _Thread) -> None:
        what = record.get("type")
        if what == "assistant":
            self._assistant(record, thread)
        elif what == "user":
            self._entered(
                record, thread, list(read_blocks(dict_at(record, "message").get("content"), "user"))
            )
        elif what == "attachment":
            self._entered(record, thread, _attached(dict_at(record, "attachment")))
        elif record.get("subtype") in ("compact_boundary", "microcompact_boundary"):
            self._boundary(record, thread)
        else:
            self._chain(record, thread)

    def _entered(self, record: dict[str, Json], thread: _Thread, pieces: list[Snippet]) -> None:
        self._chain(record, thread)
        entry = (text_raw(record, "uuid"), pieces)
        if thread.open is not None:
            thread.open.held.append(entry)
        else:
            self._put(thread, entry)
        thread.asked_at = moment_of(record.get("timestamp")) or thread.asked_at

    def _put(self, thread: _Thread, entry: tuple[str, list[Snippet]]) -> None:
        if thread.loom is None:
            thread.waiting.append(entry)
        elif entry[1]:
            thread.places[hash(entry[0])] = thread.loom.put(entry[1])
            thread.since.append(hash(entry[0]))

    def _assistant(self, record: dict[str, Json], thread: _Thread) -> None:
        message = dict_at(record, "message")
        model, name = text_raw(message, "model"), text_raw(message, "id")
        self._chain(record, thread)
        if model == "<synthetic>" or record.get("isApiErrorMessage") is True:
            return
        name = name or text_raw(record, "requestId") or text_raw(record, "uuid")
        if thread.open is None or thread.open.id != name:
            self._complete(thread)
            parent = text_raw(record, "parentUuid")
            at = thread.asked_at or moment_of(record.get("timestamp"))
            thread.open = _Open(name, message.get("usage"), model, [], [], parent, at)
        thread.open.pieces.extend(read_blocks(message.get("content"), "said", self._place))
        usage = message.get("usage")
        if count(usage, "output_tokens") >= count(thread.open.usage, "output_tokens"):
            thread.open = thread.open._replace(usage=usage)
        thread.reply_of[hash(text_raw(record, "uuid"))] = hash(name)

    def _chain(self, record: dict[str, Json], thread: _Thread) -> None:
        """Remember after which reply a record stands."""
        parent = text_raw(record, "parentUuid") or text_raw(record, "logicalParentUuid")
        if len(thread.reply_of) < UUIDS_MAX:
            thread.reply_of[hash(text_raw(record, "uuid"))] = thread.reply_of.get(hash(parent), 0)
        if parent and thread.loom is None and not thread.waiting and hash(parent) not in thread.reply_of:
            thread.lost = True

    # -- requests ------------------------------------------------------------------------------------

    def _complete(self, thread: _Thread) -> None:
        """Tell the reply that stands open, now that all its records are there, and what came since."""
        reply, thread.open = thread.open, None
        if reply is None:
            return
        loom = thread.loom if thread.loom is not None else self._begun(thread, reply.model)
        name = hash(reply.id)
        before = thread.reply_of.get(hash(reply.parent), 0)
        if before and before != thread.last and before in thread.ends:
            self._back(thread, loom, before)
        if not reply.usage or name in self._seen:
            if name in self._seen:
                loom.assumed[
                    "Requests that an earlier transcript holds are history here, and counted there."
                ] = None
            loom.said(reply.pieces)
        else:
            self._seen.add(name)
            loom.reply(_told(reply))
        thread.last = name
        thread.ends[name] = loom.window.stop
        thread.since.clear()
        for entry in reply.held:
            self._put(thread, entry)

    def _back(self, thread: _Thread, loom: Loom, before: int) -> None:
        """The person went back to an earlier reply: only what was said after that one, and to it, stands."""
        start, end = loom.window.start, max(thread.ends[before], loom.window.start)
        heard = (name for name in thread.since if thread.reply_of.get(name) == before)
        places = [place for name in heard for place in thread.places[name] if place >= end]
        loom.restart([*range(start, end), *places], fresh=end)

    def _begun(self, thread: _Thread, model: str) -> Loom:
        shares = {"system": 1 - SCHEMA_SHARE, "schema": SCHEMA_SHARE}
        loom = thread.loom = Loom(thread.name, SOURCE, density=density_for(model), shares=shares)
        loom.hole("system", "system")
        loom.hole("schema", "schema")
        loom.assumed[
            "System prompt and tool schemas aren't recorded: what the first request holds beyond the recorded words, "
            "82 % of it schemas as Claude Code 2.1 sends them without further tools."
        ] = None
        if thread.lost:
            loom.hole("other", "history")
            loom.assumed["The transcript begins in the middle: what came before is counted as 'other'."] = (
                None
            )
        for entry in thread.waiting:
            self._put(thread, entry)
        thread.waiting.clear()
        return loom

    def _boundary(self, record: dict[str, Json], thread: _Thread) -> None:
        self._complete(thread)
        loom = thread.loom
        if loom is None:
            thread.lost = True
        elif record.get("subtype") == "compact_boundary":
            kept = dict_at(dict_at(record, "compactMetadata"), "preservedMessages").get("uuids")
            names = [hash(name) for name in kept if isinstance(name, str)] if isinstance(kept, list) else []
            places = [
                place for name in names for place in thread.places.get(name, ()) if place in loom.window
            ]
            loom.restart([*loom.window[:2], *sorted(places)], compacted=True)
            loom.hole("other", "other")
        self._chain(record, thread)


def _told(reply: _Open) -> Reported:
    usage = anthropic_usage(reply.usage)
    short = count(reply.usage, "cache_creation", "ephemeral_5m_input_tokens")
    long = count(reply.usage, "cache_creation", "ephemeral_1h_input_tokens")
    ttl = HOUR_NS if long else MINUTES_5_NS if short else 0
    return Reported(reply.at, usage, reply.pieces, reply.model, short, long, ttl)


def _attached(shape: dict[str, Json]) -> list[Snippet]:
    """Return what the client put beside a message: reminders, lists of tools and skills, files."""
    if text_raw(shape, "type") in _UNSENT:
        return []
    value = next((shape[name] for name in _SHOWN if shape.get(name)), None)
    if isinstance(value, dict):
        value = value.get("content") or value.get("file") or value
    text = "\n".join(words_within(value))
    return [Snippet("other", text)] if text else []
