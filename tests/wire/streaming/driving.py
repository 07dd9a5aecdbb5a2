"""A relay driven as a host drives it: bytes cut at any place, calls answered, everything that came out kept."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api
from perdure.wire.streaming.exchange import FollowUp, Given, Hidden, Screen, Withheld
from perdure.wire.streaming.relay import Relay
from tests.wire.streaming.provider import RECALL, Script, streamed, whole

Cut = Callable[[bytes], Iterable[bytes]]


def always(name: str, arguments: str) -> bool:
    return True


RECALLS = Screen(frozenset({RECALL}), always)


class Heard(NamedTuple):
    """What the client and the host of a relay got."""

    told: bytes
    relay: Relay
    follow_ups: tuple[FollowUp, ...]
    hidden: tuple[Hidden, ...]
    asked: tuple[Withheld, ...]


def in_one(stream: bytes) -> Iterable[bytes]:
    return [stream]


def every(size: int) -> Cut:
    """Cut a stream into chunks of ``size``."""

    def cut(stream: bytes) -> Iterator[bytes]:
        for start in range(0, len(stream), size):
            yield stream[start : start + size]

    return cut


def answer_to(call: Withheld) -> Given:
    return Given(f"what {call.id} asked for", is_error=False)


def driven(relay: Relay, replies: Sequence[bytes], cut: Cut = in_one) -> Heard:
    """Feed the provider's replies, one for each round; the last ones are left over if nobody asks for them."""
    told: list[bytes] = []
    follow_ups: list[FollowUp] = []
    asked: list[Withheld] = []
    hidden: tuple[Hidden, ...] = ()
    for reply in replies:
        told += [relay.feed(chunk) for chunk in cut(reply)]
        told.append(relay.close())
        if relay.stage == "asking":
            asked += relay.asked
            follow_up = relay.answer({call.id: answer_to(call) for call in relay.asked})
            if follow_up is not None:
                follow_ups.append(follow_up)
                continue
        if relay.stage == "finishing":
            hidden = relay.hidden
            told.append(relay.finish())
        break
    return Heard(b"".join(told), relay, tuple(follow_ups), hidden, tuple(asked))


def played(
    api: Api, scripts: Sequence[Script], *, stream: bool, screen: Screen = RECALLS, cut: Cut = in_one
) -> Heard:
    """Play the scripts, one for each round, as a provider without memory."""
    replies = [(streamed if stream else whole)(api, script) for script in scripts]
    return driven(Relay(api, screen, streamed=stream), replies, cut)


def shape(text: bytes) -> dict[str, Json]:
    value: Json = json.loads(text)
    assert isinstance(value, dict)
    return value


def shapes(array: bytes) -> list[dict[str, Json]]:
    value: Json = json.loads(array)
    assert isinstance(value, list)
    return [part for part in value if isinstance(part, dict)]
