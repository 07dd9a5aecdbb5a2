"""What a relay does where an exchange does not go its usual way: errors, cuts, bounds, other tools, kept histories."""

import json
from collections.abc import Sequence

import anthropic
import openai
import pytest

from perdure.values.digest import Json
from perdure.values.limits import RECALL_ROUNDS_MAX
from perdure.wire.bodies.digests import held_digest
from perdure.wire.bodies.nouns import Api
from perdure.wire.reading import dict_at, dicts_at, text_at
from perdure.wire.streaming.exchange import Given, Memory, Screen
from perdure.wire.streaming.relay import Relay, memory_of
from tests.wire.streaming.clients import understood
from tests.wire.streaming.driving import RECALLS, driven, played, shape, shapes
from tests.wire.streaming.provider import RECALL, Ask, Script, Thought, Words, sse, streamed, whole
from tests.wire.streaming.strict import Shape
from tests.wire.streaming.test_counts import events, miscounts

APIS: tuple[Api, ...] = ("messages", "chat", "responses")
every_api = pytest.mark.parametrize("api", APIS)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])


def recall(number: int, *before: Thought | Words) -> Script:
    return Script((*before, Ask(f"r{number}", RECALL, {"page": f"p-{number}"})), number)


def reply(api: Api, script: Script, stream: bool = True) -> bytes:
    return (streamed if stream else whole)(api, script)


def read(api: Api, told: bytes, stream: bool) -> Shape:
    return understood(api, told) if stream else shape(told)


def texts(api: Api, made: Shape) -> str:
    match api:
        case "messages":
            return " ".join(text_at(block, "text") for block in dicts_at(made, "content"))
        case "chat":
            return text_at(dict_at(dicts_at(made, "choices")[0], "message"), "content")
        case "responses":
            parts = [part for item in dicts_at(made, "output") for part in dicts_at(item, "content")]
            return " ".join(text_at(part, "text") for part in parts)


def stop(api: Api, made: Shape) -> str:
    match api:
        case "messages":
            return text_at(made, "stop_reason")
        case "chat":
            return text_at(dicts_at(made, "choices")[0], "finish_reason")
        case "responses":
            return text_at(made, "status")


@every_api
def test_what_came_before_a_recall_is_given_at_once(api: Api):
    relay = Relay(api, RECALLS, streamed=True)
    sent = reply(api, recall(1, Words("let me look")))
    at = sent.index(RECALL.encode())
    assert b"let m" in relay.feed(sent[:at])
    assert relay.feed(sent[at:]) == b""
    assert relay.stage == "asking"
    assert not relay.mixed


@both_ways
@every_api
def test_a_model_that_goes_round_in_circles_is_stopped(api: Api, stream: bool):
    rounds = RECALL_ROUNDS_MAX + 3
    scripts = [recall(number, Words(f"w{number}")) for number in range(1, rounds)]
    heard = played(api, scripts, stream=stream)
    assert heard.relay.stage == "ended"
    assert len(heard.asked) == len(heard.follow_ups) + 1 == RECALL_ROUNDS_MAX
    made = read(api, heard.told, stream)
    assert stop(api, made) == {"messages": "end_turn", "chat": "stop", "responses": "completed"}[api]
    assert texts(api, made).split() == [f"w{number}" for number in range(1, RECALL_ROUNDS_MAX + 1)]
    assert all(hidden.joined is not None for hidden in heard.hidden)


@both_ways
@every_api
def test_a_recall_that_was_cut_off_by_the_length_is_dropped(api: Api, stream: bool):
    length = {"messages": "max_tokens", "chat": "length", "responses": "max_output_tokens"}[api]
    script = recall(1, Words("so far"))._replace(stop=length)
    heard = played(api, [script], stream=stream)
    assert (heard.relay.stage, heard.hidden, heard.asked) == ("ended", (), ())
    assert RECALL.encode() not in heard.told
    if api == "chat" and stream:
        assert dicts_at(events(heard.told)[-2], "choices")[0]["finish_reason"] == "length"
        return
    if api == "responses" and stream:
        last = events(heard.told)[-1]
        assert (last["type"], text_at(dict_at(last, "response"), "status")) == (
            "response.incomplete",
            "incomplete",
        )
        return
    made = read(api, heard.told, stream)
    assert texts(api, made) == "so far"
    assert stop(api, made) == ("incomplete" if api == "responses" else length)


