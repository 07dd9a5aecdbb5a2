"""What passes a gateway that observes is what came, in both directions."""

import contextlib
import gzip
import hashlib
import json
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.raw import Got, RawUpstream, Seen, answer, ask, chunked, received
from tests.gateway.running import Running

HOP = {"connection", "transfer-encoding", "keep-alive"}
PLAIN = answer("200 OK", (("Content-Type", "application/json"), ("Date", "d"), ("Server", "s")), b"{}")


@pytest.fixture(scope="module")
def upstream() -> Iterator[RawUpstream]:
    with RawUpstream(PLAIN) as known:
        yield known


@pytest.fixture(scope="module")
def gateway(upstream: RawUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    store = tmp_path_factory.mktemp("gateway") / "store"
    with Running(store, upstream.url, "--mode", "observe") as running:
        yield running


def through(
    gateway: Running,
    upstream: RawUpstream,
    path: str,
    body: bytes,
    *headers: tuple[str, str],
    method: str = "POST",
) -> tuple[Seen, Got]:
    upstream.seen.clear()
    given = ask(gateway.port, method, path, headers, body)
    (seen,) = upstream.seen
    return seen, given


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "tool_use", "tool_result", "thinking", "image", 7, None])},
    optional={
        "text": json_values,
        "tool_use_id": json_values,
        "id": st.text(max_size=6) | json_values,
        "name": json_values,
        "input": json_values,
        "content": json_values | st.lists(json_values, max_size=3),
        "cache_control": json_values,
    },
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool", 3])},
    optional={
        "content": st.text() | st.lists(blocks, max_size=4) | json_values,
        "tool_calls": json_values | st.lists(blocks, max_size=2),
        "tool_call_id": json_values,
        "type": st.text(max_size=8),
    },
)
requests = st.fixed_dictionaries(
    {
        "messages": st.lists(messages, max_size=5) | json_values,
        "input": st.lists(messages, max_size=5) | json_values,
    },
    optional={"model": json_values, "tools": json_values, "system": json_values, "stream": json_values},
)


def spelled(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


bodies = st.one_of(
    requests.map(spelled),
    json_values.map(spelled),
    st.tuples(requests.map(spelled), st.integers(0, 400)).map(lambda pair: pair[0][: pair[1]]),
    st.binary(max_size=300),
    st.integers(1, 40_000).map(lambda depth: b'{"messages":' + b"[" * depth),
    st.integers(1, 3_000).map(
        lambda depth: b'{"messages":[' + b'{"a":' * depth + b"1" + b"}" * depth + b"]}"
    ),
    st.sampled_from(
        [b"", b"null", b"[]", b'{"messages":[]}', b'{"messages":[{"role":"user","content":"\\ud800"}]}']
    ),
)
paths = st.sampled_from(
    (
        "/v1/messages",
        "/v1/messages?beta=true",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages/count_tokens",
        "/chat/completions",
        "/v1/responses/compact",
        "/v1/models?limit=3",
        "/v1/files",
    )
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=paths, body=bodies, back=st.binary(max_size=200))
def test_whatever_is_sent_arrives_and_whatever_is_answered_comes_back(
    gateway: Running, upstream: RawUpstream, path: str, body: bytes, back: bytes
):
    headers = (
        ("content-type", "application/json"),
        ("User-Agent", "curl/8"),
        ("x-Api-key", "k"),
        ("b", "1"),
        ("b", "2"),
    )
    upstream.serve = answer(
        "200 OK", (("X-One", "1"), ("Content-Type", "text/event-stream"), ("set-cookie", "a")), back
    )
    seen, given = through(gateway, upstream, path, body, *headers)
    assert seen.line == f"POST {path} HTTP/1.1"
    assert seen.body == body
    assert given.body == back
    assert given.whole
    assert [pair for pair in seen.headers if pair[0].lower() not in {"host", "content-length"}] == list(
        headers
    )
    assert [pair for pair in given.headers if pair[0].lower() not in HOP] == [
        ("X-One", "1"),
        ("Content-Type", "text/event-stream"),
        ("set-cookie", "a"),
        ("Content-Length", str(len(back))),
    ]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT"])
def test_other_methods_and_paths_pass_with_their_query(gateway: Running, upstream: RawUpstream, method: str):
    upstream.serve = PLAIN
    path = "/v1/files/f_1?after=%2Fa%20b&limit=1"
    seen, given = through(gateway, upstream, path, b"", ("Accept-Encoding", "br, gzip"), method=method)
    assert seen.line == f"{method} {path} HTTP/1.1"
    assert seen.header("accept-encoding") == "br, gzip"
    assert given.status == 200
    assert given.body == (b"" if method == "HEAD" else b"{}")


def test_a_compressed_answer_stays_compressed(gateway: Running, upstream: RawUpstream):
    packed = gzip.compress(b'{"type":"message","usage":{"input_tokens":3,"output_tokens":1},"content":[]}')
    upstream.serve = answer(
        "200 OK", (("Content-Type", "application/json"), ("Content-Encoding", "gzip")), packed
    )
    body = b'{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"packed"}]}'
    seen, given = through(gateway, upstream, "/v1/messages", body, ("accept-encoding", "gzip"))
    assert seen.header("accept-encoding") == "gzip"
    assert given.body == packed
    assert given.header("content-encoding") == "gzip"


@pytest.mark.parametrize("status", ["429 Too Many Requests", "529 Overloaded", "401 Unauthorized"])
def test_a_refusal_of_the_provider_passes_with_its_headers(
    gateway: Running, upstream: RawUpstream, status: str
):
    said = b'{"type":"error","error":{"type":"rate_limit_error","message":"later"}}'
    upstream.serve = answer(status, (("retry-after", "7"), ("request-id", "r")), said)
    _, given = through(
        gateway, upstream, "/v1/messages", b'{"model":"m","messages":[{"role":"user","content":"a"}]}'
    )
    assert given.status == int(status[:3])
    assert given.body == said
    assert given.header("retry-after") == "7"


def test_an_answer_that_breaks_off_upstream_breaks_off_at_the_client(gateway: Running, upstream: RawUpstream):
    pieces = [b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n', b"event: content_bl"]
    upstream.serve = chunked((("Content-Type", "text/event-stream"),), pieces, ends=False)
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"broken"}]}'
    _, given = through(gateway, upstream, "/v1/messages", body)
    assert given.body == b"".join(pieces)
    assert not given.whole


