"""Which conversation a request belongs to, and that what was moved in it stays moved."""

import json
import socket
from pathlib import Path

from perdure.log import events as e
from tests.gateway.raw import RawUpstream, Seen, ask
from tests.gateway.running import Running, told
from tests.gateway.talking import (
    MOVING,
    STUB,
    Chat,
    Json,
    asker,
    bodies,
    checked_runs,
    fine,
    grown,
    page_text,
    recalls,
    results_in,
    runs_of,
    says,
    text,
)


def test_requests_that_extend_each_other_are_one_run(upstream: RawUpstream, tmp_path: Path):
    with Running(tmp_path / "s", upstream.url) as gateway:
        grown(Chat(asker(gateway.port)), 3)
        assert gateway.end() == 0
    ((run, events),) = checked_runs(tmp_path / "s").items()
    forwarded = bodies(events, e.RequestForwarded)
    assert run.startswith("gw-anthropic.")
    assert [(each.number, each.kept, len(each.messages)) for each in forwarded] == [
        (1, 0, 3),
        (2, 3, 3),
        (3, 6, 3),
    ]
    assert len(bodies(events, e.PageAdmitted)) == 3
    assert len(bodies(events, e.RequestAnswered)) == 3


def test_a_request_that_is_sent_again_is_a_retry_of_the_same_run(upstream: RawUpstream, tmp_path: Path):
    with Running(tmp_path / "s", upstream.url) as gateway:
        chat = Chat(asker(gateway.port))
        body = chat.body()
        assert chat.ask("/messages", body)[0] == chat.ask("/messages", body)[0] == 200
        gateway.end()
    (events,) = checked_runs(tmp_path / "s").values()
    assert [(each.kept, each.messages != ()) for each in bodies(events, e.RequestForwarded)] == [
        (0, True),
        (1, False),
    ]


def test_a_moved_mark_and_another_shape_of_a_text_make_no_other_conversation(
    upstream: RawUpstream, tmp_path: Path
):
    with Running(tmp_path / "s", upstream.url) as gateway:
        chat = Chat(asker(gateway.port), "go")
        marked = {"type": "text", "text": "go", "cache_control": {"type": "ephemeral"}}
        chat.messages[0]["content"] = [marked]
        chat.send()
        chat.messages[0]["content"] = "go"
        chat.messages.append({"role": "user", "content": "on"})
        chat.send()
        gateway.end()
    (events,) = checked_runs(tmp_path / "s").values()
    assert [each.kept for each in bodies(events, e.RequestForwarded)] == [0, 1]


def test_a_conversation_that_parts_from_another_keeps_what_was_moved_before(
    upstream: RawUpstream, tmp_path: Path
):
    with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = Chat(asker(gateway.port))
        grown(chat, 8)
        shared = results_in(upstream.seen[6].body)
        other = Chat(asker(gateway.port))
        turned = {"role": "assistant", "content": "otherwise"}, {"role": "user", "content": "another way"}
        other.messages = [*chat.messages[:21], *turned]
        other.send()
        parted = results_in(upstream.seen[-1].body)
        before = results_in(upstream.seen[7].body)
        chat.messages.append({"role": "user", "content": "and on"})
        chat.send()
        after = results_in(upstream.seen[-1].body)
        gateway.end()
    moved = [place for place, result in enumerate(shared) if STUB in result]
    assert moved
    assert [parted[place] for place in moved] == [shared[place] for place in moved]
    assert [now for now, was in zip(after, before, strict=True) if STUB in was] == [
        was for was in before if STUB in was
    ]
    runs = checked_runs(tmp_path / "s")
    assert len(runs) == 2
    first, fork = runs.values()
    (begun,) = bodies(fork, e.RunForked)
    assert begun.parent == next(iter(runs))
    assert begun.at < len(first)


def test_side_calls_and_sub_agents_are_runs_of_their_own(upstream: RawUpstream, tmp_path: Path):
    with Running(tmp_path / "s", upstream.url) as gateway:
        ask_it = asker(gateway.port, session_id="one")
        main, side = Chat(ask_it, "the task"), Chat(ask_it, "a title for it")
        side.tools = []
        main.send()
        side.send(system="You name things.")
        main.messages.append({"role": "user", "content": "on"})
        main.send()
        gateway.end()
    runs = checked_runs(tmp_path / "s")
    assert [len(bodies(events, e.RequestForwarded)) for events in runs.values()] == [2, 1]
    assert len({run.split(".")[1] for run in runs}) == 1
    opened = [bodies(events, e.ConversationOpened)[0] for events in runs.values()]
    assert [each.recall for each in opened] == [True, False]
    assert {each.session for each in opened} == {"one"}


