"""What is learned of a reply while it passes is what stands in it, streamed or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api
from perdure.wire.reading import dict_at, dicts_at
from perdure.wire.streaming import follow
from perdure.wire.streaming.follow import Follower
from perdure.wire.streaming.shapes import parsed
from tests.wire.streaming.driving import every, shape
from tests.wire.streaming.provider import Ask, Script, Thought, Words, sse, streamed, whole
from tests.wire.streaming.scripts import replies

every_api = pytest.mark.parametrize("api", ["messages", "chat", "responses"])
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])


def followed(api: Api, script: Script, *, stream: bool, size: int = 1000) -> Follower:
    follower = Follower(api, streamed=stream, keeps=True)
    for chunk in every(size)((streamed if stream else whole)(api, script)):
        follower.feed(chunk)
    follower.close()
    return follower


@both_ways
@every_api
@given(scripts=replies(), size=st.integers(1, 300))
def test_it_is_what_the_provider_meant(api: Api, stream: bool, scripts: tuple[Script, ...], size: int):
    script = scripts[-1]
    learned = followed(api, script, stream=stream, size=size).learned
    number = script.number
    stops: dict[Api, tuple[str, str]] = {
        "messages": ("tool_use", "end_turn"),
        "chat": ("tool_calls", "stop"),
        "responses": ("completed", "completed"),
    }
    assert (learned.ended, learned.begun, learned.mishap) == (True, True, None)
    assert learned.stop == stops[api][0 if script.calls else 1]
    assert [(call.id, call.name) for call in learned.calls.values()] == [
        (call.id, call.name) for call in script.calls
    ]
    assert learned.id == {"messages": "msg_", "chat": "chatcmpl-", "responses": "resp_"}[api] + str(number)
    usage = learned.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (
        1110 * number,
        number,
        1000 * number,
    )
    if api != "chat":
        assert learned.thoughts == sum(isinstance(block, Thought) for block in script.blocks)


@every_api
@given(scripts=replies())
def test_a_stream_is_kept_as_the_body_that_it_would_have_been(api: Api, scripts: tuple[Script, ...]):
    made = followed(api, scripts[-1], stream=True).whole()
    assert made is not None
    assert told(api, shape(made)) == told(api, shape(whole(api, scripts[-1])))


def told(api: Api, body: dict[str, Json]) -> Json:
    """Return a body without what a stream does not tell."""
    if api != "chat":
        return body
    choice = dicts_at(body, "choices")[0]
    message = dict_at(choice, "message")
    return {**body, "choices": [{**choice, "message": {**message, "content": message.get("content") or ""}}]}


@both_ways
@every_api
def test_a_body_is_kept_in_its_own_bytes_and_a_cut_stream_not_at_all(api: Api, stream: bool):
    script = Script((Words("so"), Ask("b", "Bash", {})))
    if not stream:
        assert followed(api, script, stream=False).whole() == whole(api, script)
    follower = Follower(api, streamed=stream, keeps=True)
    reply = (streamed if stream else whole)(api, script)
    follower.feed(reply[: len(reply) // 2])
    follower.close()
    assert follower.whole() is None
    assert not follower.learned.ended


def test_arguments_keep_the_bytes_in_which_they_were_streamed():
    made = followed("messages", Script((Ask("b", "Bash", {"n": 1.50, "t": "\u00e9"}),)), stream=True).whole()
    assert made is not None
    assert '"input":{"n": 1.5, "t": "\u00e9"}'.encode() in made


@pytest.mark.parametrize(
    ("api", "event"),
    [
        (
            "messages",
            sse([("error", {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})]),
        ),
        ("chat", b'data: {"error":{"message":"busy","type":"server_error"}}\n\n'),
        ("responses", sse([("error", {"type": "error", "code": "server_error", "message": "busy"})])),
    ],
)
def test_an_error_in_a_stream_is_learned(api: Api, event: bytes):
    follower = Follower(api, streamed=True)
    follower.feed(event)
    follower.close()
    assert follower.learned.mishap is not None
    assert (follower.learned.mishap.text, follower.learned.mishap.passing) == ("busy", True)
    assert not follower.learned.ended


def test_an_error_in_a_body_is_learned():
    bodies: tuple[tuple[Api, bytes], ...] = (
        ("messages", b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}'),
        ("chat", b'{"error":{"message":"no","code":null}}'),
        ("responses", b'{"id":"r","status":"failed","error":{"code":"bad","message":"no"}}'),
    )
    for api, body in bodies:
        follower = Follower(api, streamed=False)
        follower.feed(body)
        follower.close()
        assert follower.learned.mishap is not None
        assert (follower.learned.mishap.text, follower.learned.mishap.passing) == ("no", False)


def test_what_only_goes_on_is_not_read(monkeypatch: pytest.MonkeyPatch):
    """A follower that reads every piece of text is slow; it may read the first, and what ends it."""
    for api in ("messages", "chat", "responses"):
        script = Script((Words("x" * 5000),))
        read: list[bytes] = []

        def counted(text: bytes, read: list[bytes] = read) -> dict[str, Json] | None:
            read.append(text)
            return parsed(text)

        with monkeypatch.context() as patch:
            patch.setattr(follow, "parsed", counted)
            followed(api, script, stream=True)
        assert len([text for text in read if b"xxxxx" in text and b"delta" in text[:60]]) <= (api == "chat")


@every_api
def test_usage_is_found_beside_a_finish(api: Api):
    """Some servers put the usage into the chunk that finishes."""
    if api == "chat":
        follower = Follower("chat", streamed=True)
        follower.feed(b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n')
        follower.feed(
            b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":7}}\n\n'
        )
        follower.close()
        assert follower.learned.usage.input_tokens == 7
        assert follower.learned.ended
    else:
        assert followed(api, Script((Words("so"),)), stream=True).learned.counted