def test_a_truncated_stream_that_ends_in_order_is_given_as_it_came(gateway: Running, upstream: RawUpstream):
    pieces = [b'data: {"type":"message_start","message":{"usage":{"input', b'_tokens":1}}}\n\ndata: [DO']
    upstream.serve = chunked((("Content-Type", "text/event-stream"),), pieces)
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"cut"}]}'
    _, given = through(gateway, upstream, "/v1/chat/completions", body)
    assert given.body == b"".join(pieces)
    assert given.whole


def test_a_client_that_goes_away_takes_its_request_with_it(gateway: Running, upstream: RawUpstream):
    left = threading.Event()

    def serve(connection: socket.socket, seen: Seen) -> None:
        del seen
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        connection.sendall(b"6\r\n: one\n\r\n")
        with contextlib.suppress(OSError):
            if connection.recv(1) == b"":
                left.set()

    upstream.serve = serve
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"gone"}]}'
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as client:
        client.sendall(
            b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        assert b"200 OK" in client.recv(4096)
    assert left.wait(30)


def test_a_slow_reader_slows_its_upstream_down(gateway: Running, upstream: RawUpstream):
    total, piece = 256 << 20, b"x" * 65536
    stopped = threading.Event()
    sent = [0]

    def serve(connection: socket.socket, seen: Seen) -> None:
        del seen
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % total
        )
        connection.setblocking(False)
        while sent[0] < total:
            _, ready, _ = select.select([], [connection], [], 2)
            if not ready:
                stopped.set()
                return
            sent[0] += connection.send(piece)

    upstream.serve = serve
    before = gateway.memory
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as client:
        client.sendall(b"GET /v1/files/big HTTP/1.1\r\nHost: a\r\n\r\n")
        assert stopped.wait(30)
        assert sent[0] < 32 << 20
        assert gateway.memory - before < 32 << 20


def test_a_request_of_100_megabytes_passes_in_bounded_memory(gateway: Running, upstream: RawUpstream):
    piece = b'{"role":"user","content":"' + b"y" * 999_974 + b'"},'
    total = 100 * len(piece)
    upstream.serve = PLAIN
    upstream.seen.clear()
    before, most = gateway.memory, 0
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as client:
        client.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % total)
        for _ in range(100):
            client.sendall(piece)
            most = max(most, gateway.memory - before)
        assert b"200 OK" in client.recv(4096)
    (seen,) = upstream.seen
    assert hashlib.sha256(seen.body).digest() == hashlib.sha256(piece * 100).digest()
    assert most < 40 << 20


