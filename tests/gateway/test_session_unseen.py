"""What a client's model was never shown isn't done again; what it was shown may be meant a second time."""

import asyncio
import copy
from pathlib import Path

import pytest

from perdure.gateway import main_loop, unseen
from perdure.gateway.histories import Likeness, Past, likeness
from perdure.log import events as e
from tests.gateway.raw import RawUpstream
from tests.gateway.talking import Chat, Json, checked_runs, says, text
from tests.gateway.wrapped import Model, Wrapped, calls_in, pay, result, send, wrapped
from tests.sessions.ground import Bank, of, played

LOST = "[Tool use interrupted: the outcome is unknown]"


@pytest.fixture
def model() -> Model:
    return Model()


async def asked(client: Wrapped, chat: Chat, model: Model, reply: list[Json]) -> Json:
    """The model makes one call."""
    model.next.append(reply)
    (block,) = calls_in(await client.say(chat))
    return block


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("lost", ["cut", "told", "silent"])
def test_a_client_killed_between_call_and_result_pays_once(
    tmp_path: Path, model: Model, lost: str, *, named: bool
):
    """Cut back to before the call; told that the outcome is unknown; or the call alone left without a result."""

    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            chat = client.chat()
            await client.say(chat)
            chat.messages.append({"role": "user", "content": "go on"})
            before = copy.deepcopy(chat.messages)
            first = await asked(client, chat, model, pay(1, "ref-1"))
            assert (await client.carry_out(first, named=named)).kind == "succeeded"
            client.gateway.client_came()
            if lost == "cut":
                chat.messages = before
            elif lost == "told":
                chat.messages.append(result(first, LOST))
            else:
                chat.messages.append({"role": "user", "content": "are you there?"})
            again = await asked(client, chat, model, pay(2, "ref-2"))
            answer = await client.carry_out(again, named=named)
            assert (answer.kind, of("bank__pay", client.bank)) == ("replayed", 1)
            assert len(client.facts(e.RunRewound)) == 1

    with RawUpstream(says(model)) as upstream:
        played(story(upstream))
    checked_runs(tmp_path / "s")


def test_without_identity_another_reference_asks_and_does_not_pay(tmp_path: Path, model: Model):
    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            chat = client.chat()
            await client.say(chat)
            chat.messages.append({"role": "user", "content": "go on"})
            before = copy.deepcopy(chat.messages)
            first = await asked(client, chat, model, send(1, "Zq-77/a"))
            await client.carry_out(first)
            client.gateway.client_came()
            chat.messages = before
            again = await asked(client, chat, model, send(2, "Zq-78/b"))
            answer = await client.carry_out(again)
            assert (answer.kind, of("bank__send", client.bank)) == ("waits", 1)

    with RawUpstream(says(model)) as upstream:
        played(story(upstream))
    checked_runs(tmp_path / "s")


@pytest.mark.parametrize("wrap", ["{}", "Wall time: 0.1 s\nOutput:\n{}", "<result>{}</result>"])
def test_a_second_payment_that_was_meant_goes_through(tmp_path: Path, model: Model, wrap: str):
    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            chat = client.chat()
            for number in (1, 2):
                block = await asked(client, chat, model, send(number, "the same"))
                answer = await client.carry_out(block)
                assert answer.kind == "succeeded"
                chat.messages.append(result(block, wrap.format(answer.text)))
            await client.say(chat)
            assert of("bank__send", client.bank) == 2
            assert client.facts(e.RunRewound) == []

    with RawUpstream(says(model)) as upstream:
        played(story(upstream))


def test_a_client_that_gives_calls_ids_of_its_own_shows_its_model_what_they_came_to(
    tmp_path: Path, model: Model
):
    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            chat = client.chat()
            for number in (1, 2):
                block = await asked(client, chat, model, send(number, "the same"))
                answer = await client.carry_out(block)
                renamed = {**block, "id": f"own_{number}"}
                chat.messages[-1] = {"role": "assistant", "content": [text("I send."), renamed]}
                chat.messages.append(result(renamed, answer.text))
            await client.say(chat)
            assert of("bank__send", client.bank) == 2
            assert client.facts(e.RunRewound) == []

    with RawUpstream(says(model)) as upstream:
        played(story(upstream))


def test_an_edit_of_what_was_said_and_a_compaction_are_no_going_back(tmp_path: Path, model: Model):
    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            chat = client.chat()
            block = await asked(client, chat, model, send(1, "a"))
            answer = await client.carry_out(block)
            chat.messages.append(result(block, answer.text))
            await client.say(chat)
            chat.messages.append({"role": "user", "content": "more"})
            await client.say(chat)
            chat.messages[2] = result(block, "[old result cleared]")
            chat.messages.append({"role": "user", "content": "on"})
            await client.say(chat)
            words = "Your task is to create a detailed summary of the conversation so far."
            chat.messages.append({"role": "user", "content": words})
            model.next.append([text("Summary: money was sent to Ann.")])
            await client.say(chat)
            chat.messages = [{"role": "user", "content": "Summary: money was sent to Ann. Go on."}]
            again = await asked(client, chat, model, send(2, "a"))
            assert (await client.carry_out(again)).kind == "succeeded"
            assert of("bank__send", client.bank) == 2
            assert client.facts(e.RunRewound) == []
            assert len(client.facts(e.ConversationOpened)) == 1

    with RawUpstream(says(model)) as upstream:
        played(story(upstream))
    assert len(checked_runs(tmp_path / "s")) == 1


