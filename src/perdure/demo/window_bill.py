"""A session as its provider has it: what each request held, what was moved in it, and what is billed.

Nothing here is told by perdure: it is read off the requests that arrived and the tokens that the provider counted.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from perdure.assembly.pricing import cost_of
from perdure.demo.window_agent import MODEL, Broken, Coder
from perdure.log.events import Usage
from perdure.testing.upstream.extending import Break, breaks, units_of
from perdure.testing.upstream.narrator import RECALL
from perdure.testing.upstream.provider import Provider, Recorded
from perdure.values.digest import Json
from perdure.values.errors import require
from perdure.wire.reading import dict_at, dicts_at, text_raw

_HANDLE: Final = re.compile(r"(?<![\w-])p-[a-z2-9]{10,48}(?!\w)")
_OUTPUT: Final = re.compile(r'"output_tokens":(\d+)')


class Moved(NamedTuple):
    """A result that the provider no longer has as the agent sent it."""

    request: int
    what: str
    """the command that it came from"""
    handle: str
    preview: bool
    """it came so; else it left later"""
    whole: int
    """bytes"""
    shown: int
    stands: str
    """the first line of what stands in its place"""

    @property
    def file(self) -> str:
        """What was looked at."""
        return self.what.removeprefix("cat ")


class Row(NamedTuple):
    """One request of the agent, with all that it took at the provider."""

    window: int
    """tokens of the last prompt"""
    microusd: int
    calls: int
    asked: str
    """what the model asked for and got, within this reply; empty: nothing"""


class Session:
    """One agent at one provider, its requests counted."""

    def __init__(self, coder: Coder, provider: Provider) -> None:
        """Count what ``coder`` sends to ``provider`` from now on."""
        self.coder = coder
        self.provider = provider
        self.rows: list[Row] = []
        self.moved: dict[str, Moved] = {}
        self._taken = len(provider.recorded)
        self._open: list[Recorded] = []
        """of a request whose reply broke off"""
        self._of: list[int] = []
        """for each record, the request of the agent's that it was made for"""

    def until_told(self, stop: int = 0) -> bool:
        """Let the agent go on until it waits for a person, or has made ``stop`` requests; tell whether it waits."""
        while not stop or len(self.rows) < stop:
            if not self.turn():
                return True
        return False

    def turn(self) -> bool:
        """One request of the agent's, and its reply. Raises ``Broken``; the next one then asks the same again."""
        try:
            wants_more = self.coder.turn()
        except Broken:
            self._open += self._arrived()
            raise
        records = [*self._open, *self._arrived()]
        self._open = []
        require(bool(records), "a reply came, and no request had arrived")
        self.rows.append(
            Row(
                window=_whole(records[-1]),
                microusd=sum(map(billed, records)),
                calls=len(records),
                asked=next((_asked(each.body) for each in records if each.way == "recalled"), ""),
            )
        )
        self._look(records[-1].body)
        return wants_more

    @property
    def records(self) -> Sequence[Recorded]:
        """All that arrived of it."""
        return self.provider.recorded[: len(self._of)]

    def breaks(self) -> list[Break]:
        """Return where a request did not go on as the one before it had ended."""
        sent = [units_of("messages", body) for body in self.coder.sent]
        arrived = [units_of("messages", record.body) for record in self.records]
        gone = {each.handle for each in self.moved.values() if not each.preview}
        return breaks(arrived, sent, self._of, gone)

    def _arrived(self) -> list[Recorded]:
        records = self.provider.recorded[self._taken :]
        self._taken += len(records)
        self._of += [len(self.coder.sent) - 1] * len(records)
        return records

    def _look(self, body: bytes) -> None:
        """See which results are not what the agent sent."""
        mine, calls, last = _results(self.coder.sent[-1])
        theirs, _, _ = _results(body)
        for call, text in mine.items():
            shown = theirs.get(call, text)
            if shown == text or call in self.moved:
                continue
            handle = _HANDLE.search(shown)
            self.moved[call] = Moved(
                request=len(self.rows),
                what=calls[call],
                handle=handle[0] if handle else "",
                preview=call in last,
                whole=len(text.encode()),
                shown=len(shown.encode()),
                stands=shown.partition("\n")[0],
            )


def billed(record: Recorded) -> int:
    """Return what the provider asks for one request, in millionths of a dollar."""
    metered = record.metered
    if metered is None:
        return 0
    *_, said = [0, *(int(found[1]) for found in _OUTPUT.finditer(record.answer.decode()))]
    return cost_of(
        Usage(
            input_tokens=metered.whole,
            output_tokens=said,
            cache_read_tokens=metered.read,
            cache_write_tokens=metered.write_5m,
        ),
        MODEL,
    )


def _asked(body: bytes) -> str:
    """Return which page was asked for last in a request, or what else it was called by."""
    shape = msgspec.json.decode(body, type=dict[str, Json])
    asked = ""
    for message in dicts_at(shape, "messages"):
        for block in dicts_at(message, "content"):
            if block["type"] == "tool_use" and block["name"] == RECALL:
                given = dict_at(block, "input")
                asked = text_raw(given, "page") or text_raw(given, "path") or "a page"
    return asked


def _whole(record: Recorded) -> int:
    return record.metered.whole if record.metered is not None else 0


def _results(body: bytes) -> tuple[dict[str, str], dict[str, str], set[str]]:
    """Return the results of a request by their calls, the commands of those, and which results came last."""
    shape = msgspec.json.decode(body, type=dict[str, Json])
    results: dict[str, str] = {}
    calls: dict[str, str] = {}
    last = set[str]()
    for message in dicts_at(shape, "messages"):
        blocks = dicts_at(message, "content")
        for block in blocks:
            if block["type"] == "tool_use":
                calls[text_raw(block, "id")] = text_raw(dict_at(block, "input"), "command")
        last = {text_raw(block, "tool_use_id") for block in blocks if block["type"] == "tool_result"}
        results |= {text_raw(b, "tool_use_id"): _text(b["content"]) for b in blocks if "tool_use_id" in b}
    return results, calls, last


def _text(content: Json) -> str:
    if isinstance(content, list):
        return "\n".join(text_raw(part, "text") for part in content)
    return str(content)
