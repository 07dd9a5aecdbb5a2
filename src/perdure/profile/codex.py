"""Codex's rollout files: one record a line, OpenAI Responses items among them.

What they hold, and how it is read:
- ``response_item`` is what was sent or came back; ``event_msg`` repeats it for the screen, but for ``token_count``,
  which ends a request and says what it took. One that repeats the totals before it ends nothing.
- Results may stand before the count of the request that asked for them: they entered the window after it.
- ``compacted`` replaces the history by what it lists: a new stretch.
- Instructions are recorded, the schemas of the tools aren't.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final

from perdure.log.events import Usage
from perdure.profile.loom import Loom, Reported
from perdure.profile.moments import moment_of
from perdure.profile.snippets import Snippet, answered, called, read_blocks, spelled, thought
from perdure.profile.trace import Trace
from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dicts_at, text_raw
from perdure.wire.usage import count

SOURCE: Final = "codex"
DENSITY: Final = 4.0
"""Characters per token of GPT models on tool output, measured."""

MISSED_MAX: Final = 8
"""Requests in a row that were broken off before their count was told; a sum that jumps by more is another's."""

_CALLS: Final = (
    "function_call",
    "custom_tool_call",
    "local_shell_call",
    "web_search_call",
    "tool_search_call",
)
_RESULTS: Final = (
    "function_call_output",
    "custom_tool_call_output",
    "local_shell_call_output",
    "tool_search_output",
)


