"""A reply to a client, made of one or more replies of the provider.

The host feeds what the provider sends and gives to the client what comes out. It looks at ``stage`` after each
``feed`` and ``close``:

- 'asking': the provider's reply is over and holds withheld calls, ``asked``. ``answer`` them all: with a
  ``FollowUp``, send that request and feed its reply; with None, the stage is 'finishing'.
- 'finishing': record ``hidden`` first, then send what ``finish`` gives.
- 'ended': all was given. 'broken': the reply was cut off or failed, and the client has been shown that.

Where a call was withheld together with others, those go to the client, and the answers wait for its own. The usage
that the client sees is that of the last round, since its compaction goes by it.
"""

from collections.abc import Mapping
from typing import Final

from perdure.log.events import Usage
from perdure.values.digest import Json
from perdure.values.errors import require
from perdure.values.limits import RECALL_ROUNDS_MAX
from perdure.wire.bodies.digests import held_digest, message_digest
from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.spans import FAULTS, decoded
from perdure.wire.reading import dict_at, text_at
from perdure.wire.streaming.exchange import FollowUp, Given, Hidden, Memory, Screen, Stage, Withheld
from perdure.wire.streaming.learning import Learned
from perdure.wire.streaming.rounds import WORDINGS, Round, split_of
from perdure.wire.streaming.shapes import array_of, members_of, parsed, spelled
from perdure.wire.streaming.solid import Solid
from perdure.wire.streaming.weave import Weave

_ENDED: Final[dict[Api, str]] = {"messages": "end_turn", "chat": "stop", "responses": ""}
"""Why a reply ends to the client whose last calls are all withheld, and that may not go round again."""

NOTHING: Final = Memory()

_KINDS: Final = {400: "invalid_request_error", 429: "rate_limit_exceeded", 529: "overloaded_error"}


def memory_of(api: Api, body: bytes) -> Memory:
    """Return what the provider knows by itself of a request: Responses keeps its replies unless told not to."""
    if api != "responses":
        return Memory()
    fields = members_of(body)
    stored = bytes(fields.get("store", b"")) != b"false"
    if bytes(fields.get("previous_response_id", b"")).startswith(b'"'):
        return Memory("response", stored)
    kept = bytes(fields.get("conversation", b"null"))
    return Memory("conversation" if kept != b"null" else "", stored)


