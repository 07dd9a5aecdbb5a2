"""What real clients send is understood; what nobody sends is passed over."""

import copy
import json
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.intention.declaration import Declaration
from perdure.values.digest import Json, digest
from perdure.values.limits import MEDIA_CHARACTERS, WIRE_BODY_BYTES_MAX
from perdure.wire.bodies.changing import text_added, tool_added
from perdure.wire.bodies.hidden import unmerged
from perdure.wire.bodies.nouns import Api, Endpoint
from perdure.wire.bodies.reading import Memo, endpoint_of, read_request
from perdure.wire.bodies.splicing import splice
from tests.wire.bodies.clients import CHAT_AGENT, CLAUDE_CODE, CODEX
from tests.wire.bodies.sending import APIS, Spoke, body_of, conversations, items_of, read
from tests.wire.bodies.spelling import randoms, spelled, values

CLIENTS: dict[Api, dict[str, Json]] = {"messages": CLAUDE_CODE, "chat": CHAT_AGENT, "responses": CODEX}
RECALL = Declaration("perdure_recall")
ENDPOINTS: tuple[Endpoint, ...] = ("messages", "count_tokens", "chat", "responses", "compact")


def test_a_request_of_claude_code_is_understood():
    request = read("messages", CLAUDE_CODE)
    assert (request.model, request.stream, request.purpose) == ("claude-x-5", True, "main")
    assert request.session == "0b5c9d3e-1111-4222-8333-944445555666"
    assert request.searched
    assert not request.forced
    assert [(tool.name, tool.deferred) for tool in request.tools if tool.schema] == [
        ("Read", False),
        ("Bash", False),
        ("mcp__db__ask", True),
    ]
    assert [item.role for item in request.items] == [
        "user", "assistant", "tool", "system", "assistant", "user",
    ]  # fmt: skip
    assert [(result.call, result.fixed, result.is_error, result.shape) for result in request.results] == [
        ("toolu_1", "", False, "text"),
        ("toolu_2", "", True, "blocks"),
        ("toolu_3", "media", False, "blocks"),
        ("toolu_4", "form", False, "blocks"),
    ]
    assert [request.text(result) for result in request.results[:2]] == [
        'all:\n\techo "done"\n',
        "no such file\nexit 1",
    ]
    assert [result.made.about for result in request.results if result.made] == [
        "/repo/Makefile",
        "cat src/a.py | head -5",
        "/repo/a.png",
        "x in src",
    ]
    assert request.results[1].made is not None
    assert request.results[1].made.paths == ("src/a.py",)
    assert request.results[2].characters == MEDIA_CHARACTERS
    assert [call.tool for call in request.calls_since(4)] == ["Grep", "mcp__db__ask"]
    assert request.said_since(1).startswith("First look.\nI look.\n")


def test_a_request_of_codex_is_understood():
    request = read("responses", CODEX)
    assert (request.session, request.purpose, request.searched) == (CODEX["prompt_cache_key"], "main", True)
    assert [tool.name for tool in request.tools] == ["exec_command", "apply_patch", "ask", "web_search"]
    ask = request.tools[2]
    assert json.loads(request.body[ask.span.start : ask.span.end])["name"] == "ask"
    assert [(result.call, result.fixed) for result in request.results] == [
        ("call_1", ""),
        ("call_2", ""),
        ("call_3", ""),
        ("call_4", "media"),
    ]
    assert [(result.made.tool, result.made.about) for result in request.results if result.made] == [
        ("exec_command", "sed -n 1,20p src/main.rs"),
        ("apply_patch", "src/main.rs"),
        ("local_shell", "make test"),
        ("view_image", "/repo/a.png"),
    ]
    paths = [result.made.paths for result in request.results if result.made]
    assert paths == [("src/main.rs",), ("src/main.rs",), (), ("/repo/a.png",)]


