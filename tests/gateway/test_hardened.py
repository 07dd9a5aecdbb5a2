"""What strange clients, full disks and other people's pages can't do."""

import json
import select
import socket
import sqlite3
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.log import events as e
from tests.gateway.raw import RawUpstream, answer, ask, got
from tests.gateway.running import Running
from tests.gateway.talking import (
    MOVING,
    Chat,
    Json,
    asker,
    bodies,
    checked_runs,
    page_text,
    recalls,
    results_in,
    says,
    text,
)

FINE = answer("200 OK", (("Content-Type", "application/json"),), b"{}")
STUB = "left the window"
WAITS = 60


@pytest.fixture
def upstream() -> Iterator[RawUpstream]:
    with RawUpstream(FINE) as known:
        yield known


def spoken(port: int, head: bytes, body: bytes = b"") -> int:
    """Return the status of what is answered to these very bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(head + body)
        return got(line).status


@pytest.mark.parametrize("target", [b"CONNECT elsewhere.example:443", b"OPTIONS *"])
def test_what_asks_for_no_path_goes_nowhere(upstream: RawUpstream, tmp_path: Path, target: bytes):
    with Running(tmp_path / "s", upstream.url) as gateway:
        assert spoken(gateway.port, target + b" HTTP/1.1\r\nHost: a\r\nx-api-key: k\r\n\r\n") == 400
        gateway.end()
    assert upstream.seen == []


def test_who_takes_the_gateway_for_a_proxy_still_asks_the_upstream_of_the_settings(
    upstream: RawUpstream, tmp_path: Path
):
    with Running(tmp_path / "s", upstream.url) as gateway:
        head = b"GET http://elsewhere.example:80/v1/models?a=1 HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"
        assert spoken(gateway.port, head) == 200
        gateway.end()
    (seen,) = upstream.seen
    assert seen.line == "GET /v1/models?a=1 HTTP/1.1"
    assert seen.header("host") == f"127.0.0.1:{upstream.port}"


def test_a_token_that_is_no_text_is_a_wrong_token(upstream: RawUpstream, tmp_path: Path):
    with Running(tmp_path / "s", upstream.url, "--token", "word") as gateway:
        head = b"GET /v1/models HTTP/1.1\r\nHost: a\r\nx-perdure-token: \xff\xfe\r\n\r\n"
        assert spoken(gateway.port, head) == 401
        gateway.end()
    assert upstream.seen == []


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://elsewhere.example", 403), ("null", 403), ("http://[", 403), ("http://localhost:3000", 200)],
)
def test_a_page_from_elsewhere_hears_nothing_of_the_conversations(
    upstream: RawUpstream, tmp_path: Path, origin: str, status: int
):
    with Running(tmp_path / "s", upstream.url) as gateway:
        assert ask(gateway.port, "GET", "/perdure/status", (("Origin", origin),), b"").status == status
        gateway.end()


def test_a_header_that_comes_twice_goes_on_twice_however_it_is_spelled(upstream: RawUpstream, tmp_path: Path):
    with Running(tmp_path / "s", upstream.url) as gateway:
        head = b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX-Beta: one\r\nx-beta: two\r\nX-Title: caf\xe9\r\n\r\n"
        assert spoken(gateway.port, head) == 200
        gateway.end()
    (seen,) = upstream.seen
    assert [value for name, value in seen.headers if name.lower() == "x-beta"] == ["one", "two"]
    assert seen.header("x-title").encode("latin-1").decode() == "café"


@pytest.mark.parametrize(
    "header",
    [
        b"User-Agent: " + b"a" * 50_000,
        b"User-Agent: claude-cli/" + b"9" * 5_000,
        b"User-Agent: \xff\xfe",
        b"session_id: \xff\xfe" + b"s" * 50_000,
        b"Authorization: Bearer \xff\xfe",
    ],
)
def test_a_client_that_names_itself_strangely_is_served(upstream: RawUpstream, tmp_path: Path, header: bytes):
    body = Chat(asker(0)).body()
    head = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n\r\n" % (len(body), header)
    with Running(tmp_path / "s", upstream.url) as gateway:
        assert spoken(gateway.port, head, body) == 200
        gateway.process.terminate()
        _, complaint = gateway.process.communicate(timeout=WAITS)
    assert len(complaint) < 1_000
    assert len(checked_runs(tmp_path / "s")) == 1


def test_no_key_is_said_on_standard_error_whatever_is_wrong_with_a_request(
    upstream: RawUpstream, tmp_path: Path
):
    with Running(tmp_path / "s", upstream.url) as gateway:
        for broken in (
            b"x-api-key: sk-secret\x01",
            b"x-api-key : sk-secret",
            b"x-api-key: sk-secret" + b"a" * 70_000,
        ):
            head = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % broken
            assert spoken(gateway.port, head) == 400
        gateway.process.terminate()
        _, complaint = gateway.process.communicate(timeout=WAITS)
    assert b"sk-secret" not in complaint
    assert b"a request could not be served" in complaint


def test_an_upstream_with_a_password_in_its_address_is_refused_without_saying_it(tmp_path: Path):
    with pytest.raises(AssertionError, match="name or password") as refused:
        Running(tmp_path / "s", "http://me:hunter2@127.0.0.1:9")
    assert "hunter2" not in str(refused.value)


def test_an_answer_is_asked_for_in_no_packing_that_cannot_be_read(upstream: RawUpstream, tmp_path: Path):
    asks = (("User-Agent", "some-agent/1"), ("Accept-Encoding", "gzip, deflate, br;q=0.9, zstd"))
    with Running(tmp_path / "s", upstream.url) as gateway:
        ask(gateway.port, "POST", "/v1/messages", asks, Chat(asker(0)).body())
        ask(gateway.port, "GET", "/v1/models", asks, b"")
        gateway.end()
    question, other = upstream.seen
    assert question.header("accept-encoding") == "gzip, deflate, zstd"
    assert other.header("accept-encoding") == asks[1][1]


@pytest.mark.parametrize("where", ["message", "block"])
def test_a_client_that_ends_each_request_with_what_is_true_for_it_alone_has_one_conversation(
    tmp_path: Path, where: str
):
    served = says(lambda _: [text("fine")])
    with RawUpstream(served) as upstream, Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = Chat(asker(gateway.port))
        for number in range(12):
            chat.result(number, page_text(f"file-{number}"), path=f"/f/{number}")
            request = json.loads(chat.body())
            note: Json = {"type": "text", "text": f"It is {number} o'clock."}
            if where == "message":
                request["messages"].append({"role": "user", "content": [note]})
            else:
                request["messages"][-1]["content"].append(note)
            status, reply = chat.ask("/messages", json.dumps(request).encode())
            assert status == 200
            chat.messages.append({"role": "assistant", "content": reply["content"]})
        gateway.end()
    assert STUB in results_in(upstream.seen[-1].body)[0]
    (events,) = checked_runs(tmp_path / "s").values()
    forwarded = bodies(events, e.RequestForwarded)
    assert len(forwarded) == 12
    assert {each.broken for each in forwarded} == {""}
    assert all(len(each.messages) <= 5 for each in forwarded)


def asks_once(given: list[str]):
    """A model that wants the first page back when it is told to look."""

    def model(request: Json) -> list[Json]:
        last = request["messages"][-1]["content"]
        if isinstance(last, list) and last[-1].get("tool_use_id") == "toolu_900":
            given.append(last[-1]["content"])
            return [text("thanks")]
        if last == "look":
            return recalls(900, page=json.dumps(request).partition("perdure_recall with page ")[2].split()[0])
        return [text("fine")]

    return model


def test_a_store_that_another_process_holds_stops_no_agent(tmp_path: Path):
    given: list[str] = []
    with (
        RawUpstream(says(asks_once(given))) as upstream,
        Running(tmp_path / "s", upstream.url, *MOVING) as gateway,
    ):
        chat = Chat(asker(gateway.port))
        for number in range(8):
            chat.result(number, page_text(f"file-{number}"), path=f"/f/{number}")
            chat.send()
        before = results_in(upstream.seen[-1].body)
        holder = sqlite3.connect(tmp_path / "s" / "log.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        chat.result(8, page_text("file-8"), path="/f/8")
        chat.send()
        during = results_in(upstream.seen[-1].body)
        Chat(asker(gateway.port), "another").send()
        chat.messages.append({"role": "user", "content": "look"})
        chat.send()
        assert time.monotonic() - began < WAITS / 2
        holder.execute("ROLLBACK")
        holder.close()
        chat.messages.append({"role": "user", "content": "on"})
        chat.send()
        after = results_in(upstream.seen[-1].body)
        assert gateway.end() == 0
    assert STUB in before[0]
    assert [now for now, was in zip(during, before, strict=False) if STUB in was] == [
        was for was in before if STUB in was
    ]
    assert [now for now, was in zip(after, during, strict=False) if STUB in was] == [
        was for was in during if STUB in was
    ]
    assert given == [page_text("file-0")]
    checked_runs(tmp_path / "s")


def test_a_client_that_goes_while_its_conversation_is_taken_up_finds_it_there(tmp_path: Path):
    with RawUpstream(says(lambda _: [text("fine")])) as upstream:
        with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
            chats = [Chat(asker(gateway.port), f"conversation {number}") for number in range(6)]
            for chat in chats:
                for number in range(12):
                    chat.result(number, page_text(f"file-{number}"), path=f"/f/{number}")
                    chat.send()
            assert gateway.end() == 0
        with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
            for place, chat in enumerate(chats):
                chat.ask = asker(gateway.port)
                chat.messages.append({"role": "user", "content": "on"})
                left(gateway.port, chat.body(), place * 0.002)
                chat.send()
                assert STUB in results_in(upstream.seen[-1].body)[0]
            assert gateway.end() == 0
    assert len(checked_runs(tmp_path / "s")) == len(chats)


def left(port: int, body: bytes, seconds: float) -> None:
    """A client asks, and goes away so much later, whatever the gateway has come to by then."""
    own = b"User-Agent: Anthropic/Python 1.0\r\nx-api-key: sk-of-nobody\r\nauthorization: Bearer sk-of-nobody"
    head = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\n%b\r\nContent-Length: %d\r\n\r\n" % (own, len(body))
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.sendall(head + body)
        select.select([line], [], [], seconds)


def test_a_client_that_clears_old_results_in_place_goes_on_with_what_has_left_out_of_the_window(
    tmp_path: Path,
):
    served = says(lambda _: [text("fine")])
    with RawUpstream(served) as upstream, Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = Chat(asker(gateway.port))
        for number in range(14):
            chat.result(number, page_text(f"file-{number}"), path=f"/f/{number}")
            chat.send()
        before = results_in(upstream.seen[-1].body)
        chat.messages[2]["content"][0]["content"] = "[old result cleared]"
        chat.messages.append({"role": "user", "content": "on"})
        chat.send()
        after = results_in(upstream.seen[-1].body)
        chat.messages = [*chat.messages[:8], {"role": "user", "content": "otherwise"}]
        chat.send()
        gateway.end()
    assert after[0] == "[old result cleared]"
    assert [now for now, was in zip(after[1:], before[1:], strict=True) if STUB in was] == [
        was for was in before[1:] if STUB in was
    ]
    kept, parted = checked_runs(tmp_path / "s").values()
    forwarded = bodies(kept, e.RequestForwarded)
    assert [each.broken for each in forwarded] == [""] * 14 + ["client"]
    assert forwarded[-1].again == ()
    assert len(bodies(parted, e.RequestForwarded)) < len(forwarded)
