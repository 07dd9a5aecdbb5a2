"""How a relay speaks to a client in the words of one API; what all of them are asked for."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from perdure.wire.streaming.follow import StreamedEvent
from perdure.wire.streaming.rounds import Round


class Addition(NamedTuple):
    """What an event adds to a part of the reply."""

    key: int
    """the part's place among the others, as the provider counts"""
    begins: bool = False
    ends: bool = False
    id: str = ""
    name: str = ""
    """of the tool, where it is a call that someone has to answer"""
    text: str = ""
    """of its arguments"""
    whole: bool = False
    """``text`` is all of them, whatever came before"""
    thinks: bool = False
    """it may only be shown together with what follows it"""


class Tongue(Protocol):
    """One reply to a client, told in the words of an API."""

    def additions(self, event: StreamedEvent, /) -> Sequence[Addition]:
        """Return what the event adds to which parts."""
        ...

    def settles(self, event: StreamedEvent, /) -> bool:
        """Tell whether no part can grow any more."""
        ...

    def passes(self, event: StreamedEvent, /) -> bytes:
        """Take note of an event that goes to the client as it came, and return it."""
        ...

    def speaks(self, event: StreamedEvent, hidden: Collection[int], /) -> bytes:
        """Return an event as it goes to the client, who does not see the ``hidden`` parts of this round.

        What ends the reply is kept for ``ends``.
        """
        ...

    def goes_on(self, whole: bytes, /) -> None:
        """Begin another round; ``whole`` was the one before."""
        ...

    def ends(self, rounds: Sequence[Round], stop: str, /) -> bytes:
        """Return the end of the reply; ``stop`` says why it ends, where the last round doesn't."""
        ...

    def fails(self, kind: str, text: str, /) -> bytes:
        """Return an error that ends the reply."""
        ...
