"""The real SDKs, asked over real sockets: what goes out, and what comes back."""

import asyncio
from collections.abc import Callable

import pytest

from perdure.adapters.models.asked import AskedModel
from perdure.intention.declaration import Declaration
from perdure.intention.reply import Call, Reply
from perdure.values.digest import Json
from perdure.wire.chat import to_chat
from perdure.wire.messages import to_anthropic
from perdure.wire.prompt import Answered, Prompt, Said, UserText
from perdure.wire.reading import dicts_at
from perdure.wire.responses import to_responses
from tests.models.speaking import ANTHROPIC, CHAT, KEY, RESPONSES, Spoken
from tests.models.upstream import Event, upstream, whole

PROMPT = Prompt(
    "be brief",
    (Declaration("pay", schema={"type": "object"}),),
    (UserText("go"),),
    {"temperature": 0},
    "lineage",
)


def ask(
    model: AskedModel,
    prompt: Prompt = PROMPT,
    *,
    on_text: Callable[[str], None] | None = None,
    timeout: float = 20,
) -> Reply:
    """Ask once and close the model."""

    async def main() -> Reply:
        try:
            return await model.ask(prompt, key="run-1-1", on_text=on_text, timeout=timeout)
        finally:
            await model.close()

    return asyncio.run(main())


def test_text_is_told_as_it_comes_and_the_whole_reply_returned(spoken: Spoken):
    told: list[str] = []
    with upstream(spoken.answer(spoken.text)) as server:
        reply = ask(spoken.model(server.address), on_text=told.append)
    assert told == ["Hello ", "world"]
    assert (reply.text, reply.calls, reply.stop) == ("Hello world", (), "end")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.cache_read_tokens) == (
        100,
        10,
        80,
    )


def test_calls_come_back_with_their_arguments_and_can_be_sent_on(spoken: Spoken):
    with upstream(spoken.answer(spoken.call), spoken.answer(spoken.text)) as server:
        reply = ask(spoken.model(server.address))
        assert reply.calls == (Call("call_1", "pay", {"n": 1}),)
        assert reply.stop == "calls"
        entries = (*PROMPT.entries, Said(reply), Answered("call_1", "done"))
        assert (
            ask(spoken.model(server.address), Prompt("be brief", PROMPT.tools, entries)).text == "Hello world"
        )
        assert str(server.asked[1].body).count("call_1") == 2


def test_the_request_is_the_wire_form_with_key_and_model(spoken: Spoken):
    forms = {ANTHROPIC.spec: to_anthropic, CHAT.spec: to_chat, RESPONSES.spec: to_responses}
    with upstream(spoken.answer(spoken.text)) as server:
        ask(spoken.model(server.address))
    asked = server.asked[0]
    body = {name: value for name, value in asked.body.items() if name not in {"stream", "stream_options"}}
    assert body == {"model": spoken.spec.partition(":")[2], **forms[spoken.spec](PROMPT)}
    assert asked.path == spoken.path
    assert asked.body["stream"] is True
    assert asked.headers["idempotency-key"] == "run-1-1"
    assert KEY in asked.headers.get("x-api-key", asked.headers.get("authorization", ""))


def test_settings_of_the_model_go_along_below_those_of_the_prompt(spoken: Spoken):
    with upstream(spoken.answer(spoken.text)) as server:
        ask(spoken.model(server.address, temperature=1, top_p=0.5))
    assert (server.asked[0].body["temperature"], server.asked[0].body["top_p"]) == (0, 0.5)


def test_a_server_that_can_not_stream_is_asked_without(spoken: Spoken):
    bodies: dict[str, Json] = {
        ANTHROPIC.spec: {"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"},
        CHAT.spec: {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]},
        RESPONSES.spec: {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]},
    }
    with upstream(whole(bodies[spoken.spec])) as server:
        reply = ask(spoken.model(server.address, stream=False))
    assert reply.text == "Hi"
    assert server.asked[0].body["stream"] is False


def test_a_known_model_has_a_price_and_an_unknown_one_costs_nothing(spoken: Spoken):
    pytest.importorskip("genai_prices")
    with upstream(spoken.answer(spoken.text)) as server:
        known = spoken._replace(spec=spoken.spec).model(server.address)
        costs = [ask(known).usage.cost_microusd]
        unknown = spoken._replace(spec=f"{spoken.spec.partition(':')[0]}:no-such-model")
        costs.append(ask(unknown.model(server.address)).usage.cost_microusd)
    # Sonnet 4.5: 20 at $3, 80 cached at $0.30, 10 out at $15, per million. GPT-4o: 2.50, 1.25, 10. The
    # price of a model on a server of one's own isn't known.
    assert costs == [{ANTHROPIC.spec: 234, CHAT.spec: 0, RESPONSES.spec: 250}[spoken.spec], 0]


def test_a_model_that_was_closed_can_be_asked_again_from_another_loop(spoken: Spoken):
    with upstream(spoken.answer(spoken.text)) as server:
        model = spoken.model(server.address)
        assert [ask(model).text for _ in range(2)] == ["Hello world"] * 2


def test_many_questions_share_one_model(spoken: Spoken):
    async def main(model: AskedModel) -> list[Reply]:
        asking = [model.ask(PROMPT, key=f"k{number}", on_text=None, timeout=20) for number in range(8)]
        try:
            return await asyncio.gather(*asking)
        finally:
            await model.close()

    with upstream(spoken.answer(spoken.text)) as server:
        replies = asyncio.run(main(spoken.model(server.address)))
    assert [reply.text for reply in replies] == ["Hello world"] * 8
    assert {asked.headers["idempotency-key"] for asked in server.asked} == {
        f"k{number}" for number in range(8)
    }


def test_reasoning_models_are_asked_for_what_they_reasoned_and_others_are_not():
    with upstream(RESPONSES.answer(RESPONSES.text)) as server:
        for name in ("gpt-5-mini", "o3", "gpt-4o", "gpt-5-chat-latest"):
            ask(RESPONSES._replace(spec=f"openai:{name}").model(server.address))
    asked = [asked.body.get("include") for asked in server.asked]
    assert asked == [["reasoning.encrypted_content"], ["reasoning.encrypted_content"], None, None]


def test_arguments_cut_off_by_the_length_of_the_output_are_unreadable():
    chunk: Event = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
    cut = [*CHAT.call[:2], chunk]
    with upstream(CHAT.answer(cut)) as server:
        reply = ask(CHAT.model(server.address))
    assert reply.stop == "length"
    assert [(call.tool, call.arguments) for call in reply.calls] == [("pay", None)]
    assert dicts_at(server.asked[0].body, "messages")[0]["role"] == "system"
