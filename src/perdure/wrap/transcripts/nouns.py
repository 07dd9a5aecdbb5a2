"""The words for a client's stored session, whatever its format."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from perdure.values.digest import Json
from perdure.wrap.transcripts.naming import is_said

Record = dict[str, Json]
"""One line of a session's file; empty where the line holds no object."""


class StoredMessage(NamedTuple):
    """What the client sends as a message, or as an item of one."""

    record: int
    """its first line, from 0"""
    end: int
    """the line behind its last"""
    said: bool
    """whether the model said it; else it was said to the model"""
    names: frozenset[str]
    """what it is recognised by in a request: ``wire.bodies.digests`` has the words"""
    after: int
    """the entry of the model's that it stands after, by its place among all entries; -1: none"""
    at: int
    """when, ns; 0 where that isn't told"""


class StoredForm(NamedTuple):
    """How one client stores its sessions."""

    name: str
    """as profiles name the format"""
    entries: Callable[[Sequence[Record]], list[StoredMessage]]
    """what a session's lines hold, in their order"""
    renamed: Callable[[bytes, Record, str, str], bytes | None]
    """a line of a session, its own name (then the new one) in it replaced; None: it has no place in a new one"""
    session_of: Callable[[Sequence[Record]], str]
    minted: Callable[[], str]
    """a fresh name, as the client would give it"""
    placed: Callable[[Path, str], Path]
    """where a session of that name stands beside the one at this path"""
    tight: bool
    """whether nothing that stands behind a message belongs to it"""
    makes_anew: bool
    """whether the client makes what isn't in its file anew when it resumes, so that it may differ"""


class SentRequest(NamedTuple):
    """A main request as the log has it."""

    number: int
    """the turn"""
    position: int
    at: int
    digests: tuple[str, ...]
    names: Mapping[int, frozenset[str]] | None
    """further names of messages by place; None where the body wasn't kept"""

    def names_at(self, place: int) -> frozenset[str]:
        """Return all names of the message at ``place``; none before the first."""
        if place < 0:
            return frozenset()
        return (self.names or {}).get(place, frozenset()) | {self.digests[place]}

    def says_past(self, place: int) -> bool:
        """Tell whether the model is known to have said something behind ``place``."""
        return any(is_said(name) for at in range(place + 1, len(self.digests)) for name in self.names_at(at))


class Cut(NamedTuple):
    """Where a session is cut so that it holds a request, and no more."""

    lines: int
    """that stay"""
    expects: tuple[str, ...]
    """digests that the first request after it begins with; empty in a place: anything may stand there"""