def test_a_websocket_is_refused_so_that_its_client_asks_over_http(gateway: Running, upstream: RawUpstream):
    upstream.seen.clear()
    headers = (("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
    given = ask(gateway.port, "GET", "/v1/responses", headers, b"")
    assert given.status == 426
    assert upstream.seen == []


def test_headers_of_one_hop_stay_behind(gateway: Running, upstream: RawUpstream):
    upstream.serve = answer("200 OK", (("Keep-Alive", "timeout=5"), ("X-Kept", "1")), b"")
    headers = (("Connection", "keep-alive, X-Mine"), ("X-Mine", "1"), ("TE", "trailers"), ("X-Yours", "2"))
    seen, given = through(gateway, upstream, "/v1/models", b"", *headers, method="GET")
    assert seen.header("x-mine") == seen.header("te") == ""
    assert seen.header("x-yours") == "2"
    assert given.header("keep-alive") == ""
    assert given.header("x-kept") == "1"


def test_a_client_that_asks_first_is_told_to_go_on(gateway: Running, upstream: RawUpstream):
    upstream.serve = PLAIN
    upstream.seen.clear()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as client:
        client.sendall(
            b"POST /v1/files HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert b"200 OK" in client.recv(4096)
    assert upstream.seen[0].body == b"abc"


def test_an_upstream_that_is_not_there_is_told_of_in_the_apis_words(tmp_path: Path):
    with Running(tmp_path / "store", "http://127.0.0.1:9") as running:
        body = b'{"model":"m","messages":[{"role":"user","content":"a"}]}'
        given = ask(running.port, "POST", "/v1/messages", (), body)
        assert given.status == 502
        assert json.loads(given.body)["error"]["type"] == "upstream_unreachable"
        assert running.end() == 0


def test_with_a_token_nobody_passes_who_does_not_show_it(tmp_path: Path):
    with (
        RawUpstream(PLAIN) as upstream,
        Running(tmp_path / "store", upstream.url, "--token", "word") as running,
    ):
        refused = ask(running.port, "POST", "/v1/messages", (("x-perdure-token", "wrong"),), b"{}")
        assert refused.status == 401
        assert ask(running.port, "GET", "/perdure/status", (), b"").status == 401
        assert upstream.seen == []
        shown = ask(running.port, "GET", "/v1/models", (("x-perdure-token", "word"),), b"")
        in_path = ask(running.port, "GET", "/-/word/v1/models?a=1", (), b"")
        assert shown.status == in_path.status == 200
        assert [seen.line for seen in upstream.seen] == [
            "GET /v1/models HTTP/1.1",
            "GET /v1/models?a=1 HTTP/1.1",
        ]
        assert all("word" not in value for seen in upstream.seen for _, value in seen.headers)


def test_other_machines_are_let_in_with_a_token_only(tmp_path: Path):
    with pytest.raises(AssertionError, match="P515"):
        Running(tmp_path / "store", "http://127.0.0.1:9", "--host", "0.0.0.0")


def test_a_port_that_is_taken_is_said_so(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AssertionError, match="P516"):
        Running(tmp_path / "store", "http://127.0.0.1:9", "--port", str(taken.getsockname()[1]))


def test_the_harness_notices_a_byte_that_is_lost():
    one, other = socket.socketpair()
    with one, other:
        other.sendall(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd")
        seen = received(one)
    assert seen is not None
    assert seen.body != b"abc"


@pytest.mark.parametrize("field", ['"previous_response_id":"resp_1"', '"conversation":"conv_1"'])
def test_what_goes_on_from_what_the_provider_holds_passes_untouched(tmp_path: Path, field: str):
    reply = b'{"id":"resp_2","object":"response","status":"completed","output":[],"usage":{"input_tokens":1}}'
    served = answer("200 OK", (("Content-Type", "application/json"),), reply)
    with RawUpstream(served) as upstream, Running(tmp_path / "s", upstream.url) as running:
        body = (
            f'{{"model":"gpt-5.5",{field},"tools":[{{"type":"function","name":"a"}}],"input":"on"}}'.encode()
        )
        given = ask(running.port, "POST", "/v1/responses", (("User-Agent", "openai/python 1"),), body)
        assert given.body == reply
        assert upstream.seen[0].body == body
        status = json.loads(ask(running.port, "GET", "/perdure/status", (), b"").body)
        assert status["counts"]["plain"] == 1
        assert status["conversations"] == []
