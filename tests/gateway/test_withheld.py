"""Recalls that go wrong on the way: nothing withheld ever reaches a client, and no client is left with nothing."""

import gzip
import json
import socket
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from perdure.log import events as e
from tests.gateway.raw import Got, RawUpstream, Seen, answer, ask, chunked
from tests.gateway.running import Running
from tests.gateway.talking import (
    MOVING,
    Chat,
    Json,
    asker,
    bodies,
    call,
    checked_runs,
    page_text,
    recalls,
    results_in,
    says,
    text,
)

RECALL = b"perdure_recall"
KEPT = (
    ("x-api-key", "sk-of-nobody"),
    ("authorization", "Bearer sk-of-nobody"),
    ("User-Agent", "Anthropic/Python 1"),
)
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
REFUSED = b'{"type":"error","error":{"type":"rate_limit_error","message":"not so fast"}}'


def message(blocks: list[Json]) -> Json:
    """Return a reply of the model."""
    calls = any(block["type"] == "tool_use" for block in blocks)
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": blocks,
        "stop_reason": "tool_use" if calls else "end_turn",
        "usage": {"input_tokens": 900, "output_tokens": 5, "cache_read_input_tokens": 0},
    }


def streamed(whole: Json) -> bytes:
    """Return a reply as its stream."""
    events: list[Json] = [{"type": "message_start", "message": {**whole, "content": []}}]
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            delta: Json = {"type": "text_delta", "text": block["text"]}
            begun: Json = {"type": "text", "text": ""}
        else:
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            begun = {**block, "input": {}}
        events += [
            {"type": "content_block_start", "index": index, "content_block": begun},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    ended = {"stop_reason": whole["stop_reason"]}
    events += [{"type": "message_delta", "delta": ended, "usage": whole["usage"]}, {"type": "message_stop"}]
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in events
    )


class Curious:
    """A model that asks for the first page as soon as somebody says so; what follows can be made to go wrong."""

    def __init__(self, packing: str = "") -> None:
        self.packing = packing
        self.given: list[str] = []
        self.then: Callable[[socket.socket, Seen], None] | None = None

    def __call__(self, connection: socket.socket, seen: Seen) -> None:
        request = json.loads(seen.body)
        last = request["messages"][-1]["content"]
        if isinstance(last, list) and last[-1].get("tool_use_id") == "toolu_900":
            self.given.append(last[-1]["content"])
            if self.then is not None:
                self.then(connection, seen)
                return
            blocks = [text("thanks")]
        elif last == "look":
            handle = seen.body.decode().partition("perdure_recall with page ")[2].split()[0]
            blocks = [text("let me see"), *recalls(900, page=handle)]
        else:
            blocks = [text("fine")]
        whole = message(blocks)
        body = streamed(whole) if request.get("stream") else json.dumps(whole).encode()
        kind = "text/event-stream" if request.get("stream") else "application/json"
        packed = (("Content-Encoding", self.packing),) if self.packing else ()
        body = PACKED[self.packing](body) if self.packing else body
        answer("200 OK", (("Content-Type", kind), *packed), body)(connection, seen)


@pytest.fixture
def curious() -> Curious:
    return Curious()


@pytest.fixture
def upstream(curious: Curious) -> Iterator[RawUpstream]:
    with RawUpstream(curious) as known:
        yield known


def looking(gateway: Running) -> Chat:
    """A conversation whose first page has left, and whose model will ask for it."""
    chat = Chat(asker(gateway.port))
    for number in range(8):
        chat.result(number, page_text(f"file-{number}"), path=f"/f/{number}")
        chat.send()
    chat.messages.append({"role": "user", "content": "look"})
    return chat


