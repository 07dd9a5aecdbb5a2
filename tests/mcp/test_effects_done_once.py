"""What a client's calls do to the world is done once, whatever dies, and what isn't known is said."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from perdure.contract import ApprovalRule, Contract
from perdure.mcp.effects import Effects, KeyPlace, ServerEffects, ToolEffect
from tests.mcp.talking import HELLO, paid, plain, said, standing

pytestmark = pytest.mark.anyio

ASKS = Contract(approvals=(ApprovalRule("payments", ("plain__pay",), why="payments are looked at"),))
ELICITS = {**HELLO, "capabilities": {"elicitation": {}}}


def effects(**tools: ToolEffect) -> Effects:
    return Effects({"plain": ServerEffects(tools=tools)})


BY_INVOICE = effects(pay=ToolEffect(identity=("invoice",)))


async def test_a_payment_whose_server_died_before_it_answered_is_in_doubt_and_not_sent_again(tmp_path: Path):
    book = tmp_path / "book"
    async with standing(tmp_path, plain(book), effects=BY_INVOICE) as house:
        async with house.client() as client:
            await client.hello()
            result = await client.call("pay", {"invoice": "7", "mishap": "die"})
            assert result["isError"]
            assert "perdure settle mcp-test" in said(result)
            assert result["_meta"]["perdure/call"]["outcome"] == "doubt"
        async with house.client() as client:
            await client.hello()
            again = await client.call("pay", {"invoice": "7", "mishap": "die"})
            assert again["_meta"]["perdure/call"]["outcome"] == "doubt"
            assert said(await client.call("pay", {"invoice": "8"})) == "paid 2"
    assert [line["invoice"] for line in paid(book)] == ["7", "8"]


async def test_what_is_in_doubt_and_may_be_repeated_is_sent_again_with_the_same_key(tmp_path: Path):
    book = tmp_path / "book"
    told = effects(note=ToolEffect(effect="idempotent", key=KeyPlace(argument="key"), key_lifetime="24h"))
    async with standing(tmp_path, plain(book), effects=told) as house, house.client() as client:
        await client.hello()
        result = await client.call("note", {"text": "die"})
    first, second = paid(book)
    assert first == second
    assert said(result) == first["note"]["key"]
    assert len(first["note"]["key"]) >= 32


async def test_the_same_request_sent_again_after_a_crash_is_the_same_call(tmp_path: Path):
    book = tmp_path / "book"
    for _ in range(2):
        async with standing(tmp_path, plain(book)) as house, house.client("shim") as client:
            await client.hello()
            result = await client.ask(
                "tools/call", {"name": "pay", "arguments": {"invoice": "7"}}, {"request_id": "r"}
            )
            assert said(result) == "paid 1"
    assert len(paid(book)) == 1


async def test_a_request_id_that_a_client_uses_twice_makes_two_calls(tmp_path: Path):
    async with standing(tmp_path, plain(tmp_path / "book")) as house, house.client() as client:
        await client.hello()
        for number in (1, 2):
            call = {"name": "pay", "arguments": {"invoice": str(number)}}
            assert said(await client.ask("tools/call", call, {"request_id": "r"})) == f"paid {number}"


async def test_a_payment_goes_on_when_its_client_goes_and_the_next_one_gets_its_receipt(tmp_path: Path):
    book = tmp_path / "book"
    async with standing(tmp_path, plain(book)) as house:
        async with house.client() as client:
            await client.hello()
            held = asyncio.ensure_future(client.call("pay", {"invoice": "7", "mishap": "hold"}))
            await house.until(lambda: len(paid(book)) == 1)
            assert await client.gone() == ("t1.2",)
            held.cancel()
        (tmp_path / "go").touch()
        await house.until(lambda: "effect.settled" in house.kinds())
        assert house.session.state.live.received["t1.2"].answer == "gone"


async def test_an_error_that_says_nothing_ran_is_the_clients_own_error(tmp_path: Path):
    async with standing(tmp_path, plain(tmp_path / "book")) as house, house.client() as client:
        await client.hello()
        broken = await client.call("broken", {})
        assert broken["_meta"]["perdure/call"]["outcome"] == "doubt"
        assert "broken on purpose" in said(broken)
        with pytest.raises(MCPError, match="an object"):
            await client.ask("tools/call", {"name": "pay", "arguments": [1]})


async def test_garbage_in_place_of_an_answer_leaves_the_payment_in_doubt(tmp_path: Path):
    book = tmp_path / "book"
    async with (
        standing(tmp_path, plain(book), effects=BY_INVOICE, patience=0.2) as house,
        house.client() as client,
    ):
        await client.hello()
        result = await client.call("pay", {"invoice": "7", "mishap": "garbage"})
        assert result["_meta"]["perdure/call"]["outcome"] == "doubt"
        assert any("no JSON-RPC message" in words for words in house.words)
        assert said(await client.call("pay", {"invoice": "8"})) == "paid 2"


async def test_a_line_without_an_end_ends_the_server_and_not_the_gateway(tmp_path: Path):
    book = tmp_path / "book"
    async with standing(tmp_path, plain(book), effects=BY_INVOICE) as house:
        async with house.client() as client:
            await client.hello()
            result = await client.call("pay", {"invoice": "7", "mishap": "endless"})
            assert result["_meta"]["perdure/call"]["outcome"] == "doubt"
            assert "a line of more than" in said(result)
        async with house.client() as client:
            await client.hello()
            assert said(await client.call("pay", {"invoice": "8"})) == "paid 2"


async def test_a_server_that_does_not_answer_in_time_leaves_the_call_in_doubt(tmp_path: Path):
    told = effects(pay=ToolEffect(timeout="300ms"))
    async with standing(tmp_path, plain(tmp_path / "book"), effects=told) as house, house.client() as client:
        await client.hello()
        result = await client.call("pay", {"invoice": "7", "mishap": "hold"})
        assert "gave no answer within 0.3 s" in said(result)
        assert result["_meta"]["perdure/call"]["outcome"] == "doubt"


def answering(content: dict[str, Any] | None, action: str = "accept") -> Callable[[Any], Any]:
    async def answered(params: Any) -> dict[str, Any]:
        assert "payments are looked at" in params["message"]
        assert params["requestedSchema"]["properties"]["allow"]["type"] == "boolean"
        return {"action": action} if content is None else {"action": action, "content": content}

    return answered


def outcome(result: dict[str, Any]) -> str:
    return result["_meta"]["perdure/call"]["outcome"]


async def test_a_person_behind_the_client_allows_or_forbids_it_there(tmp_path: Path):
    book = tmp_path / "book"
    async with standing(tmp_path, plain(book), contract=ASKS) as house, house.client() as client:
        await client.hello(ELICITS)
        client.answers["elicitation/create"] = answering({"allow": True, "note": "seen"})
        assert said(await client.call("pay", {"invoice": "7"})) == "paid 1"
        client.answers["elicitation/create"] = answering({"allow": False})
        assert outcome(await client.call("pay", {"invoice": "8"})) == "refused"
        kinds = house.kinds()
        assert (kinds.count("approval.granted"), kinds.count("approval.denied")) == (1, 1)
    assert len(paid(book)) == 1


@pytest.mark.parametrize("action", ["decline", "cancel", "accept"])
async def test_a_question_that_nobody_answered_stays_open_and_the_client_is_told_at_once(
    tmp_path: Path, action: str
):
    async with standing(tmp_path, plain(tmp_path / "book"), contract=ASKS) as house:
        async with house.client() as client:
            await client.hello(ELICITS)
            client.answers["elicitation/create"] = answering(None, action)
            result = await client.call("pay", {"invoice": "7"})
            assert outcome(result) == "waits"
            assert "perdure approve mcp-test" in said(result)
        assert "approval.denied" not in house.kinds()
    assert not paid(tmp_path / "book")


async def test_a_grant_that_comes_late_fires_nothing_and_waits_for_the_same_call(tmp_path: Path):
    book = tmp_path / "book"
    async with (
        standing(tmp_path, plain(book), contract=ASKS, patience=0.1) as house,
        house.client() as client,
    ):
        await client.hello()
        result = await client.call("pay", {"invoice": "7"})
        assert outcome(result) == "waits"
        approval = result["_meta"]["perdure/call"]["approval"]
        await house.session.decide(approval, grant=True, by="ada")
        assert said(await client.call("look")).startswith("{")
        assert not paid(book)
        assert outcome(await client.call("pay", {"invoice": "8"})) == "waits"
        assert said(await client.call("pay", {"invoice": "7"})) == "paid 1"
        assert outcome(await client.call("pay", {"invoice": "7"})) == "waits"
    assert len(paid(book)) == 1


async def test_without_an_identity_another_payment_beside_one_in_doubt_asks(tmp_path: Path):
    book = tmp_path / "book"
    async with standing(tmp_path, plain(book), patience=0.1) as house, house.client() as client:
        await client.hello()
        assert outcome(await client.call("pay", {"invoice": "7", "mishap": "garbage"})) == "doubt"
        assert outcome(await client.call("pay", {"invoice": "7", "mishap": "garbage"})) == "doubt"
        assert outcome(await client.call("pay", {"invoice": "7", "reference": "b"})) == "waits"
    assert len(paid(book)) == 1