def test_calls_that_are_counted_anew_in_each_reply_are_told_apart():
    request = read("chat", CHAT_AGENT)
    assert request.session == "ses_1"
    told = [
        (result.call, request.text(result), result.made and result.made.about) for result in request.results
    ]
    assert told == [
        ("call_0", "x = 1\n", "/repo/a.py"),
        ("call_1", "ok", '{"command":"make'),
        ("call_0#2", "y = 2\n", "/repo/b.py"),
        ("old", "old result", ""),
    ]


def test_one_text_is_a_whole_input_and_goes_on_from_a_response_that_is_kept():
    request = read("responses", {"model": "m", "input": "go on", "previous_response_id": "resp_1"})
    assert request.previous == "resp_1"
    assert [item.role for item in request.items] == ["user"]
    assert read("responses", {"input": [{"role": "user", "content": "go on"}]}).digests == request.digests


@given(st.sampled_from(APIS), conversations(), randoms)
def test_each_result_stands_where_it_is_said_to_stand(api: Api, turns: list[Spoke], random: Random):
    body = spelled(body_of(api, turns), random, shuffled=True)
    request = read(api, body)
    did = [did for turn in turns for did in turn.did]
    assert len(request.results) == len(did)
    for result, done in zip(request.results, did, strict=True):
        said = done.result if isinstance(done.result, str) else "\n".join(done.result)
        assert request.text(result) == said
        assert (result.digest, result.size) == (digest(said.encode()), len(said.encode()))
        assert result.made is not None
        assert (result.call, result.made.tool) == (done.call, done.tool)
        item = body[slice(*request.items[result.place].span)]
        assert result.call in json.dumps(json.loads(item))
        assert body[slice(*result.span)] in item
    counted = [result.before for result in request.results]
    assert counted == sorted(counted)
    assert all(count <= request.characters for count in counted)
    assert [call for _, call in request.calls] == [result.made for result in request.results]


@given(st.sampled_from(APIS), conversations(), randoms)
def test_a_body_that_is_read_and_not_changed_is_the_same_body(api: Api, turns: list[Spoke], random: Random):
    body = spelled(body_of(api, turns), random)
    assert splice(read(api, body).body, ()) is body


def test_a_second_reading_is_the_same_and_reads_only_what_is_new():
    memo = Memo()
    turns = [Spoke("go", f"look {number}", ()) for number in range(9)]
    first = read("chat", body_of("chat", turns[:8]), memo)
    known = dict(memo.parts)
    again = read("chat", body_of("chat", turns), memo)
    assert len(memo.parts) - len(known) == 1
    assert all(memo.parts[key] is part for key, part in known.items())
    assert again.digests[: len(first.digests)] == first.digests
    assert again == read("chat", body_of("chat", turns), Memo())


def test_what_was_read_long_ago_is_forgotten_first():
    memo = Memo(parts_max=4)
    for number in range(20):
        read(
            "chat",
            {"messages": [{"role": "user", "content": f"{number}"}, {"role": "user", "content": "on"}]},
            memo,
        )
    assert len(memo.parts) == 4
    assert read("chat", {"messages": [{"role": "user", "content": "on"}]}, memo).items
    assert len(memo.parts) == 4


@given(st.sampled_from(ENDPOINTS), values)
def test_any_json_is_read_or_left_alone(endpoint: Endpoint, value: Json):
    request = read_request(endpoint, json.dumps(value).encode(), Memo())
    assert (request is None) == (not isinstance(value, dict))


STRANGE: tuple[Json, ...] = (
    None,
    True,
    -1,
    1e300,
    "x",
    "",
    [],
    {},
    [[]],
    [None],
    {"type": []},
    [{"type": {}}],
)


def places_in(value: Json) -> Iterator[tuple[dict[str, Json] | list[Json], str | int]]:
    """Yield every place in ``value``, as what it is in and its name or number there."""
    if isinstance(value, dict):
        for name in list(value):
            yield value, name
            yield from places_in(value[name])
    elif isinstance(value, list):
        for place in range(len(value)):
            yield value, place
            yield from places_in(value[place])