class CodexReader:
    """The records of one session into a trace."""

    def __init__(self, name: str, seen: set[int]) -> None:
        """``seen``: requests that were counted in whatever trace; it grows."""
        self._seen: set[int] = seen
        self._loom: Loom = Loom(name, SOURCE, density=DENSITY)
        self._begun: bool = False
        self._named: bool = False
        """whether the file says which session it is of; without that it is a later part of one"""
        self._heard: list[Snippet] = []
        """what entered the window after the reply that is being read began"""
        self._reply: list[Snippet] = []
        self._model: str = ""
        self._place: str = ""
        self._at: int = 0
        self._asked_at: int = 0
        self._total: str = ""
        self._sums: dict[str, Json] = {}
        """all tokens so far, as the rollout sums them up"""
        self._name: str = name

    def take(self, record: dict[str, Json]) -> None:
        """Take in the next record."""
        shape, what = dict_at(record, "payload"), record.get("type")
        self._at = moment_of(record.get("timestamp")) or self._at
        if what == "session_meta":
            self._named = True
            self._begin(dict_at(shape, "base_instructions"), shape)
        elif what == "turn_context":
            self._model = text_raw(shape, "model") or self._model
            self._place = text_raw(shape, "cwd") or self._place
        elif what == "response_item":
            self._item(shape)
        elif what == "compacted":
            self._compacted(shape)
        elif what == "event_msg" and shape.get("type") == "token_count":
            self._count(dict_at(shape, "info"))

    def traces(self) -> Iterator[Trace]:
        """Yield the trace, if the model was asked at all."""
        if self._loom.requests:
            yield self._loom.trace()

    def _begin(self, instructions: dict[str, Json], shape: dict[str, Json]) -> None:
        self._place = text_raw(shape, "cwd") or self._place
        if self._begun:
            return
        self._begun = True
        words = text_raw(instructions, "text") or text_raw(shape, "instructions")
        if words:
            self._loom.put([Snippet("system", words)])
        else:
            self._loom.hole("system", "system")
        self._loom.hole("schema", "schema")
        self._loom.assumed[
            "Tool schemas aren't recorded: what the first request holds beyond the recorded words."
        ] = None

    def _item(self, shape: dict[str, Json]) -> None:
        if not self._begun:
            self._begin({}, {})
        what, role = text_raw(shape, "type"), text_raw(shape, "role")
        if what == "message" and role == "assistant":
            self._replied(list(read_blocks(shape.get("content"), "said")))
        elif what == "message":
            kind = "user" if role == "user" else "system"
            self._entered(list(read_blocks(shape.get("content"), kind)))
        elif what == "reasoning":
            self._replied([thought(shape)])
        elif what in _CALLS:
            arguments = next(
                (shape[name] for name in ("arguments", "input", "action") if name in shape), None
            )
            tool = text_raw(shape, "name") or what
            named: Json = {"input": arguments} if what == "custom_tool_call" else arguments
            piece = called(text_raw(shape, "call_id") or text_raw(shape, "id"), tool, named, self._place)
            self._replied([piece])
        elif what in _RESULTS:
            self._entered([_result(shape)])
        elif what:
            self._entered([Snippet("other", spelled(shape))])

    def _replied(self, pieces: list[Snippet]) -> None:
        if not self._reply:
            self._asked_at = self._asked_at or self._at
        self._reply += pieces

    def _entered(self, pieces: list[Snippet]) -> None:
        if self._reply:
            self._heard += pieces
        else:
            self._loom.put(pieces)
            self._asked_at = self._at

    def _count(self, shape: dict[str, Json]) -> None:
        """A request has ended: what it took is counted, unless this repeats the count before."""
        total, last = dict_at(shape, "total_token_usage"), dict_at(shape, "last_token_usage")
        name = spelled(total)
        if not last or not count(last, "input_tokens") or name == self._total:
            return
        missed, self._total, self._sums = self._missed(total, last), name, total
        request, bare = hash((self._at, name)), hash((name, spelled(last)))
        if request in self._seen or (not self._named and bare in self._seen):
            self._loom.assumed[
                "Requests that an earlier transcript holds are history here, counted there."
            ] = None
            self._loom.said(self._reply)
        else:
            self._seen.update((request, bare))
            at = self._asked_at or self._at
            for usage in missed:
                self._loom.reply(Reported(at, usage, (), self._model))
            self._loom.reply(Reported(at, _usage(last), self._reply, self._model))
        self._settle()

    def _missed(self, total: dict[str, Json], last: dict[str, Json]) -> list[Usage]:
        """Return the requests that the sum holds and no count tells: what was broken off was paid all the same."""
        if not self._sums:
            return []
        names = ("input_tokens", "output_tokens", "cached_input_tokens")
        over = {name: count(total, name) - count(self._sums, name) - count(last, name) for name in names}
        window = count(last, "input_tokens")
        times = round(over["input_tokens"] / window)
        if not 0 < times <= MISSED_MAX:
            return []
        self._loom.assumed["Requests that only the rollout's sum tells are taken to be of equal size."] = None
        parts = (
            {name: max(value, 0) * part // times for name, value in over.items()} for part in range(times + 1)
        )
        ends = list(parts)
        return [
            _usage({name: after[name] - before[name] for name in names}) for before, after in pairwise(ends)
        ]

    def _settle(self) -> None:
        self._reply, heard, self._heard = [], self._heard, []
        self._asked_at = self._at if heard else 0
        self._loom.put(heard)

    def _compacted(self, shape: dict[str, Json]) -> None:
        self._loom.said(self._reply)
        self._settle()
        self._loom.restart(self._loom.window[:2], compacted=True)
        summary = text_raw(shape, "message")
        self._loom.put([Snippet("user", summary)] if summary else [])
        for item in dicts_at(shape, "replacement_history"):
            self._item(item)
        self._loom.said(self._reply)
        self._settle()
        self._loom.hole("other", "other")


def _usage(shape: Mapping[str, Json]) -> Usage:
    plain = dict(shape)
    read, cached = count(plain, "input_tokens"), count(plain, "cached_input_tokens")
    return Usage(read, count(plain, "output_tokens"), min(cached, read))


def _result(shape: dict[str, Json]) -> Snippet:
    output: Json = shape.get("output")
    if output is None:
        output = shape.get("tools")
    name = text_raw(shape, "call_id") or text_raw(shape, "id")
    if isinstance(output, dict):
        inner = output.get("content")
        return answered(name, inner if isinstance(inner, str) else spelled(output))
    return answered(name, output)
