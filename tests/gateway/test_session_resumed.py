"""A client that is resumed goes on where it was to, or isn't answered; a keeper that begins anew knows where it was."""

import asyncio
import json
from pathlib import Path

from perdure.adapters.holders import this_holder
from perdure.assembly.store import open_store
from perdure.log import events as e
from tests.clients.talker import HEADERS
from tests.gateway.raw import RawUpstream, ask, chunked
from tests.gateway.talking import Json, bodies, checked_runs, fine, runs_of, says
from tests.gateway.wrapped import Model, Wrapped, calls_in, pay, result, wrapped
from tests.sessions.ground import Bank, of, played


async def turns(client: Wrapped, count: int, **headers: str) -> list[Json]:
    """The client's main conversation has so many turns; return its messages before the last reply."""
    chat = client.chat("Begin.", **headers)
    sent: list[Json] = []
    for number in range(count):
        if number:
            chat.messages.append({"role": "user", "content": f"step {number}"})
        sent = [*chat.messages]
        await client.say(chat)
    return sent


def sent_by(client: Wrapped, number: int) -> tuple[str, ...]:
    """Return the digests of what the request of that number sent."""
    sent: tuple[str, ...] = ()
    for fact in client.facts(e.RequestForwarded):
        assert isinstance(fact, e.RequestForwarded)
        sent = (*sent[: fact.kept], *fact.messages)
        if fact.number == number:
            break
    return sent


def test_a_client_resumed_in_another_place_is_refused_with_words(upstream: RawUpstream, tmp_path: Path):
    expects: list[str] = []

    async def first() -> list[Json]:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            messages = await turns(client, 3)
            expects.extend(sent_by(client, 3))
            return messages

    async def second(messages: list[Json]) -> None:
        expects[0] = ""
        async with wrapped(tmp_path / "s", upstream.url, Bank(), expects=expects) as client:
            before = len(upstream.seen)
            status, words = await client.ask(client.chat("Something else."))
            assert (status, len(upstream.seen)) == (409, before)
            assert words["error"]["type"] == "invalid_request_error"
            assert "was to go on from 5 messages" in words["error"]["message"]
            assert "P619" in words["error"]["message"]
            side = client.chat("a title")
            side.tools = []
            assert (await client.ask(side, system="Name it."))[0] == 200
            chat = client.chat()
            chat.messages = [
                *messages,
                {"role": "assistant", "content": "fine"},
                {"role": "user", "content": "on"},
            ]
            assert (await client.ask(chat))[0] == 200
            assert client.facts(e.RunRewound) == []

    played(second(played(first())))
    assert [each.number for each in bodies(checked_runs(tmp_path / "s")["one"], e.RequestForwarded)] == [
        1,
        2,
        3,
        4,
    ]


def test_a_client_that_a_person_took_back_goes_back_no_second_time(upstream: RawUpstream, tmp_path: Path):
    async def first() -> list[Json]:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            messages = await turns(client, 4, session_id="old")
            return messages[:3]

    async def second(messages: list[Json]) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            chat = client.chat(session_id="new")
            chat.messages = [*messages, {"role": "user", "content": "otherwise"}]
            await client.say(chat)
            (back,) = client.facts(e.RunRewound)
            assert isinstance(back, e.RunRewound)
            assert back.by == "somebody"
            *_, newest = client.facts(e.RequestForwarded)
            assert isinstance(newest, e.RequestForwarded)
            assert (newest.number, newest.broken, newest.session) == (5, "", "new")
            known = client.session.state.live.conversation
            assert known is not None
            assert known.session == "new"

    messages = played(first())
    own = runs_of(tmp_path / "s")["one"]
    forwarded = [event for event in own if isinstance(event.body, e.RequestForwarded)]
    with open_store(tmp_path / "s") as store:
        store.rewind("one", to=forwarded[1].position, by="somebody", files=False)
    played(second(messages))
    checked_runs(tmp_path / "s")


def test_a_keeper_that_is_killed_tells_a_sub_agent_from_the_main_loop_all_the_same(tmp_path: Path):
    model = Model()

    async def first(upstream: RawUpstream) -> tuple[list[Json], Json]:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            chat = client.chat()
            model.next.append(pay(1, "r"))
            (task,) = calls_in(await client.say(chat))
            return chat.messages, task

    async def second(upstream: RawUpstream, messages: list[Json], task: Json) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank(), attaches=False) as client:
            await client.say(client.chat("You are the sub-agent."))
            chat = client.chat()
            chat.messages = [*messages, result(task, "it is done")]
            await client.say(chat)
            assert len(client.facts(e.RequestForwarded)) == 2
            assert len(client.facts(e.ConversationJoined)) == 1

    with RawUpstream(says(model)) as upstream:
        messages, task = played(first(upstream))
        played(second(upstream, messages, task))
    checked_runs(tmp_path / "s")


