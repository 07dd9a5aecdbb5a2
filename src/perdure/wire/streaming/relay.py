"""A reply to a client, made of one or more replies of the provider.

The host feeds what the provider sends and gives to the client what comes out. It looks at ``stage`` after each
``feed`` and ``close``:

- 'asking': the provider's reply is over and holds withheld calls, ``asked``. ``answer`` them all: with a
  ``FollowUp``, send that request and feed its reply; with None, the stage is 'finishing'.
- 'finishing': record ``hidden`` first, then send what ``finish`` gives.
- 'ended': all was given. 'broken': the reply was cut off or failed, and the client has been shown that.
"""

from collections.abc import Mapping

from perdure.log.events import Usage
from perdure.wire.streaming.exchange import Api, FollowUp, Given, Hidden, Screen, Stage, Withheld


class Relay:
    """One reply to a client."""

    def __init__(self, api: Api, screen: Screen, *, streamed: bool, held: bool = False) -> None:
        """Begin; ``held`` says that the provider holds the history (``previous_response_id``, ``conversation``)."""
        raise NotImplementedError

    @property
    def stage(self) -> Stage:
        """Where this is."""
        raise NotImplementedError

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes of the provider's reply and return those that the client gets now."""
        raise NotImplementedError

    def close(self) -> bytes:
        """Take in that the provider's reply has no more bytes."""
        raise NotImplementedError

    @property
    def asked(self) -> tuple[Withheld, ...]:
        """The calls to answer, in their order; none unless the stage is 'asking'."""
        raise NotImplementedError

    @property
    def rounds_left(self) -> int:
        """How often the model may still ask within this reply."""
        raise NotImplementedError

    def answer(self, answers: Mapping[str, Given]) -> FollowUp | None:
        """Take the answers, by id of call; return the request that goes on, or None where the client goes on."""
        raise NotImplementedError

    @property
    def hidden(self) -> tuple[Hidden, ...]:
        """What has to be recorded before ``finish``, each of it; none where nothing was hidden."""
        raise NotImplementedError

    def finish(self) -> bytes:
        """Return the end of the reply, which was held back."""
        raise NotImplementedError

    def fail(self, status: int, body: bytes) -> bytes:
        """Return how the client is told that the follow-up was answered with ``status`` and ``body``.

        Where nothing has been given to the client yet, give it the provider's answer itself instead.
        """
        raise NotImplementedError

    @property
    def usages(self) -> tuple[Usage, ...]:
        """What each of the provider's replies took; the client sees the last, the ledger sums them."""
        raise NotImplementedError
