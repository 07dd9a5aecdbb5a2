"""The words of a request's body: what stands in it, and where."""

from typing import Final, Literal, NamedTuple

Api = Literal["messages", "chat", "responses"]
Endpoint = Literal["messages", "count_tokens", "chat", "responses", "compact"]
"""What is asked of a provider: its API, and of that API, which call."""

Purpose = Literal["main", "side", "compaction", "count"]
Shape = Literal["text", "blocks"]

APIS: Final[dict[Endpoint, Api]] = {
    "messages": "messages",
    "count_tokens": "messages",
    "chat": "chat",
    "responses": "responses",
    "compact": "responses",
}


class Span(NamedTuple):
    """A stretch of bytes, without the one at ``end``."""

    start: int
    end: int

    def within(self, outer: int) -> "Span":
        """Return it in the bytes in which what it was measured in begins at ``outer``."""
        return Span(self.start + outer, self.end + outer)


class OfferedTool(NamedTuple):
    """A tool that the request offers to the model."""

    name: str
    span: Span
    """the whole element of ``tools``"""
    schema: Span | None
    """its JSON Schema; None where the provider knows it, or there is none"""
    description: Span | None
    digest: str
    """of the element, ``cache_control`` apart"""
    strict: bool = False
    deferred: bool = False
    """loaded by the provider's own tool search, when it is found"""

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.span.end - self.span.start


class MadeCall(NamedTuple):
    """A call that the model made."""

    call: str
    """its id; where a client counts its calls anew in each reply, with '#2' for the second of that name and so on"""
    tool: str
    digest: str
    """of tool and arguments; equal for the same call made again"""
    about: str
    """path, address or command out of the arguments"""
    paths: tuple[str, ...] = ()
    """everything in the arguments that names a file"""


class CallResult(NamedTuple):
    """What a call came to, as the client tells the model."""

    call: str
    span: Span
    """the value that can be replaced"""
    shape: Shape
    """'text': the value is a string; 'blocks': a list of texts"""
    digest: str
    """SHA-256 of its text in UTF-8"""
    size: int
    """of that text, in bytes"""
    characters: int
    before: int
    """characters in front of it"""
    place: int = 0
    """of its item in the request, from 0"""
    is_error: bool = False
    fixed: str = ""
    """why it can't be replaced: 'media', 'form'; empty where it can"""
    made: MadeCall | None = None
    """the call, where it stands in the same request"""


class Item(NamedTuple):
    """A message of Messages and Chat, an item of Responses."""

    role: str
    """'system', 'user', 'assistant', 'tool' for what holds results alone; empty where it says nothing known"""
    span: Span
    digest: str
    """of what the provider's cache is concerned with"""
    characters: int
    merged: tuple[str, ...]
    """what it adds to the ``message_digest`` of the reply that it belongs to"""


class ItemRead(NamedTuple):
    """An item, read alone: spans are places in the item, and characters are counted from its beginning."""

    role: str
    digest: str
    characters: int
    merged: tuple[str, ...] = ()
    calls: tuple[MadeCall, ...] = ()
    results: tuple[CallResult, ...] = ()
    compacts: bool = False
    """whether it asks for a summary in the place of the conversation"""
