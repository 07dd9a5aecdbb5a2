"""A request as it was read: where everything in it stands, and what it is.

Invariants:
- Spans are places in ``body``, the bytes as they came; they stay true, since nothing changes ``body``.
- What is remembered between requests holds sizes, digests and places, never text: text is read out of the body.
"""

from collections.abc import Iterator

import msgspec

from perdure.wire.bodies.nouns import (
    APIS,
    Api,
    CallResult,
    Endpoint,
    Item,
    MadeCall,
    OfferedTool,
    Purpose,
    Span,
)
from perdure.wire.bodies.spans import decoded
from perdure.wire.bodies.texts import text_of, words_of


class RequestBody(msgspec.Struct, frozen=True):
    """A request that was understood."""

    endpoint: Endpoint
    body: bytes
    model: str
    stream: bool
    purpose: Purpose
    session: str
    """the client's own name of the conversation; empty where it gives none"""
    previous: str
    """the response that this one goes on from, kept by the provider"""
    tools: tuple[OfferedTool, ...]
    tools_digest: str
    tools_span: Span | None
    """the value of ``tools``; None where there is none, or it is empty"""
    searched: bool
    """whether the provider's own tool search is on"""
    forced: bool
    """whether the model must call one tool, or any, or may call none; or whether nobody could go on with its reply,
    since it is several at once or is had later"""
    system: str
    """digest of the instructions that stand outside of the messages"""
    items: tuple[Item, ...]
    items_span: Span | None
    """the value of ``messages`` or ``input``"""
    results: tuple[CallResult, ...]
    """all of them, in order"""
    calls: tuple[tuple[int, MadeCall], ...]
    """all of them, in order, with the place of their item"""
    characters: int
    """that the model reads; pictures count as ``MEDIA_CHARACTERS``, signatures not at all"""

    @property
    def api(self) -> Api:
        """The API that it is spoken in."""
        return APIS[self.endpoint]

    @property
    def digests(self) -> tuple[str, ...]:
        """Of the items, in order: one request extends another where its digests do."""
        return tuple(item.digest for item in self.items)

    def text(self, result: CallResult) -> str:
        """Return what ``result`` says; its blocks joined by line ends."""
        return text_of(self.body[result.span.start : result.span.end])

    def results_since(self, place: int) -> Iterator[CallResult]:
        """Yield the results in items from ``place`` on."""
        return (result for result in self.results if result.place >= place)

    def calls_since(self, place: int) -> Iterator[MadeCall]:
        """Yield the calls in items from ``place`` on."""
        return (call for at, call in self.calls if at >= place)

    def said_since(self, place: int) -> str:
        """Return what the model said in items from ``place`` on: its texts, and the texts in its calls."""
        spans = (item.span for item in self.items[place:] if item.role == "assistant")
        return "\n".join(
            word for span in spans for word in words_of(decoded(self.body[span.start : span.end]))
        )