def sent(gateway: Running, body: bytes) -> Got:
    return ask(gateway.port, "POST", "/v1/messages", KEPT, body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("packing", sorted(PACKED))
def test_a_recall_in_a_packed_answer_never_reaches_the_client(
    upstream: RawUpstream, curious: Curious, tmp_path: Path, packing: str, *, stream: bool
):
    with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = looking(gateway)
        curious.packing = packing
        got = sent(gateway, chat.body(stream=stream))
        assert gateway.end() == 0
    assert upstream.seen[-1].header("accept-encoding") == "identity"
    assert got.header("content-encoding") == ""
    assert RECALL not in got.body
    assert b"let me see" in got.body
    assert b"thanks" in got.body
    assert curious.given == [page_text("file-0")]
    checked_runs(tmp_path / "s")


@pytest.mark.parametrize("status", ["400 Bad Request", "429 Too Many Requests", "529 Overloaded"])
def test_a_reply_that_the_provider_refuses_to_go_on_with_is_answered_as_the_provider_did(
    upstream: RawUpstream, curious: Curious, tmp_path: Path, status: str
):
    with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = looking(gateway)
        curious.then = answer(status, (("Content-Type", "application/json"), ("retry-after", "7")), REFUSED)
        whole = sent(gateway, chat.body())
        stream = sent(gateway, chat.body(stream=True))
        curious.then = None
        assert json.loads(sent(gateway, chat.body()).body)["content"] == [text("let me see"), text("thanks")]
        gateway.end()
    assert (whole.status, whole.body) == (int(status[:3]), REFUSED)
    assert whole.header("retry-after") == "7"
    assert stream.status == 200
    assert b"event: error\n" in stream.body
    assert b"not so fast" in stream.body
    assert RECALL not in stream.body
    (events,) = checked_runs(tmp_path / "s").values()
    assert bodies(events, e.RequestAnswered)[-1].calls == 2


def test_a_reply_that_breaks_off_behind_a_recall_breaks_off_at_the_client_and_is_asked_for_again_in_the_same_bytes(
    upstream: RawUpstream, curious: Curious, tmp_path: Path
):
    half = streamed(message([text("thanks")]))[:200]
    with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = looking(gateway)
        curious.then = chunked((("Content-Type", "text/event-stream"),), [half], ends=False)
        before = len(upstream.seen)
        broken = sent(gateway, chat.body(stream=True))
        curious.then = None
        again = sent(gateway, chat.body(stream=True))
        gateway.end()
    assert not broken.whole
    assert again.whole
    assert RECALL not in broken.body + again.body
    first, _, retried, _ = upstream.seen[before:]
    assert retried.body == first.body


def test_a_client_with_a_tool_of_our_name_keeps_it_to_itself(tmp_path: Path):
    said = [text("mine"), *recalls(77, page="x")]
    own = {"name": "perdure_recall", "input_schema": {"type": "object"}}
    with (
        RawUpstream(says(lambda _: said)) as upstream,
        Running(tmp_path / "s", upstream.url, *MOVING) as gateway,
    ):
        first = Chat(asker(gateway.port))
        first.tools.append(own)
        whole = first.body()
        assert first.send() == said
        upstream.serve = says(lambda _: [text("fine")])
        later = Chat(asker(gateway.port), "another")
        later.send()
        upstream.serve = says(lambda _: said)
        later.tools.append(own)
        later.messages.append({"role": "user", "content": "now"})
        body = later.body()
        assert later.send() == said
        gateway.end()
    assert upstream.seen[0].body == whole
    assert upstream.seen[-1].body == body
    assert len(upstream.seen) == 3
    checked_runs(tmp_path / "s")


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/chat/completions", {"n": 2, "messages": [{"role": "user", "content": "go"}]}),
        ("/v1/responses", {"background": True, "input": "go"}),
    ],
)
def test_replies_that_are_several_or_come_later_are_left_alone(tmp_path: Path, path: str, more: Json):
    function = {"name": "a", "parameters": {"type": "object"}}
    tool = {"type": "function", "function": function} if "chat" in path else {"type": "function", **function}
    body = json.dumps({"model": "gpt-5.5", "tools": [tool], **more}).encode()
    served = answer("200 OK", (("Content-Type", "application/json"),), b"{}")
    with RawUpstream(served) as upstream, Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        assert (
            ask(gateway.port, "POST", path, (*KEPT[:2], ("User-Agent", "openai/python 1")), body).status
            == 200
        )
        gateway.end()
    assert upstream.seen[0].body == body


def test_where_the_model_must_call_a_tool_it_sees_all_of_it(tmp_path: Path):
    fields = {
        f"field_{number}": {"type": "string", "description": "what it is for " * 4} for number in range(20)
    }
    schema = {"type": "object", "properties": fields, "required": ["field_1"]}
    served = says(lambda _: [text("fine")])
    with RawUpstream(served) as upstream, Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = Chat(asker(gateway.port))
        chat.tools.append({"name": "Never", "description": "Does a thing.\nAnd how.", "input_schema": schema})
        for number in range(22):
            chat.result(number, f"short {number}")
            chat.send()
        assert schema not in [each["input_schema"] for each in json.loads(upstream.seen[-1].body)["tools"]]
        chat.messages.append({"role": "user", "content": "use it"})
        body = chat.body(tool_choice={"type": "tool", "name": "Never"})
        assert sent(gateway, body).status == 200
        assert upstream.seen[-1].body == body
        gateway.end()
    checked_runs(tmp_path / "s")


def test_the_harness_sees_a_recall_that_gets_through():
    reply = streamed(message([text("a"), call("perdure_recall", 1)]))
    assert RECALL in reply
    assert results_in(json.dumps({"messages": []}).encode()) == []