@pytest.mark.parametrize("api", APIS)
def test_wrong_types_anywhere_are_passed_over(api: Api):
    body = copy.deepcopy(CLIENTS[api])
    memo, name, looked = Memo(), _name(api), 0
    for holder, key in places_in(body):
        was = _at(holder, key)
        for strange in STRANGE:
            _put(holder, key, strange)
            request = read(api, body, memo)
            assert isinstance(body[name], str) or len(request.items) == len(items_in(body[name]))
            assert all(isinstance(request.text(result), str) for result in request.results)
            assert isinstance(request.said_since(0), str)
            assert unmerged(request, {"x": b"[]"}, {}) == []
            for edit in (tool_added(request, RECALL), text_added(request, "index")):
                assert edit is None or json.loads(splice(request.body, [edit]))
            looked += 1
        _put(holder, key, was)
    assert body == CLIENTS[api]
    assert looked > 1000


def _at(holder: dict[str, Json] | list[Json], key: str | int) -> Json:
    if isinstance(holder, dict):
        return holder[str(key)]
    assert isinstance(key, int)
    return holder[key]


def _put(holder: dict[str, Json] | list[Json], key: str | int, value: Json) -> None:
    if isinstance(holder, dict):
        assert isinstance(key, str)
        holder[key] = value
    else:
        assert isinstance(key, int)
        holder[key] = value


def items_in(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _name(api: Api) -> str:
    return "input" if api == "responses" else "messages"


@given(st.sampled_from(APIS), st.data())
def test_broken_bodies_are_left_alone(api: Api, data: st.DataObject):
    body = json.dumps(CLIENTS[api]).encode()
    cut = data.draw(st.integers(0, len(body) - 1))
    assert read_request(api, body[:cut], Memo()) is None
    flipped = bytearray(body)
    flipped[cut] = data.draw(st.integers(0, 255))
    request = read_request(api, bytes(flipped), Memo())
    assert request is None or json.loads(bytes(flipped))


@pytest.mark.parametrize("api", APIS)
def test_a_name_that_stands_twice_leaves_the_whole_body_alone(api: Api):
    body = json.dumps(CLIENTS[api]).encode()
    assert read_request(api, body[:-1] + b',"model":"other"}', Memo()) is None
    item = json.dumps(items_of(api, CLIENTS[api])[0]).encode()
    assert item in body
    twice = item[:-1] + b',"role":"user"}'
    assert read_request(api, body.replace(item, twice, 1), Memo()) is None


@pytest.mark.parametrize("api", APIS)
def test_what_is_too_deep_too_large_or_no_text_is_left_alone(api: Api):
    name = _name(api).encode()
    deep = b"[" * 5000 + b"]" * 5000
    assert read_request(api, b'{"%b":[{"role":"user","content":%b}]}' % (name, deep), Memo()) is None
    large = b'{"%b":[],"pad":"%b"}' % (name, b"a" * WIRE_BODY_BYTES_MAX)
    assert read_request(api, large, Memo()) is None
    assert read_request(api, b'{"%b":[{"role":"user","content":"\\ud800"}]}' % name, Memo()) is None
    assert read_request(api, b'{"%b":[{"role":"user","content":"\xff"}]}' % name, Memo()) is None
    assert read_request(api, b"\xef\xbb\xbf" + json.dumps(CLIENTS[api]).encode(), Memo()) is None


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/messages", "messages"),
        ("/v1/messages?beta=true", "messages"),
        ("/v1/messages/count_tokens", "count_tokens"),
        ("/anthropic/v1/messages/", "messages"),
        ("/v1/chat/completions", "chat"),
        ("/v1/responses", "responses"),
        ("/backend-api/codex/responses", "responses"),
        ("/v1/responses/compact", "compact"),
        ("/v1/models", None),
        ("/v1/responses/resp_1", None),
        ("/v1/messages/batches", None),
        ("/", None),
    ],
)
def test_the_path_says_what_is_asked(path: str, endpoint: Endpoint | None):
    assert endpoint_of(path) == endpoint
