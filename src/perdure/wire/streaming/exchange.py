"""What is said between a relay and its host about calls that the client is not to see."""

from collections.abc import Callable
from typing import Literal, NamedTuple

Stage = Literal["streaming", "asking", "finishing", "ended", "broken"]
"""Where a relay is: 'asking' waits for ``answer``, 'finishing' for ``finish``."""


class Memory(NamedTuple):
    """What the provider knows by itself."""

    held: Literal["", "response", "conversation"] = ""
    """what a request goes on from: an earlier response, or a conversation that the provider keeps"""
    stored: bool = False
    """whether the replies are kept under their ids"""


class Withheld(NamedTuple):
    """A call that the client does not see and the host answers."""

    id: str
    name: str
    arguments: str
    """JSON as the model spelled it; it may be broken"""


class Screen(NamedTuple):
    """Which calls the client is not to see."""

    names: frozenset[str]
    """calls of these tools are held back until they are whole; all others pass as they come"""
    hides: Callable[[str, str], bool]
    """name, arguments: whether this one is withheld"""


class Given(NamedTuple):
    """What the host answers to a withheld call."""

    text: str
    is_error: bool = False


class FollowUp(NamedTuple):
    """The next request of a hidden exchange: the client's, as it was forwarded, with ``elements`` more."""

    elements: tuple[bytes, ...]
    """JSON to append to ``messages`` or ``input``: all rounds of this reply so far"""
    replaces: bool = False
    """the provider holds the history: ``elements`` are all of the input"""
    previous: str = ""
    """what ``previous_response_id`` becomes; empty: it stays"""


class Hidden(NamedTuple):
    """A message as the client has it, and what goes to the provider in its place from now on."""

    merged: str
    """digest of the message as the client will send it"""
    split: bytes
    """JSON array in the words of the API: its messages, or items, with all calls and answers between them"""
    joined: bytes | None
    """JSON array: answers that join the client's own results. Messages: blocks in front of those of the next
    user message; Chat: messages, Responses: items, right after ``split``"""


class Mishap(NamedTuple):
    """An error that came in a reply, or in place of one."""

    kind: str
    text: str
    passing: bool
    """whether trying again may help"""
