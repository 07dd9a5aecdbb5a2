"""Whatever a provider sends, it passes byte for byte where nothing is withheld, and nothing here falls over it."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api
from perdure.wire.streaming import chat
from perdure.wire.streaming.exchange import Given, Screen
from perdure.wire.streaming.follow import Follower, StreamedEvent
from perdure.wire.streaming.relay import Relay
from tests.wire.streaming.driving import RECALLS, always, every
from tests.wire.streaming.provider import RECALL, Script, spelled, streamed, whole
from tests.wire.streaming.scripts import replies

every_api = pytest.mark.parametrize("api", ["messages", "chat", "responses"])
oddities: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from(["", "x", "\ud83d", RECALL, "error"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["index", "type", "delta", "id", "usage"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: Json) -> Iterator[tuple[dict[str, Json] | list[Json], str | int]]:
    """Yield every place in ``value`` where something else could stand."""
    match value:
        case dict():
            for name, part in value.items():
                yield value, name
                yield from places(part)
        case list():
            for index, part in enumerate(value):
                yield value, index
                yield from places(part)
        case _:
            return


@st.composite
def broken(draw: st.DrawFn, api: Api, scripts: tuple[Script, ...], stream: bool) -> bytes:
    """Draw a reply that is odd: wrong types, lost or doubled events, other line ends, cut off, bytes changed."""
    script = draw(st.sampled_from(scripts))
    if not stream:
        return _cut(draw, _odd(draw, whole(api, script)))
    events = streamed(api, script).split(b"\n\n")[:-1]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(events) - 1))
        head, mark, data = events[at].partition(b"data: ")
        match draw(st.sampled_from(["odd", "lost", "doubled", "moved"])):
            case "odd":
                events[at] = head + mark + _odd(draw, data)
            case "lost":
                events[at] = b""
            case "doubled":
                events[at] = events[at] + b"\n\n" + events[at]
            case _:
                events.append(events.pop(at))
    made = b"\n\n".join([*events, b""])
    return _cut(draw, made.replace(b"\n", draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))))


def _odd(draw: st.DrawFn, data: bytes) -> bytes:
    try:
        value: Json = json.loads(data)
    except ValueError:
        return data
    spots = list(places(value))
    if not spots:
        return data
    inside, name = draw(st.sampled_from(spots))
    match inside, name:
        case dict(), str():
            inside[name] = draw(oddities)
        case list(), int():
            inside[name] = draw(oddities)
        case _:
            raise AssertionError(name)
    return json.dumps(value).encode()


def _cut(draw: st.DrawFn, made: bytes) -> bytes:
    if draw(st.booleans()):
        return made
    at = draw(st.integers(0, len(made)))
    return made[:at] if draw(st.booleans()) else made[:at] + draw(st.binary(max_size=3)) + made[at:]


def played(relay: Relay, reply: bytes, size: int) -> bytes:
    """Feed the same reply in each round, and answer everything, until it ends."""
    told: list[bytes] = []
    while True:
        told += [relay.feed(chunk) for chunk in every(size)(reply)]
        told.append(relay.close())
        if (
            relay.stage == "asking"
            and relay.answer({call.id: Given("x") for call in relay.asked}) is not None
        ):
            continue
        if relay.stage == "finishing":
            assert all(isinstance(hidden.merged, str) for hidden in relay.hidden)
            told.append(relay.finish())
        assert relay.stage in {"ended", "broken"}
        return b"".join([*told, relay.feed(b"rest"), relay.close()])


@every_api
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@settings(max_examples=100)
@given(data=st.data(), scripts=replies(), size=st.integers(20, 900))
def test_no_reply_makes_a_relay_fall_over_and_what_holds_no_recall_passes(
    api: Api, stream: bool, data: st.DataObject, scripts: tuple[Script, ...], size: int
):
    reply = data.draw(broken(api, scripts, stream))
    relay = Relay(api, RECALLS, streamed=stream)
    told = played(relay, reply, size)
    if RECALL.encode() not in reply:
        assert told == reply + b"rest"
    follower = Follower(api, streamed=stream, keeps=True)
    for chunk in every(size)(reply):
        assert follower.feed(chunk) == b""
    follower.close()
    assert follower.whole() is None or follower.learned.ended
    assert follower.learned.usage.input_tokens >= 0


@every_api
@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_pass(api: Api, stream: bytes, size: int):
    relay = Relay(api, RECALLS, streamed=True)
    told = [relay.feed(chunk) for chunk in every(size)(stream)]
    assert b"".join([*told, relay.close()]) == stream


@every_api
@given(scripts=replies())
def test_a_call_that_was_suspected_for_nothing_passes_in_its_own_bytes(api: Api, scripts: tuple[Script, ...]):
    def never(name: str, arguments: str) -> bool:
        json.loads(arguments)
        return False

    relay = Relay(api, Screen(frozenset({RECALL, "Bash"}), never), streamed=True)
    reply = streamed(api, scripts[-1])
    assert b"".join([relay.feed(reply), relay.close()]) == reply
    assert relay.stage == "ended"


def test_nesting_that_no_reader_follows_passes():
    deep = b"data: " + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"\n\n"
    for api in ("messages", "chat", "responses"):
        relay = Relay(api, RECALLS, streamed=True)
        assert relay.feed(deep) + relay.close() == deep
        body = Relay(api, RECALLS, streamed=False)
        assert body.feed(deep[6:]) + body.close() == deep[6:]


def test_blank_lines_wait_where_what_is_in_front_of_them_waits():
    """Found by fuzzing: an empty event overtook a reasoning that was held."""
    begun = b'data: {"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning"}}\r\r'
    said = b'data: {"type":"response.output_item.added","output_index":1,"item":{"type":"message"}}\r\r'
    stream = begun + b"\r\r" + said + b"\r\r"
    relay = Relay("responses", RECALLS, streamed=True)
    assert relay.feed(stream) + relay.close() == stream


def test_half_a_character_in_a_later_round_is_given_on():
    """A stream of escaped JSON can cut a character in two, which no strict reader takes."""
    deltas = ["\\ud83d", "\\ude00"]
    start = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{}}}\n\n'
    end = b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}\n\n'
    end += b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    text = b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    for half in deltas:
        text += (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%b"}}\n\n'
            % half.encode()
        )
    text += b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    call: Json = {"type": "tool_use", "id": "r", "name": RECALL, "input": {}}
    begun: Json = {"type": "content_block_start", "index": 1, "content_block": call}
    recall = f"event: content_block_start\ndata: {spelled(begun)}\n\n".encode()
    recall += b'event: content_block_stop\ndata: {"type":"content_block_stop","index":1}\n\n'
    relay = Relay("messages", Screen(frozenset({RECALL}), always), streamed=True)
    told = relay.feed(start + text + recall + end)
    follow_up = relay.answer({"r": Given("x")})
    assert follow_up is not None
    assert "\U0001f600" in follow_up.elements[0].decode()
    told += relay.feed(start + text + end.replace(b"tool_use", b"end_turn")) + relay.finish()
    assert told.count(b"\\ud83d") == told.count(b"\\ude00") == 2
    assert b'"index":1' in told


def test_a_relay_that_writes_a_chunk_anew_is_caught(monkeypatch: pytest.MonkeyPatch):
    def anew(self: chat.ChatTongue, event: StreamedEvent) -> bytes:
        return b"data: " + json.dumps(event.event).encode() + b"\n\n" if event.event else event.piece

    monkeypatch.setattr(chat.ChatTongue, "passes", anew)
    reply = b'data: {"choices":[],"n":1.0e0}\n\n'
    relay = Relay("chat", RECALLS, streamed=True)
    assert relay.feed(reply) + relay.close() != reply
