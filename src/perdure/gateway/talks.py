"""A foreign agent's conversation as it is held open: its run, and what is remembered beside it.

Invariant: all that matters is in the run. What is remembered here is found again from it, or only makes the
next request quicker, or one figure less exact.
"""

import asyncio
from itertools import islice
from typing import Final

from perdure.assembly.foreign.conversations import Scribe
from perdure.gateway.evidence import Evidence
from perdure.page.handles import digest_of
from perdure.projection.state import Conversation, Page, State
from perdure.values.digest import digest
from perdure.values.errors import Broken
from perdure.values.table import Table
from perdure.wire.bodies.nouns import MadeCall

SCHEMA: Final = "schema"
"""Why the policy of results doesn't move a page: it is a tool's schema."""

_NOTHING: Final[Table[str, Page]] = Table()


class Talk:
    """One open conversation."""

    def __init__(self, scribe: Scribe, bucket: str) -> None:
        """Hold what ``scribe`` writes open; ``bucket`` is whose handles it shares."""
        self.scribe: Scribe = scribe
        self.bucket: str = bucket
        self.deciding: asyncio.Lock = asyncio.Lock()
        """held while a request is decided on: what it is told of was read from the state that it is told to"""
        self.under_way: int = 0
        """requests that were forwarded and are not answered yet"""
        self.made: dict[str, MadeCall] = {}
        """the calls that its pages answer, by page"""
        self.evidence: Evidence = Evidence()
        self.owes: bool = False
        """whether something that bytes depend on was told and is not known to be on disk"""
        self.kept_body: bytes = b""
        """the newest body as it was recorded"""
        self._kept_name: str = ""
        """its digest, once it is known"""
        self.kept_since: int = 0
        """bytes recorded since one was kept whole"""
        self.standing: tuple[str, str] = ("", "")
        """digests of tools and instructions of the newest request"""
        self.tail: int = 0
        """messages at the end of the newest request that follow what the model said last; 0 where that isn't known"""
        self._sent: tuple[Table[int, str] | None, tuple[str, ...]] = (None, ())
        self._schemas: tuple[Table[str, Page], dict[str, Page]] = (_NOTHING, {})
        self._handles: tuple[Table[str, Page], dict[tuple[str, str], str]] = (_NOTHING, {})

    @property
    def run(self) -> str:
        """Its run."""
        return self.scribe.run

    def keep(self, body: bytes, name: str = "") -> None:
        """``body`` was recorded; ``name`` is its digest where that is known."""
        self.kept_body, self._kept_name = body, name

    def name_kept(self) -> str:
        """Return the digest of the newest body as it was recorded: what the next one differs from."""
        if not self._kept_name and self.kept_body:
            self._kept_name = digest(self.kept_body)
        return self._kept_name

    @property
    def state(self) -> State:
        """The state of its run."""
        return self.scribe.state

    @property
    def conversation(self) -> Conversation:
        """What decisions look at. Raises ``Broken`` if the run is none of a conversation."""
        known = self.scribe.state.live.conversation
        if known is None:
            raise Broken(f"{self.run} is no conversation")
        return known

    @property
    def sent(self) -> tuple[str, ...]:
        """Digests of the newest request's messages."""
        table = self.scribe.state.live.sent
        if self._sent[0] is not table:
            self._sent = (table, tuple(table[place] for place in range(len(table))))
        return self._sent[1]

    def said_at(self, digests: tuple[str, ...], shared: int) -> int:
        """Return where the newest words of the model in the newest request stand in ``digests``; -1: nowhere.

        The first ``shared`` messages are those of that request.
        """
        place = len(self.sent) - self.tail - 1
        if place < shared:
            return place
        said = self.sent[place]
        return next((at for at in reversed(range(shared, len(digests))) if digests[at] == said), -1)

    @property
    def handles(self) -> dict[tuple[str, str], str]:
        """Its pages by call and digest."""
        pages = self.scribe.state.live.pages
        table, handles = self._handles
        if table is not pages:
            known = len(handles)
            if known > len(pages):
                handles, known = {}, 0
            for name, page in islice(pages.items(), known, None):
                handles[page.call, digest_of(page.content)] = name
            self._handles = (pages, handles)
        return handles

    @property
    def schemas(self) -> dict[str, Page]:
        """Schemas of tools that have left, by the tool's digest."""
        pages = self.scribe.state.live.pages
        if self._schemas[0] is not pages:
            found = {
                page.call.removeprefix("tool:"): page
                for page in pages.values()
                if page.exempt == SCHEMA and page.shape == "evicted"
            }
            self._schemas = (pages, found)
        return self._schemas[1]

    def page_of(self, call: str, digest: str) -> Page | None:
        """Return the page that holds the result with this digest that answered ``call``."""
        name = self.handles.get((call, digest))
        return self.scribe.state.live.pages.get(name) if name is not None else None


def common(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """Return how many messages both begin with."""
    if first == second[: len(first)]:
        return len(first)
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count
