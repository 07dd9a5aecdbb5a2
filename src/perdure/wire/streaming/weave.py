"""One stream to a client out of one or more streams of the provider.

Invariants:
- Until the first call is withheld, every event goes on in its own bytes.
- While it isn't known whether a call is withheld, everything after its beginning waits, in order; a ping or a comment doesn't, since it keeps the connection alive.
"""

from collections.abc import Sequence
from typing import Final

from perdure.wire.bodies.nouns import Api
from perdure.wire.reading import text_raw
from perdure.wire.streaming.chat import ChatTongue
from perdure.wire.streaming.exchange import Screen, Withheld
from perdure.wire.streaming.follow import DONE, Follower, StreamedEvent
from perdure.wire.streaming.learning import Learned
from perdure.wire.streaming.messages import MessagesTongue
from perdure.wire.streaming.responses import ResponsesTongue
from perdure.wire.streaming.rounds import Round
from perdure.wire.streaming.shapes import parsed
from perdure.wire.streaming.sse import SseSplitter, read
from perdure.wire.streaming.tongue import Addition, Tongue

_IDLE: Final = frozenset({"ping", "keepalive"})


class _Suspect:
    """A call that may be withheld, as far as it has come."""

    def __init__(self, addition: Addition) -> None:
        self.id: str = addition.id
        self.name: str = addition.name
        self.texts: list[str] = []

    def take(self, addition: Addition) -> None:
        self.id = self.id or addition.id
        if addition.whole:
            self.texts = [addition.text]
        elif addition.text:
            self.texts.append(addition.text)


class Weave:
    """The stream to the client, in all its rounds."""

    def __init__(self, api: Api, screen: Screen, *, usage_wanted: bool = True) -> None:
        """Begin."""
        self._api: Api = api
        self._screen: Screen = screen
        self._tongue: Tongue = _tongue(api, usage_wanted=usage_wanted)
        self.touched: bool = False
        """something was withheld: what comes is counted here, and the end waits"""
        self._begin()

    def _begin(self) -> None:
        self._splitter = SseSplitter()
        self._follower = Follower(self._api, streamed=True, keeps=True)
        self._suspects: dict[int, _Suspect] = {}
        self._thoughts: list[int] = []
        """parts that are shown only if something is that follows them"""
        self._between: bool = False
        """a call was withheld since"""
        self._hidden: set[int] = set()
        self._held: list[StreamedEvent] = []
        self.withheld: list[Withheld] = []

    @property
    def learned(self) -> Learned:
        """What is known of this round."""
        return self._follower.learned

    @property
    def over(self) -> bool:
        """Whether this round has come to its end."""
        return self.learned.ended or self.learned.mishap is not None

    def whole(self) -> bytes:
        """Return this round as a reply without a stream; empty where its end didn't come."""
        return self._follower.whole() or b""

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes of this round and return those that the client gets now."""
        pieces = self._splitter.feed(chunk)
        if self._splitter.overflown:
            held, self._held = self._held, []
            return b"".join([event.piece for event in held] + pieces)
        if len(pieces) == 1:
            return self._take(pieces[0])
        return b"".join([self._take(piece) for piece in pieces])

    def close(self) -> bytes:
        """Take in that there are no more bytes: what is begun and may be seen is all that there is."""
        told = self._last(self._splitter.close())
        self._follower.close()
        if self.learned.ended:
            self._settle()
            told += self._flush()
        elif not self._suspects and not self._hidden:
            told = self._flush() + told
        self._held = []
        return told

    def _last(self, rest: bytes) -> bytes:
        """Take an event that ended without a blank line; half a one passes, unless it may tell of what is withheld."""
        if not rest:
            return b""
        half = parsed(read(rest).data) is None and read(rest).data != DONE
        if half and (self.touched or any(name.encode() in rest for name in self._screen.names)):
            return b""
        return self._take(rest) if not half else b"" if self._suspects else rest

    def _take(self, piece: bytes) -> bytes:
        if not self.touched and not self._held and self._follower.skim(piece):
            return piece
        event = self._follower.hear(piece)
        for addition in self._tongue.additions(event):
            self._consider(addition)
        if self._tongue.settles(event):
            self._settle()
        if self._suspects or self._thoughts:
            if _is_idle(event):
                return piece
            self._held.append(event)
            return b""
        if not self._held:
            return self._tell(event)
        self._held.append(event)
        return self._flush()

    def _flush(self) -> bytes:
        held, self._held = self._held, []
        return b"".join([self._tell(event) for event in held])

    def _tell(self, event: StreamedEvent) -> bytes:
        if self.touched:
            return self._tongue.speaks(event, self._hidden)
        return self._tongue.passes(event)

    def _consider(self, addition: Addition) -> None:
        if addition.begins:
            if addition.thinks:
                self._think(addition.key)
            elif addition.name in self._screen.names:
                self._suspects[addition.key] = _Suspect(addition)
            else:
                self._thoughts = []
        suspect = self._suspects.get(addition.key)
        if suspect is not None:
            suspect.take(addition)
            if addition.ends:
                self._judge(addition.key)

    def _think(self, key: int) -> None:
        """Begin a thought; one after which there was only what is withheld is withheld, too."""
        if self._between:
            self._hidden.update(self._thoughts)
            self._thoughts = []
        self._between = False
        self._thoughts.append(key)

    def _judge(self, key: int) -> None:
        suspect = self._suspects.pop(key)
        arguments = "".join(suspect.texts)
        if self._screen.hides(suspect.name, arguments):
            self._hidden.add(key)
            self.withheld.append(Withheld(suspect.id, suspect.name, arguments))
            self.touched = self._between = True
        else:
            self._thoughts = []

    def _settle(self) -> None:
        """Decide about everything that is still open."""
        for key in sorted(self._suspects):
            self._judge(key)
        if self._hidden:
            self._hidden.update(self._thoughts)
        self._thoughts = []

    def goes_on(self) -> None:
        """Begin another round."""
        self._tongue.goes_on(self.whole())
        self._begin()

    def ends(self, rounds: Sequence[Round], stop: str) -> bytes:
        """Return the end of the reply."""
        return self._tongue.ends(rounds, stop)

    def fails(self, kind: str, text: str) -> bytes:
        """Return an error that ends the reply."""
        return self._tongue.fails(kind, text)


def _is_idle(event: StreamedEvent) -> bool:
    """Tell whether an event only keeps the connection alive: a ping, or a comment."""
    if not event.data:
        return event.piece.lstrip(b"\r\n").startswith(b":")
    return text_raw(event.event, "type") in _IDLE


def _tongue(api: Api, *, usage_wanted: bool) -> Tongue:
    match api:
        case "messages":
            return MessagesTongue()
        case "chat":
            return ChatTongue(usage_wanted=usage_wanted)
        case "responses":
            return ResponsesTongue()