@both_ways
@every_api
def test_a_cut_in_a_later_round_keeps_what_was_answered_before(api: Api, stream: bool):
    length = {"messages": "max_tokens", "chat": "length", "responses": "max_output_tokens"}[api]
    last = recall(2, Words("so"))._replace(stop=length)
    heard = played(api, [recall(1), last], stream=stream)
    assert heard.relay.stage == "ended"
    assert [call.id for call in heard.asked] == ["r1"]
    assert [hidden.joined for hidden in heard.hidden] == [None]
    assert b"r2" not in heard.hidden[0].split


def error_in(api: Api) -> bytes:
    match api:
        case "messages":
            return sse(
                [("error", {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})]
            )
        case "chat":
            return b'data: {"error":{"message":"busy","type":"server_error","code":"server_error"}}\n\n'
        case "responses":
            error: Json = {"code": "server_error", "message": "busy"}
            failed: Json = {"id": "resp_1", "status": "failed", "error": error}
            event: Json = {"type": "response.failed", "response": failed, "sequence_number": 9}
            return sse([("response.failed", event)])


@every_api
def test_an_error_within_a_stream_goes_to_the_client_as_it_came(api: Api):
    begun = reply(api, Script((Words("well"),)))[:-200]
    begun = begun[: begun.rindex(b"\n\n") + 2]
    relay = Relay(api, RECALLS, streamed=True)
    stream = begun + error_in(api)
    assert relay.feed(stream) + relay.close() == stream
    assert relay.stage == "broken"
    mishap = relay.learned.mishap
    assert mishap is not None
    assert (mishap.text, mishap.passing) == ("busy", True)