def test_two_credentials_with_the_same_words_see_nothing_of_each_other(upstream: RawUpstream, tmp_path: Path):
    with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        mine = Chat(asker(gateway.port, x_api_key="sk-mine-0123456789", session_id="same"))
        grown(mine, 8)
        handle = results_in(upstream.seen[-1].body)[0].partition("page ")[2].split()[0]
        asked: list[str] = []

        def curious(request: Json) -> list[Json]:
            last = request["messages"][-1]["content"]
            if (
                isinstance(last, list)
                and last[0]["type"] == "tool_result"
                and last[0]["tool_use_id"] == "toolu_77"
            ):
                asked.append(last[0]["content"])
                return [text("so")]
            return recalls(77, page=handle)

        upstream.serve = says(curious)
        Chat(asker(gateway.port, x_api_key="sk-theirs-987654321", session_id="same"), "hello").send()
        Chat(asker(gateway.port, x_api_key="sk-mine-0123456789", session_id="same"), "hello").send()
        gateway.end()
    theirs, own = asked
    assert f"No page of this conversation has the handle {handle}" in theirs
    assert own == page_text("file-1")
    runs = checked_runs(tmp_path / "s")
    assert len({bodies(events, e.ConversationOpened)[0].credential for events in runs.values()}) == 2


def test_a_key_is_never_in_the_store(upstream: RawUpstream, tmp_path: Path):
    key = "sk-ant-very-secret-0123456789"
    with Running(tmp_path / "s", upstream.url) as gateway:
        Chat(asker(gateway.port, x_api_key=key, authorization=f"Bearer {key}")).send()
        gateway.end()
    assert all(
        key.encode() not in file.read_bytes() for file in (tmp_path / "s").rglob("*") if file.is_file()
    )
    assert key in upstream.seen[0].header("x-api-key")
    (one,) = runs_of(tmp_path / "s").values()
    with Running(tmp_path / "t", upstream.url) as gateway:
        Chat(asker(gateway.port, x_api_key=key, authorization=f"Bearer {key}")).send()
        gateway.end()
    (other,) = runs_of(tmp_path / "t").values()
    digests = {bodies(each, e.ConversationOpened)[0].credential for each in (one, other)}
    assert len(digests) == 2
    assert (tmp_path / "s" / "gateway.key").stat().st_mode & 0o077 == 0


def test_a_gateway_that_is_killed_in_a_stream_is_followed_by_one_that_sends_the_same_bytes(tmp_path: Path):
    with RawUpstream(says(fine)) as upstream:
        with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
            chat = Chat(asker(gateway.port))
            grown(chat, 8)
            chat.result(9, page_text("file-9"), path="/f/9")
            upstream.serve = hanging
            body = chat.body(stream=True)
            with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as line:
                line.sendall(head(body))
                while b"message_start" not in line.recv(65536):
                    pass
                gateway.kill()
        sent = results_in(upstream.seen[-1].body)
        upstream.serve = says(fine)
        with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
            chat.ask = asker(gateway.port)
            chat.send()
            again = results_in(upstream.seen[-1].body)
            gateway.end()
    assert STUB in sent[0]
    assert again == sent
    (events,) = checked_runs(tmp_path / "s").values()
    assert [each.number for each in bodies(events, e.RequestForwarded)] == list(range(1, 11))
    evicted = [each.page for each in bodies(events, e.PageEvicted)]
    assert len(evicted) == len(set(evicted))


def hanging(connection: socket.socket, seen: Seen) -> None:
    """Begin a stream, and say no more."""
    del seen
    start = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{}}}\n\n'
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    connection.sendall(b"%x\r\n%b\r\n" % (len(start), start))
    connection.recv(1)


def head(body: bytes) -> bytes:
    lines = (
        b"POST /v1/messages HTTP/1.1",
        b"Host: a",
        b"User-Agent: Anthropic/Python 1.0",
        b"x-api-key: sk-of-nobody",
        b"authorization: Bearer sk-of-nobody",
        b"Content-Length: %d" % len(body),
    )
    return b"\r\n".join((*lines, b"", body))


def test_a_client_that_leaves_a_stream_leaves_a_request_that_failed(upstream: RawUpstream, tmp_path: Path):
    upstream.serve = hanging
    with Running(tmp_path / "s", upstream.url) as gateway:
        body = Chat(asker(gateway.port)).body(stream=True)
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as line:
            line.sendall(head(body))
            while b"message_start" not in line.recv(65536):
                pass
        while json.loads(ask(gateway.port, "GET", "/perdure/status", (), b"").body)["conversations"][0][
            "under_way"
        ]:
            pass
        gateway.end()
    (events,) = checked_runs(tmp_path / "s").values()
    (failed,) = bodies(events, e.RequestFailed)
    assert failed.number == 1