def test_nobody_without_the_token_in_the_path_comes_in(upstream: RawUpstream, tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank(), token="s3cret") as client:
            body = client.chat().body()

            def at(path: str) -> int:
                return ask(client.gateway.port, "POST", path, HEADERS, body).status

            assert await asyncio.to_thread(at, "/v1/messages") == 401
            assert await asyncio.to_thread(at, "/-/other/v1/messages") == 401
            assert await asyncio.to_thread(at, "/-/s3cret/v1/messages") == 200
            assert upstream.seen[-1].line == "POST /v1/messages HTTP/1.1"
            assert len(client.facts(e.RequestForwarded)) == 1

    played(story())


def test_a_run_that_can_not_be_written_answers_its_client_with_that(upstream: RawUpstream, tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            chat = client.chat()
            await client.say(chat)
            books = client.session.store.books
            await asyncio.to_thread(books.acquire, "one", this_holder("somebody else"), take_over=True)
            chat.messages.append({"role": "user", "content": "on"})
            await client.ask(chat)
            status, words = await client.ask(chat)
            assert status == 409
            assert "P620" in words["error"]["message"]

    played(story())


GEMINI_TOOLS = [{"functionDeclarations": [{"name": "pay"}, {"name": "read_file"}]}]


def gemini_says(parts: list[Json]) -> bytes:
    """Return a reply's stream."""
    shape = {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 4, "cachedContentTokenCount": 20},
    }
    return b"data: %b\r\n\r\n" % json.dumps(shape).encode()


def test_geminis_questions_pass_as_they_are_and_are_turns_of_the_run(tmp_path: Path):
    replies = [
        [{"text": "I pay."}, {"functionCall": {"id": "c1", "name": "pay", "args": {"invoice": "7"}}}],
        [{"text": "Paid."}],
    ]
    bank = Bank()

    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, bank) as client:
            contents: list[Json] = [{"role": "user", "parts": [{"text": "Pay."}]}]

            def send() -> bytes:
                upstream.serve = chunked(
                    (("Content-Type", "text/event-stream"),), [gemini_says(replies.pop(0))]
                )
                body = json.dumps({"contents": contents, "tools": GEMINI_TOOLS}).encode()
                path = "/v1beta/models/gemini-3:streamGenerateContent?alt=sse"
                got = ask(client.gateway.port, "POST", path, (("User-Agent", "GeminiCLI/0.61.0"),), body)
                assert (got.status, upstream.seen[-1].body) == (200, body)
                return got.body

            said = await asyncio.to_thread(send)
            assert b"functionCall" in said
            block = {"name": "mcp__bank__pay", "id": "c1", "input": {"invoice": "7", "reference": "a"}}
            await client.carry_out(block)
            answer = {
                "functionResponse": {"id": "c1", "name": "pay", "response": {"output": '{"receipt":1}'}}
            }
            contents += [
                {
                    "role": "model",
                    "parts": [{"text": "I pay."}, {"functionCall": {"id": "c1", "name": "pay"}}],
                },
                {"role": "user", "parts": [answer]},
            ]
            await asyncio.to_thread(send)
            assert client.facts(e.RunRewound) == []
            replies.append([{"text": "Again?"}])
            contents[2:] = [{"role": "user", "parts": [{"text": "I stopped you."}]}]
            await asyncio.to_thread(send)
            assert len(client.facts(e.RunRewound)) == 1
            assert of("bank__pay", bank) == 1

    with RawUpstream(says(fine)) as upstream:
        played(story(upstream))
    own = checked_runs(tmp_path / "s")["one"]
    (opened,) = bodies(own, e.ConversationOpened)
    assert (opened.api, opened.model) == ("gemini", "gemini-3")
    answered = bodies(own, e.RequestAnswered)
    assert [each.stop for each in answered] == ["function_call", "STOP", "STOP"]
    assert answered[0].usage == e.Usage(30, 4, 20)


def test_a_client_whose_main_loop_offers_no_tools_has_a_main_conversation_all_the_same(tmp_path: Path):
    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank(), toolless=True) as client:
            chat = client.chat()
            chat.tools = []
            await client.say(chat, system="You edit files.")
            other = client.chat("Name this commit.")
            other.tools = []
            await client.say(other, system="You name commits.")
            chat.messages.append({"role": "user", "content": "on"})
            await client.say(chat, system="You edit files.")
            assert [each.purpose for each in bodies(client.events(), e.RequestForwarded)] == ["main", "main"]

    with RawUpstream(says(Model())) as upstream:
        played(story(upstream))
