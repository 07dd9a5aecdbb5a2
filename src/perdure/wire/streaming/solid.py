"""A reply without a stream to a client, out of one or more replies of the provider."""

from collections.abc import Sequence

from perdure.wire.bodies.nouns import Api
from perdure.wire.streaming.exchange import Screen, Withheld
from perdure.wire.streaming.follow import Follower
from perdure.wire.streaming.learning import Learned
from perdure.wire.streaming.rounds import WORDINGS, Round


class Solid:
    """The body that the client gets, in all its rounds: nothing of it comes before its end."""

    def __init__(self, api: Api, screen: Screen) -> None:
        """Begin."""
        self._api: Api = api
        self._screen: Screen = screen
        self.touched: bool = False
        """something was withheld: what the client gets is made here"""
        self._begin()

    def _begin(self) -> None:
        self._follower = Follower(self._api, streamed=False)
        self.withheld: list[Withheld] = []
        self.over: bool = False

    @property
    def learned(self) -> Learned:
        """What is known of this round."""
        return self._follower.learned

    def whole(self) -> bytes:
        """Return this round as it came."""
        return self._follower.body()

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes of this round; what is far too large passes as it comes."""
        return chunk if self.over else self._follower.feed(chunk)

    def close(self) -> bytes:
        """Take in that there are no more bytes; return them where nothing is withheld."""
        if self.over:
            return b""
        self._follower.close()
        self.over = True
        if self.learned.ended:
            self.withheld = [call for call in WORDINGS[self._api].calls(self.whole()) if self._hides(call)]
        self.touched = self.touched or bool(self.withheld)
        return b"" if self.touched else self.whole()

    def _hides(self, call: Withheld) -> bool:
        return call.name in self._screen.names and self._screen.hides(call.name, call.arguments)

    def goes_on(self) -> None:
        """Begin another round."""
        self._begin()

    def ends(self, rounds: Sequence[Round], stop: str) -> bytes:
        """Return the reply."""
        return WORDINGS[self._api].body(rounds, stop)

    def fails(self, kind: str, text: str) -> bytes:
        """Return nothing: the provider's own answer can be given."""
        del kind, text
        return b""
