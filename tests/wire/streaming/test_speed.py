"""Ten thousand events a second take a small part of one processor."""

import time

import pytest

from perdure.wire.bodies.nouns import Api
from perdure.wire.streaming.relay import Relay
from tests.wire.streaming.driving import RECALLS
from tests.wire.streaming.provider import Script, Words, streamed

EVENTS = 10_000
SHARE_MAX = 0.2
"""of a processor; 0.02 to 0.03 were measured on the machine of FACTS"""


@pytest.mark.bench
@pytest.mark.parametrize("api", ["messages", "chat", "responses"])
def test_ten_thousand_events_pass_in_a_fifth_of_a_second(api: Api):
    events = [
        event + b"\n\n"
        for event in streamed(api, Script((Words("some words of text " * 2),))).split(b"\n\n")[:-1]
    ]
    text = next(place for place, event in enumerate(events) if b"some words" in event)
    stream = [*events[:text], *[events[text]] * EVENTS, *events[text + 1 :]]
    relay = Relay(api, RECALLS, streamed=True)
    begun = time.process_time()
    told = [relay.feed(event) for event in stream]
    taken = time.process_time() - begun
    assert b"".join(told) == b"".join(stream)
    assert taken < SHARE_MAX