def test_what_is_asked_beside_a_call_that_is_under_way_takes_nothing_back(tmp_path: Path, model: Model):
    """The user asks something about what stands there so far, while a payment is being made."""
    bank = Bank()
    bank.holds["bank__send"] = asyncio.Event()

    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, bank) as client:
            chat = client.chat()
            beside = client.chat()
            block = await asked(client, chat, model, send(1, "a"))
            work = asyncio.get_running_loop().create_task(client.carry_out(block))
            await bank.begun.wait()
            beside.messages.append({"role": "user", "content": "By the way, who is Ann?"})
            await client.say(beside)
            bank.holds["bank__send"].set()
            chat.messages.append(result(block, (await work).text))
            await client.say(chat)
            assert client.facts(e.RunRewound) == []
            assert len(client.facts(e.RequestForwarded)) == 2

    with RawUpstream(says(model)) as upstream:
        played(story(upstream))
    assert len(checked_runs(tmp_path / "s")) == 2


def test_a_sub_agents_call_that_only_the_sub_agent_sees_is_no_loss(tmp_path: Path, model: Model):
    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            chat = client.chat()
            task = await asked(client, chat, model, [{**pay(1, "x")[1], "name": "Read", "input": {}}])
            agent = client.chat("You are the sub-agent.")
            agent.tools = agent.tools[1:]
            own = await asked(client, agent, model, send(2, "a"))
            await client.carry_out(own)
            chat.messages.append(result(task, "the agent has begun"))
            await client.say(chat)
            assert client.facts(e.RunRewound) == []

    with RawUpstream(says(model)) as upstream:
        played(story(upstream))


def test_a_keeper_that_begins_anew_finds_what_was_not_seen_in_the_log(tmp_path: Path, model: Model):
    bank = Bank()

    async def first(upstream: RawUpstream) -> list[Json]:
        async with wrapped(tmp_path / "s", upstream.url, bank) as client:
            chat = client.chat()
            await client.say(chat)
            chat.messages.append({"role": "user", "content": "go on"})
            before = copy.deepcopy(chat.messages)
            await client.carry_out(await asked(client, chat, model, pay(1, "ref-1")))
            return before

    async def second(upstream: RawUpstream, messages: list[Json]) -> None:
        async with wrapped(tmp_path / "s", upstream.url, bank) as client:
            chat = client.chat()
            chat.messages = messages
            again = await asked(client, chat, model, pay(2, "ref-2"))
            assert (await client.carry_out(again, named=False)).kind == "replayed"
            assert of("bank__pay", bank) == 1

    with RawUpstream(says(model)) as upstream:
        played(second(upstream, played(first(upstream))))
    checked_runs(tmp_path / "s")


def test_trusting_a_result_for_its_id_would_pay_twice(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
):
    """The broken build beside it: whatever a client puts in the place of a result counts as seen."""
    monkeypatch.setattr(unseen, "shows", lambda _result, _answer: True)
    with pytest.raises(AssertionError):
        test_a_client_killed_between_call_and_result_pays_once(tmp_path, model, "told", named=True)


def test_by_its_messages_alone_an_edit_would_be_a_going_back(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
):
    """The broken build beside it: what both begin with counts, and nothing behind it."""

    def prefix(before: Past, now: Past) -> Likeness:
        like = likeness(before, now)
        words = sum(place < like.shared for place, _ in before.said)
        return Likeness(like.shared, words, len(before.said) - words, like.shared, like.shared)

    monkeypatch.setattr(main_loop, "likeness", prefix)
    with pytest.raises(AssertionError):
        test_an_edit_of_what_was_said_and_a_compaction_are_no_going_back(tmp_path, model)


@pytest.mark.parametrize(
    ("result", "answer", "seen"),
    [
        ("paid 100 to Ann", '{"content":[{"type":"text","text":"paid 100 to Ann"}]}', True),
        (
            '[{"type":"text","text":"paid 100 to Ann"}]',
            '{"content":[{"type":"text","text":"paid 100 to Ann"}]}',
            True,
        ),
        ('{"paid":100}', '{"content":[],"structuredContent":{"paid":100}}', True),
        ("aborted", '{"content":[{"type":"text","text":"paid"}]}', False),
        (
            "The outcome of the call is unknown; it may be done.",
            '{"content":[{"type":"text","text":"done"}]}',
            False,
        ),
        ("interrupted by the user", '{"content":[]}', False),
        ("(no content)", '{"content":[]}', True),
        ("", '{"content":[{"type":"text","text":"paid 100"}]}', False),
        ("anything", "", False),
    ],
)
def test_an_answer_is_known_by_its_words_however_a_client_wraps_it(result: str, answer: str, *, seen: bool):
    assert unseen.shows(result, answer) is seen