class Relay:
    """One reply to a client."""

    def __init__(
        self,
        api: Api,
        screen: Screen,
        *,
        streamed: bool,
        knows: Memory = NOTHING,
        usage_wanted: bool = True,
    ) -> None:
        """Begin; ``knows`` is what the provider remembers of the request that is answered.

        ``usage_wanted`` false: a stream of Chat tells a usage only because it was asked for on the way.
        """
        self._api: Api = api
        self._voice: Weave | Solid = (
            Weave(api, screen, usage_wanted=usage_wanted) if streamed else Solid(api, screen)
        )
        self._streamed: bool = streamed
        self._knows: Memory = knows
        self._stage: Stage = "streaming"
        self._rounds: list[Round] = []
        self._ids: list[str] = []
        self._usages: list[Usage] = []
        self._turned: bool = False
        """whether the present reply of the provider is among them"""
        self._stop: str = ""

    @property
    def stage(self) -> Stage:
        """Where this is."""
        return self._stage

    @property
    def learned(self) -> Learned:
        """What is known of the provider's present reply."""
        return self._voice.learned

    @property
    def usages(self) -> tuple[Usage, ...]:
        """What each of the provider's replies took; the client sees the last, the ledger sums them.

        One that is under way, or was cut off, counts with what it has told so far.
        """
        learned = self._voice.learned
        begun = not self._turned and bool(learned.counted)
        return (*self._usages, learned.usage) if begun else tuple(self._usages)

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes of the provider's reply and return those that the client gets now."""
        if self._voice.touched and self._stage != "streaming":
            return b""
        told = self._voice.feed(chunk)
        if self._stage == "streaming" and self._voice.over:
            told += self._turn()
        return told

    def close(self) -> bytes:
        """Take in that the provider's reply has no more bytes."""
        if self._voice.touched and self._stage != "streaming":
            return b""
        told = self._voice.close()
        if self._stage == "streaming":
            if not self._voice.over:
                self._stage = "broken"
                return told
            told += self._turn()
        return told

    def _turn(self) -> bytes:
        """Take in that a reply of the provider is over."""
        learned = self._voice.learned
        self._usages.append(learned.usage)
        self._turned = True
        if not self._voice.touched or learned.mishap is not None:
            self._stage = "broken" if learned.mishap is not None else "ended"
            return b""
        hidden = frozenset(call.id for call in self._voice.withheld)
        whole = self._voice.whole()
        self._rounds.append(Round(whole, hidden, stored=self._knows.stored or bool(self._knows.held)))
        self._ids.append(learned.id)
        if hidden and learned.answerable and whole:
            self._stage = "asking"
            return b""
        self._stage = "finishing"
        return b"" if len(self._rounds) > 1 else self.finish()

    @property
    def asked(self) -> tuple[Withheld, ...]:
        """The calls to answer, in their order; none unless the stage is 'asking'."""
        return tuple(self._voice.withheld) if self._stage == "asking" else ()

    @property
    def mixed(self) -> bool:
        """Whether calls of the client stand beside those to answer: the reply then ends with this round."""
        return len(self._voice.learned.calls) > len(self._voice.withheld)

    @property
    def rounds_left(self) -> int:
        """How often the model may still ask within this reply."""
        return max(0, RECALL_ROUNDS_MAX - len(self._rounds))

    def answer(self, answers: Mapping[str, Given]) -> FollowUp | None:
        """Take the answers, by id of call; return the request that goes on, or None where the client goes on."""
        require(self._stage == "asking", "an answer was given to a reply that asks nothing")
        require(all(call.id in answers for call in self.asked), "a withheld call was left without an answer")
        given = tuple((call, answers[call.id]) for call in self.asked)
        last = self._rounds[-1] = self._rounds[-1]._replace(answers=given)
        if self.mixed or not self.rounds_left:
            self._stop = "" if self.mixed else _ENDED[self._api]
            self._stage = "finishing"
            return None
        self._voice.goes_on()
        self._stage, self._turned = "streaming", False
        words = WORDINGS[self._api]
        told = words.heard(words.told(last))
        if self._knows.held:
            previous = self._ids[-1] if self._knows.held == "response" else ""
            return FollowUp(tuple(told), replaces=True, previous=previous)
        return FollowUp((*split_of(words, self._rounds), *told))

    @property
    def hidden(self) -> tuple[Hidden, ...]:
        """What has to be recorded before ``finish``, each of it; none where nothing was hidden."""
        if not any(made.answers for made in self._rounds):
            return ()
        words = WORDINGS[self._api]
        last = self._rounds[-1]
        joined = array_of(words.told(last)) if last.answers else None
        found: list[Hidden] = []
        name = message_digest(self._api, _value(words.merged(self._rounds)))
        if name and not self._knows.held:
            found.append(Hidden(name, array_of(split_of(words, self._rounds)), joined))
        seen = self._ids[0] if self._streamed else self._ids[-1]
        if self._api == "responses" and last.stored and (joined or seen != self._ids[-1]):
            found.append(Hidden(held_digest(seen), spelled([self._ids[-1]]), joined))
        return tuple(found)

    def finish(self) -> bytes:
        """Return the end of the reply, which was held back."""
        require(self._stage == "finishing", "a reply was finished that was not at its end")
        self._stage = "ended"
        return self._voice.ends(self._rounds, self._stop)

    def fail(self, status: int, body: bytes) -> bytes:
        """Return how the client is told that the follow-up was answered with ``status`` and ``body``.

        Empty where nothing of the reply has been given yet: give the client the provider's answer itself then.
        """
        self._stage = "broken"
        error = dict_at(parsed(body) or {}, "error")
        kind = text_at(error, "type") or _KINDS.get(status, "api_error" if status >= 500 else "error")
        if self._api == "responses":
            kind = text_at(error, "code") or {429: "rate_limit_exceeded"}.get(status, "server_error")
        return self._voice.fails(kind, text_at(error, "message") or f"the provider answered {status}")


def _value(text: bytes) -> Json:
    try:
        return decoded(text)
    except FAULTS:
        return None
