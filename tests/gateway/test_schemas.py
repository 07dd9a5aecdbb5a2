"""Schemas of tools that a long conversation has never used, and what fails in paging."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from perdure.assembly.foreign.gateways import GatewaySettings, upstreams_of
from perdure.gateway import exchange
from perdure.gateway.plans import planned
from perdure.gateway.serving import serve
from perdure.log import events as e
from perdure.testing.upstream.plots import PLOTS
from perdure.testing.upstream.server import Upstream
from tests.clients.talker import Talker
from tests.gateway.raw import RawUpstream
from tests.gateway.running import Running
from tests.gateway.talking import (
    Chat,
    Json,
    asker,
    bodies,
    call,
    checked_runs,
    page_text,
    results_in,
    says,
    text,
)

STUB = "left the window"
ROOMY = ("--mode", "room", "--room", "3000")
"""Of a provider that caches: it is small enough that pages have to leave."""
LONG = {
    "type": "object",
    "properties": {
        f"field_{number}": {"type": "string", "description": "what it is for " * 4} for number in range(20)
    },
    "required": ["field_1"],
}


def tool(name: str, **more: object) -> Json:
    return {"name": name, "description": "Does a thing.\nAnd how.", "input_schema": LONG, **more}


@pytest.fixture
def upstream() -> Iterator[RawUpstream]:
    with RawUpstream(says(lambda _: [text("fine")])) as known:
        yield known


def schemas_in(body: bytes) -> dict[str, Json]:
    return {each["name"]: each["input_schema"] for each in json.loads(body)["tools"]}


def test_a_schema_that_was_never_used_leaves_and_is_told_to_a_call_that_misses_it(
    upstream: RawUpstream, tmp_path: Path
):
    told: list[str] = []

    def uses_it(request: Json) -> list[Json]:
        last = request["messages"][-1]["content"]
        if (
            isinstance(last, list)
            and last[-1]["type"] == "tool_result"
            and last[-1]["tool_use_id"] == "toolu_900"
        ):
            told.append(last[-1]["content"])
            return [call("Never", 901, field_1="right")]
        return [call("Never", 900, wrong=1)]

    with Running(tmp_path / "s", upstream.url, "--mode", "nocache") as gateway:
        chat = Chat(asker(gateway.port))
        chat.tools += [tool("Never"), tool("Strict", strict=True)]
        for number in range(22):
            chat.result(number, f"short {number}")
            chat.send()
        first, last = schemas_in(upstream.seen[0].body), schemas_in(upstream.seen[-1].body)
        assert first["Never"] == LONG
        assert last["Never"] == {"type": "object"}
        assert last["Strict"] == LONG
        assert "Read" in last
        upstream.serve = says(uses_it)
        chat.messages.append({"role": "user", "content": "use it"})
        assert chat.send() == [call("Never", 901, field_1="right")]
        assert gateway.end() == 0
    assert "field_1" in told[0]
    assert json.dumps(LONG) in told[0]
    (events,) = checked_runs(tmp_path / "s").values()
    (left,) = [each for each in bodies(events, e.PageAdmitted) if each.exempt == "schema"]
    assert [each.page for each in bodies(events, e.PageFaulted)] == [left.page]


def test_a_conversation_with_the_providers_own_tool_search_keeps_its_tools(
    upstream: RawUpstream, tmp_path: Path
):
    with Running(tmp_path / "s", upstream.url, "--mode", "nocache") as gateway:
        chat = Chat(asker(gateway.port))
        search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
        chat.tools += [search, tool("Never"), tool("Deferred", defer_loading=True)]
        for number in range(22):
            chat.result(number, f"short {number}")
            chat.send()
        gateway.end()
    given = json.loads(upstream.seen[-1].body)["tools"]
    assert given[: len(chat.tools)] == chat.tools


@pytest.mark.parametrize("api", ["messages", "chat", "responses"])
def test_a_client_goes_on_bare_when_the_gateway_is_taken_away(api: str, tmp_path: Path):
    with Upstream(PLOTS["two-legs"], seed="bare", ledger_bytes=40_000) as strict:
        with Running(tmp_path / "s", strict.url, *ROOMY) as gateway:
            talker = Talker(api, asker(gateway.port), strict.ledgers)  # pyright: ignore[reportArgumentType]
            talker.say("Work through the ledgers.")
            gateway.kill()
        talker.ask = asker(strict.port)
        assert "Step" in talker.say("Go on with the ledgers.")
    assert len(talker.answers) == 4
    assert "perdure" not in json.dumps(talker.history)
    events = [event for run in checked_runs(tmp_path / "s").values() for event in run]
    assert any(each.shown for each in (*bodies(events, e.PageEvicted), *bodies(events, e.PageAdmitted)))
    assert bodies(events, e.RecallHidden)


class Inside:
    """A gateway in this process, so that a test can break something in it."""

    def __init__(self, store: Path, upstream: str) -> None:
        self.settings = GatewaySettings(store, port=0, mode="nocache", upstreams=upstreams_of([upstream]))
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(serve(self.settings, listening=self._listening, stop=self._stop))

    def _listening(self, port: int) -> None:
        self.port = port
        self._ready.set()


def test_when_paging_fails_what_was_recorded_goes_on_and_nothing_new_is_decided(
    upstream: RawUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_given: object, **_named: object) -> None:
        raise RuntimeError("a fault of ours")

    with Inside(tmp_path / "s", upstream.url) as gateway:
        whole = Chat(asker(gateway.port), "never moved")
        whole.send()
        chat = Chat(asker(gateway.port))
        for number in range(8):
            chat.result(number, page_text(f"file-{number}"), path=f"/f/{number}")
            chat.send()
        before = results_in(upstream.seen[-1].body)
        assert STUB in before[0]
        monkeypatch.setattr(exchange, "planned", broken)
        chat.messages.append({"role": "user", "content": "on"})
        chat.send()
        assert results_in(upstream.seen[-1].body) == before
        monkeypatch.setattr(exchange, "planned", planned)
        chat.result(9, page_text("file-9"), path="/f/9")
        chat.send()
        assert results_in(upstream.seen[-1].body) == [*before, page_text("file-9")]
    frozen = [
        each for events in checked_runs(tmp_path / "s").values() for each in bodies(events, e.PagingSet)
    ]
    assert any(each.frozen and "a fault of ours" in each.why for each in frozen)


def test_a_log_that_cannot_be_opened_lets_requests_pass(upstream: RawUpstream, tmp_path: Path):
    with Running(tmp_path / "s", upstream.url) as first, Running(tmp_path / "s", upstream.url) as second:
        chat = Chat(asker(first.port))
        chat.send()
        chat.messages.append({"role": "user", "content": "on"})
        chat.ask = asker(second.port)
        body = chat.body()
        chat.send()
        assert upstream.seen[-1].body == body or b"perdure_recall" in upstream.seen[-1].body
        assert first.end() == second.end() == 0
