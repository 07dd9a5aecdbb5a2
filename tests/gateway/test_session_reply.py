"""The first call of a main reply waits until the workspace stands recorded; what is said before it goes through at once."""

import asyncio
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.assembly.foreign.replies import SpelledCall
from perdure.gateway import main_loop
from perdure.gateway.gemini_reading import GeminiListener
from perdure.gateway.holding import ApiListener, Hold, Listener
from perdure.log import events as e
from tests.gateway.raw import RawUpstream
from tests.gateway.talking import bodies, checked_runs, says
from tests.gateway.test_withheld import streamed
from tests.gateway.wrapped import Model, calls_in, pay, wrapped
from tests.sessions.ground import Bank, played


def messages() -> bytes:
    whole = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": pay(1, "r"),
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    return streamed(whole)


def chat() -> bytes:
    deltas: list[dict[str, object]] = [
        {"role": "assistant", "content": "I pay."},
        {
            "tool_calls": [
                {"index": 0, "id": "toolu_1", "function": {"name": "mcp__bank__pay", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"invoice":"7","reference":"r"}'}}]},
    ]
    chunks: list[dict[str, object]] = [
        {"id": "c", "choices": [{"index": 0, "delta": each, "finish_reason": None}]} for each in deltas
    ]
    chunks.append({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in chunks) + b"data: [DONE]\n\n"


def responses() -> bytes:
    item = {
        "type": "function_call",
        "id": "f",
        "call_id": "toolu_1",
        "name": "mcp__bank__pay",
        "arguments": "",
    }
    done = {**item, "arguments": '{"invoice":"7","reference":"r"}'}
    words = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I pay."}]}
    events: list[dict[str, object]] = [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "message", "role": "assistant"},
        },
        {"type": "response.output_text.delta", "output_index": 0, "delta": "I pay."},
        {"type": "response.output_item.added", "output_index": 1, "item": item},
        {"type": "response.output_item.done", "output_index": 1, "item": done},
        {
            "type": "response.completed",
            "response": {"id": "resp_1", "status": "completed", "output": [words, done]},
        },
    ]
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (str(each["type"]).encode(), json.dumps(each).encode())
        for each in events
    )


def gemini() -> bytes:
    parts = [
        {"text": "I pay."},
        {"functionCall": {"id": "toolu_1", "name": "mcp__bank__pay", "args": ARGUMENTS}},
    ]
    events = [{"candidates": [{"content": {"role": "model", "parts": [part]}}]} for part in parts]
    return b"".join(b"data: %b\r\n\r\n" % json.dumps(each).encode() for each in events)


ARGUMENTS = {"invoice": "7", "reference": "r"}
REPLIES: dict[str, tuple[Callable[[], bytes], Callable[[], Listener]]] = {
    "messages": (messages, lambda: ApiListener("messages", streamed=True)),
    "chat": (chat, lambda: ApiListener("chat", streamed=True)),
    "responses": (responses, lambda: ApiListener("responses", streamed=True)),
    "gemini": (gemini, lambda: GeminiListener(streamed=True)),
}


class Way:
    """What goes through a hold, as far as it has."""

    def __init__(self, listener: Listener, *, streamed: bool = True, ready: bool = True) -> None:
        self.out = b""
        self.calls: list[SpelledCall] = []
        self.asked = asyncio.Event()
        self.may = asyncio.Event()
        self._ready = ready
        self.hold = Hold(listener, self._write, self._waits, self.calls.append, streamed=streamed)

    async def _write(self, piece: bytes) -> None:
        self.out += piece

    async def _waits(self) -> bool:
        self.asked.set()
        await self.may.wait()
        return self._ready


@pytest.mark.parametrize("api", REPLIES)
def test_the_words_go_through_and_the_call_waits(api: str):
    reply, listener = REPLIES[api]

    async def story() -> None:
        way, whole = Way(listener()), reply()
        work = asyncio.get_running_loop().create_task(way.hold.write(whole))
        await way.asked.wait()
        assert b"I pay." in way.out
        assert b"mcp__bank__pay" not in way.out
        assert not work.done()
        way.may.set()
        await work
        await way.hold.close()
        assert way.out == whole
        assert not way.hold.unrecorded
        assert (way.calls[0].use, way.calls[0].name) == ("toolu_1", "mcp__bank__pay")
        assert json.loads(way.calls[-1].arguments or "") == ARGUMENTS

    played(story())


@settings(max_examples=40)
@given(api=st.sampled_from(sorted(REPLIES)), cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_what_comes_out_is_what_went_in_however_it_is_cut(api: str, cuts: list[int]):
    reply, listener = REPLIES[api]
    whole = reply()
    places = [0, *sorted(cut % (len(whole) + 1) for cut in cuts), len(whole)]

    async def story() -> None:
        way = Way(listener())
        way.may.set()
        for start, end in pairwise(places):
            await way.hold.write(whole[start:end])
            assert whole.startswith(way.out)
        await way.hold.close()
        assert way.out == whole
        assert {call.use for call in way.calls} == {"toolu_1"}

    played(story())


def test_a_reply_that_is_no_stream_waits_as_a_whole_and_one_without_a_call_not_at_all():
    async def story() -> None:
        for call, waits in ((pay(1, "r"), True), (pay(1, "r")[:1], False)):
            body = json.dumps({"type": "message", "content": call, "stop_reason": "x", "usage": {}}).encode()
            way = Way(ApiListener("messages", streamed=False), streamed=False)
            await way.hold.write(body)
            assert way.out == b""
            work = asyncio.get_running_loop().create_task(way.hold.close())
            if waits:
                await way.asked.wait()
                assert way.out == b""
                way.may.set()
            await work
            assert way.out == body
            assert way.asked.is_set() is waits

    played(story())


def test_a_workspace_that_is_recorded_too_late_holds_no_call_for_ever_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(main_loop, "CALL_HELD_SECONDS", 0.02)
    model = Model()

    async def late(seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return False

    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            monkeypatch.setattr(client.session, "recorded", late)
            model.next.append(pay(1, "r"))
            chat = client.chat()
            assert calls_in(await client.say(chat))
            chat.messages.append({"role": "user", "content": "on"})
            await client.say(chat)

    with RawUpstream(says(model)) as upstream:
        played(story(upstream))
    held, free = bodies(checked_runs(tmp_path / "s")["one"], e.RequestAnswered)
    assert (held.unrecorded, held.held_ms >= 20) == (True, True)
    assert (free.unrecorded, free.held_ms) == (False, 0)


def test_the_workspace_stands_recorded_when_the_client_has_its_call(tmp_path: Path):
    """What the client finds to change at that moment is in the tree that a rewind puts back."""
    root = tmp_path / "work"
    root.mkdir()
    (root / "a.txt").write_text("before")
    model = Model()

    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank(), root=root) as client:
            model.next.append(pay(1, "r"))
            await client.say(client.chat())
            assert client.session.state.live.fresh
            kinds = [type(event.body) for event in client.events()]
            taken = [
                place for place, kind in enumerate(kinds) if kind in {e.CheckpointTaken, e.CheckpointSkipped}
            ]
            assert taken
            assert kinds.index(e.RequestForwarded) < taken[-1]

    with RawUpstream(says(model)) as upstream:
        played(story(upstream))
    checked_runs(tmp_path / "s")


def test_a_side_call_takes_no_checkpoint_and_waits_for_none(tmp_path: Path):
    root = tmp_path / "work"
    root.mkdir()

    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank(), root=root) as client:
            await client.say(client.chat())
            before = len(client.events())
            (root / "b.txt").write_text("b")
            side = client.chat("a title")
            side.tools = []
            await client.say(side, system="Name it.")
            new = [type(event.body) for event in client.events()[before:]]
            assert set(new) <= {
                e.ConversationJoined,
                e.RequestAnswered,
                e.CheckpointTaken,
                e.CheckpointSkipped,
            }
            assert e.ConversationJoined in new

    with RawUpstream(says(Model())) as upstream:
        played(story(upstream))