def test_the_kill_switch_works_while_the_gateway_runs(upstream: RawUpstream, tmp_path: Path):
    store = tmp_path / "s"
    with Running(store, upstream.url, *MOVING) as gateway:
        chat = Chat(asker(gateway.port))
        grown(chat, 8)
        (run,) = runs_of(store)
        before = results_in(upstream.seen[-1].body)
        assert told("gateway", "freeze", run, store=store) == {"run": run, "mode": "nocache", "frozen": True}
        grown(chat, 3, first=9)
        frozen = results_in(upstream.seen[-1].body)
        assert frozen[: len(before)] == before
        assert frozen[len(before) :] == [page_text(f"file-{number}") for number in (9, 10, 11)]
        told("gateway", "observe", run, store=store)
        chat.messages.append({"role": "user", "content": "on"})
        body = chat.body()
        chat.send()
        assert upstream.seen[-1].body == body
        told("gateway", "thaw", run, store=store)
        grown(chat, 1, first=12)
        thawed = results_in(upstream.seen[-1].body)
        moved = [place for place, result in enumerate(before) if STUB in result]
        assert moved
        assert [thawed[place] for place in moved] == [before[place] for place in moved]
        gateway.end()
    (events,) = checked_runs(store).values()
    assert [each.mode for each in bodies(events, e.PagingSet)][:3] == ["nocache", "observe", "nocache"]


def test_what_left_comes_back_byte_for_byte_after_a_restart_and_a_compaction(
    upstream: RawUpstream, tmp_path: Path
):
    content = page_text("file-1") + '\n\ttab "quotes" \\ é 漢字 🙂\r\nend'
    with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = Chat(asker(gateway.port, session_id="long"))
        chat.result(1, content, path="/f/1")
        chat.send()
        grown(chat, 7, first=2)
        stub = results_in(upstream.seen[-1].body)[0]
        chat.messages.append(
            {"role": "user", "content": "Please create a detailed summary of this conversation so far."}
        )
        chat.send()
        index = json.loads(upstream.seen[-1].body)["messages"][-1]["content"]
        gateway.end()
    handle = stub.partition("page ")[2].split()[0]
    assert handle in str(index)
    given: list[str] = []

    def asks(request: Json) -> list[Json]:
        last = request["messages"][-1]["content"]
        if isinstance(last, list) and last[-1]["type"] == "tool_result":
            given.append(last[-1]["content"])
            return [text("thanks")]
        return recalls(91, page=handle)

    upstream.serve = says(asks)
    with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        after = Chat(asker(gateway.port, session_id="long"), "Summary: the files were looked at.")
        after.send()
        gateway.end()
    assert given == [content]
    runs = checked_runs(tmp_path / "s")
    assert len(runs) == 2
    assert [each.page for events in runs.values() for each in bodies(events, e.PageFaulted)] == [handle]
    compaction = next(iter(runs.values()))
    assert bodies(compaction, e.RequestForwarded)[-1].purpose == "compaction"


def test_a_hidden_recall_is_split_again_in_every_later_request(upstream: RawUpstream, tmp_path: Path):
    def asks_once(request: Json) -> list[Json]:
        said = json.dumps(request["messages"])
        if "toolu_50" in said or STUB not in said:
            return [text("done")]
        handle = said.partition("perdure_recall with page ")[2].split()[0]
        return [text("let me look"), *recalls(50, page=handle)]

    upstream.serve = says(asks_once)
    with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = Chat(asker(gateway.port))
        grown(chat, 8)
        assert "perdure_recall" not in json.dumps(chat.messages)
        hidden = [seen.body for seen in upstream.seen if b"toolu_50" in seen.body]
        chat.messages.append({"role": "user", "content": "on"})
        chat.send()
        later = json.loads(upstream.seen[-1].body)["messages"]
        gateway.end()
    asked = json.loads(hidden[0])["messages"][-2:]
    place = next(number for number, message in enumerate(later) if "toolu_50" in json.dumps(message))
    assert [json.dumps(each) for each in later[place : place + 2]] == [json.dumps(each) for each in asked]
    (events,) = checked_runs(tmp_path / "s").values()
    assert len(bodies(events, e.RecallHidden)) == 1
    answered = bodies(events, e.RequestAnswered)
    assert max(each.calls for each in answered) == 2