@every_api
def test_an_error_in_a_later_round_ends_the_reply_with_it(api: Api):
    begun = reply(api, Script((Words("well"),), 2))
    begun = begun[: begun.index(b"\n\n", len(begun) // 3) + 2]
    heard = driven(Relay(api, RECALLS, streamed=True), [reply(api, recall(1)), begun + error_in(api)])
    assert heard.relay.stage == "broken"
    assert heard.hidden == ()
    assert b"busy" in heard.told
    with pytest.raises((anthropic.APIError, openai.APIError, RuntimeError)):
        understood(api, heard.told)


@every_api
def test_a_stream_that_is_cut_ends_as_it_is(api: Api):
    whole_one = reply(api, recall(1, Words("let me look")))
    relay = Relay(api, RECALLS, streamed=True)
    told = relay.feed(whole_one[: whole_one.index(RECALL.encode()) + 40]) + relay.close()
    assert relay.stage == "broken"
    assert RECALL.encode() not in told
    assert relay.asked == ()
    assert relay.hidden == ()


@every_api
@pytest.mark.parametrize(
    ("status", "body"), [(429, b"slow down"), (529, b""), (400, b'{"error":{"message":"no"}}')]
)
def test_a_follow_up_that_was_refused_is_told_in_the_streams_own_words(api: Api, status: int, body: bytes):
    relay = Relay(api, RECALLS, streamed=True)
    told = relay.feed(reply(api, recall(1, Words("well"))))
    assert relay.answer({"r1": Given("x")}) is not None
    told += relay.fail(status, body)
    assert relay.stage == "broken"
    if api == "responses":
        last = events(told)[-1]
        assert last["sequence_number"] == len(events(told)) - 1
        assert last["type"] == "response.failed"
        assert text_at(dict_at(dict_at(last, "response"), "error"), "message")
    with pytest.raises((anthropic.APIError, openai.APIError, RuntimeError)):
        understood(api, told)


@every_api
def test_an_end_without_its_blank_line_is_an_end(api: Api):
    for scripts in ([Script((Words("so"),))], [recall(1), Script((Words("so"),), 2)]):
        cut = [reply(api, script)[:-1] for script in scripts]
        heard = driven(Relay(api, RECALLS, streamed=True), cut)
        assert heard.relay.stage == "ended"
        assert texts(api, understood(api, heard.told.rstrip() + b"\n\n")) == "so"


@both_ways
@every_api
def test_answers_wait_for_the_clients_own_results_where_calls_are_mixed(api: Api, stream: bool):
    script = Script((Ask("r1", RECALL, {}), Ask("b1", "Bash", {"c": "ls"}), Ask("r2", RECALL, {})))
    heard = played(api, [script], stream=stream)
    assert heard.follow_ups == ()
    assert [call.id for call in heard.asked] == ["r1", "r2"]
    [hidden] = heard.hidden
    assert hidden.joined is not None
    names = {"messages": "tool_use_id", "chat": "tool_call_id", "responses": "call_id"}
    assert [answer[names[api]] for answer in shapes(hidden.joined)] == ["r1", "r2"]
    assert (
        stop(api, read(api, heard.told, stream))
        == {"messages": "tool_use", "chat": "tool_calls", "responses": "completed"}[api]
    )


# --- other tools than recall ----------------------------------------------------------------------


@both_ways
@every_api
def test_a_call_that_misses_its_schema_is_answered_and_not_forwarded(api: Api, stream: bool):
    """The mechanism is not recall's: what is withheld depends on the arguments here."""

    def misses(name: str, arguments: str) -> bool:
        return "path" not in json.loads(arguments)

    screen = Screen(frozenset({"Write"}), misses)
    scripts = [
        Script((Words("writing"), Ask("w1", "Write", {"file": "a"})), 1),
        Script((Ask("w2", "Write", {"path": "a"}), Ask("b1", "Bash", {})), 2),
    ]
    heard = played(api, scripts, stream=stream, screen=screen)
    assert [call.id for call in heard.asked] == ["w1"]
    assert b"w1" not in heard.told
    assert b"w2" in heard.told
    assert b"b1" in heard.told
    if stream:
        assert miscounts(events(heard.told)) == []


# --- histories that the provider keeps -------------------------------------------------------------


@both_ways
def test_a_response_that_is_kept_by_the_provider_goes_on_from_the_last_id(stream: bool):
    relay = Relay("responses", RECALLS, streamed=stream, knows=Memory("response", stored=True))
    replies = [
        reply("responses", script, stream) for script in (recall(1), recall(2), Script((Words("so"),), 3))
    ]
    heard = driven(relay, replies)
    assert [(follow_up.replaces, follow_up.previous) for follow_up in heard.follow_ups] == [
        (True, "resp_1"),
        (True, "resp_2"),
    ]
    assert [[shape(one)["call_id"] for one in follow_up.elements] for follow_up in heard.follow_ups] == [
        ["r1"],
        ["r2"],
    ]
    made = read("responses", heard.told, stream)
    assert made.get("previous_response_id") is None
    if stream:
        assert made["id"] == "resp_1"
        assert [(hidden.merged, hidden.split) for hidden in heard.hidden] == [
            (held_digest("resp_1"), b'["resp_3"]')
        ]
    else:
        assert made["id"] == "resp_3"
        assert heard.hidden == ()


@both_ways
def test_answers_join_results_that_name_the_response_they_go_on_from(stream: bool):
    relay = Relay("responses", RECALLS, streamed=stream, knows=Memory("response", stored=True))
    heard = driven(
        relay, [reply("responses", Script((Ask("r1", RECALL, {}), Ask("b1", "Bash", {}))), stream)]
    )
    [hidden] = heard.hidden
    assert (hidden.merged, hidden.split) == (held_digest("resp_1"), b'["resp_1"]')
    assert hidden.joined is not None
    assert shapes(hidden.joined)[0]["call_id"] == "r1"


def test_a_conversation_that_is_kept_is_only_sent_the_answers():
    relay = Relay("responses", RECALLS, streamed=True, knows=Memory("conversation", stored=True))
    relay.feed(reply("responses", recall(1)))
    follow_up = relay.answer({"r1": Given("x")})
    assert follow_up is not None
    assert (follow_up.replaces, follow_up.previous, len(follow_up.elements)) == (True, "", 1)


def test_reasoning_that_nobody_keeps_and_that_does_not_stand_for_itself_is_not_sent_back():
    def told(stored: bool) -> Sequence[Shape]:
        bare = whole("responses", recall(1, Thought("hm"))).replace(
            b'"encrypted_content"', b'"encrypted_elsewhere"'
        )
        relay = Relay("responses", RECALLS, streamed=False, knows=Memory(stored=stored))
        relay.feed(bare)
        relay.close()
        follow_up = relay.answer({"r1": Given("x")})
        assert follow_up is not None
        return [shape(element) for element in follow_up.elements]

    assert [item["type"] for item in told(stored=True)] == [
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    unkept = told(stored=False)
    assert [item["type"] for item in unkept] == ["function_call", "function_call_output"]
    assert "id" not in unkept[0]


def test_what_the_provider_remembers_is_read_out_of_the_request():
    assert memory_of("responses", b'{"input":[]}') == Memory("", stored=True)
    assert memory_of("responses", b'{"store": false}') == Memory()
    assert memory_of("responses", b'{"previous_response_id": "resp_1"}') == Memory("response", stored=True)
    assert memory_of("responses", b'{"previous_response_id": null}') == Memory("", stored=True)
    assert memory_of("responses", b'{"conversation": {"id": "c"}}') == Memory("conversation", stored=True)
    assert memory_of("chat", b'{"store": true}') == Memory()


# --- details --------------------------------------------------------------------------------------


def test_a_usage_that_the_client_did_not_ask_for_is_not_told():
    for scripts in ([Script((Words("so"),))], [recall(1), Script((Words("so"),), 2)]):
        heard = driven(
            Relay("chat", RECALLS, streamed=True, usage_wanted=False), [reply("chat", one) for one in scripts]
        )
        assert b'"usage"' not in heard.told
        assert heard.told.endswith(b"data: [DONE]\n\n")
        assert [usage.output_tokens for usage in heard.relay.usages] == [one.number for one in scripts]


def test_a_chat_stream_without_its_last_line_ends_all_the_same():
    unended = [
        reply("chat", one).replace(b"data: [DONE]\n\n", b"") for one in (recall(1), Script((Words("so"),), 2))
    ]
    heard = driven(Relay("chat", RECALLS, streamed=True), unended)
    assert heard.relay.stage == "ended"
    assert texts("chat", understood("chat", heard.told)) == "so"


def test_lists_with_places_are_counted_on_over_rounds():
    def thinking(script: Script) -> bytes:
        detail = (
            b'"delta": {"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "t%d"}]}'
            % script.number
        )
        return reply("chat", script).replace(b'"delta": {"role": "assistant", "content": ""}', detail)

    heard = driven(
        Relay("chat", RECALLS, streamed=True), [thinking(recall(1)), thinking(Script((Words("so"),), 2))]
    )
    message = dict_at(dicts_at(understood("chat", heard.told), "choices")[0], "message")
    assert [detail["text"] for detail in dicts_at(message, "reasoning_details")] == ["t1", "t2"]


def test_an_answer_that_is_an_error_says_so():
    relay = Relay("messages", RECALLS, streamed=True)
    relay.feed(reply("messages", recall(1)))
    follow_up = relay.answer({"r1": Given("no such page", is_error=True)})
    assert follow_up is not None
    assert dicts_at(shape(follow_up.elements[1]), "content")[0]["is_error"] is True


def test_pings_pass_while_a_call_is_awaited():
    sent = reply("messages", recall(1))
    at = sent.index(b'"partial_json": "{')
    at = sent.index(b"\n\n", at) + 2
    relay = Relay("messages", RECALLS, streamed=True)
    relay.feed(sent[:at])
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    assert relay.feed(ping) == ping
    assert relay.feed(b": still there\n\n") == b": still there\n\n"
    assert relay.feed(sent[at:]) == b""
    assert relay.asked[0].arguments == '{"page": "p-1"}'


def test_a_reply_that_is_cut_counts_with_what_it_has_told():
    sent = reply("messages", recall(1))
    relay = Relay("messages", RECALLS, streamed=True)
    assert relay.usages == ()
    relay.feed(sent[: sent.index(b"ping")])
    assert [usage.input_tokens for usage in relay.usages] == [1110]
    relay.close()
    assert [usage.input_tokens for usage in relay.usages] == [1110]
    assert relay.stage == "broken"
