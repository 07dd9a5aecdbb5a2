"""What client and server say to each other passes as it is, in both directions; calls of tools go through the run."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError

from perdure.mcp.link import Link
from tests.mcp.talking import HELLO, paid, plain, said, standing

pytestmark = pytest.mark.anyio

KEYS = st.text(min_size=1, max_size=8).filter(lambda key: key not in {"_meta", "progressToken"})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
PARAMS = st.lists(st.dictionaries(KEYS, JSON, max_size=4), min_size=1, max_size=8)


async def echoed(at: Path, many: list[dict[str, Any]]) -> list[Any]:
    async with standing(at, plain(at / "book")) as house, house.client() as client:
        await client.hello()
        answers = [await client.ask("x/whatever", params) for params in many]
        return [answer["params"] for answer in answers]


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(PARAMS)
def test_whatever_a_client_asks_reaches_the_server_word_for_word(
    tmp_path_factory: pytest.TempPathFactory, many: list[dict[str, Any]]
):
    at = tmp_path_factory.mktemp("echo")
    assert asyncio.run(echoed(at, many)) == [params or None for params in many]


def test_a_link_that_loses_a_field_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = Link.request

    async def careless(self: Link, method: str, params: Any, options: Any = None) -> Any:
        return await whole(self, method, {key: params[key] for key in params if key != "b"}, options)

    monkeypatch.setattr(Link, "request", careless)
    many = [{"a": 1, "b": 2}]
    assert asyncio.run(echoed(tmp_path, [*many])) != many


async def test_the_server_is_told_who_its_client_is_and_what_that_can(tmp_path: Path):
    async with standing(tmp_path, plain(tmp_path / "book")) as house, house.client() as client:
        answer = await client.hello()
        state = await client.ask("x/state")
        assert state["hello"] == HELLO
        assert answer["serverInfo"] == {"name": "plain", "version": "1"}
        assert answer["instructions"] == "be plain with book"
        await client.line.notify("notifications/roots/list_changed", {"_meta": {"kept": 1}})
        while len(state["noted"]) < 2:
            state = await client.ask("x/state")
        assert [note["method"] for note in state["noted"]] == [
            "notifications/initialized",
            "notifications/roots/list_changed",
        ]
        assert state["noted"][1]["params"] == {"_meta": {"kept": 1}}


async def test_errors_of_the_server_are_the_clients_errors(tmp_path: Path):
    async with standing(tmp_path, plain(tmp_path / "book")) as house, house.client() as client:
        await client.hello()
        with pytest.raises(MCPError) as caught:
            await client.ask("x/refused", {"why": [1]})
        assert (caught.value.error.code, caught.value.error.data) == (-32099, {"why": [1]})
        with pytest.raises(MCPError, match="Unknown tool: nothing"):
            await client.call("nothing")


async def test_a_call_keeps_its_meta_and_its_result_is_the_servers_own(tmp_path: Path):
    async with standing(tmp_path, plain(tmp_path / "book")) as house, house.client() as client:
        await client.hello()
        result = await client.call("look", {"a": 1}, _meta={"mine": {"x": 1}})
        assert json.loads(said(result)) == {"meta": {"mine": {"x": 1}}, "arguments": {"a": 1}}
        assert (result["isError"], result["_meta"]) == (False, {"from": "plain"})
        without = await client.ask("tools/call", {"name": "look"})
        assert json.loads(said(without))["arguments"] is None
        assert house.kinds()[-4:] == [
            "call.received",
            "intention.proposed",
            "effect.started",
            "effect.settled",
        ]


async def test_progress_arrives_under_the_clients_own_token_before_the_result(tmp_path: Path):
    async with standing(tmp_path, plain(tmp_path / "book")) as house, house.client() as client:
        await client.hello()
        await client.call("steps", {}, _meta={"progressToken": "mine"})
        steps = [params for method, params in client.notes if method == "notifications/progress"]
        assert [(step["progressToken"], step["progress"], step["_meta"]) for step in steps] == [
            ("mine", 0, {"kept": 0}),
            ("mine", 1, {"kept": 1}),
            ("mine", 2, {"kept": 2}),
        ]


async def test_a_server_may_ask_its_client_in_the_midst_of_a_call(tmp_path: Path):
    seen: list[Any] = []

    async def sampled(params: Any) -> dict[str, Any]:
        seen.append(params)
        return {"role": "assistant", "content": {"type": "text", "text": "ok"}, "model": "m", "extra": [1]}

    async with standing(tmp_path, plain(tmp_path / "book")) as house, house.client() as client:
        client.answers["sampling/createMessage"] = sampled
        await client.hello()
        result = await client.call("sample")
        assert json.loads(said(result))["extra"] == [1]
        assert seen == [{"messages": [], "maxTokens": 5, "_meta": {"progressToken": "t1", "kept": True}}]
        client.answers.clear()
        refused = await client.call("sample")
        assert json.loads(said(refused))["code"] == -32601


async def test_a_call_that_is_cancelled_is_cancelled_at_the_server_too(tmp_path: Path):
    async with standing(tmp_path, plain(tmp_path / "book")) as house, house.client() as client:
        await client.hello()
        waits = asyncio.ensure_future(client.call("wait"))
        await house.until(lambda: paid(tmp_path / "book") == [{"waiting": True}])
        waits.cancel()
        await house.until(lambda: {"cancelled": True} in paid(tmp_path / "book"))
        await house.until(lambda: "call.released" in house.kinds())
        assert said(await client.call("look")).startswith("{")


async def test_changes_of_the_tool_list_are_told_together_and_only_where_there_are_any(tmp_path: Path):
    changed = "notifications/tools/list_changed"
    async with standing(tmp_path, plain(tmp_path / "book")) as house, house.client() as client:
        await client.hello()
        await client.call("change", {"add": ["new1", "new2", "new3"]})
        await client.heard(lambda notes: (changed, None) in notes)
        assert {"plain__new1", "plain__new3"} <= {tool.name for tool in house.hub.declarations()}
        adopted = house.kinds().count("contract.adopted")
        await client.call("change")
        await asyncio.sleep(1.3)
        assert [method for method, _ in client.notes].count(changed) == 1
        assert house.kinds().count("contract.adopted") == adopted
        assert said(await client.call("pay", {"invoice": "7"})) == "paid 1"


async def test_a_server_that_says_more_than_its_client_takes_is_bounded_and_loses_no_answer(tmp_path: Path):
    async with standing(tmp_path, plain(tmp_path / "book")) as house, house.client() as client:
        await client.hello()
        result = await client.call("chatter", {"lines": 5_000})
        assert said(result) == "said"
        assert len(client.notes) <= 5_000
