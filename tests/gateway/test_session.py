"""A wrapped client's main conversation is in its session's run; what else it asks has runs of its own."""

import asyncio
from pathlib import Path

from perdure.log import events as e
from tests.gateway.raw import RawUpstream
from tests.gateway.talking import STUB, Chat, bodies, checked_runs, grown, results_in, says
from tests.gateway.wrapped import Model, Wrapped, calls_in, pay, result, wrapped
from tests.sessions.ground import Bank, played


def test_the_main_conversation_is_in_the_sessions_run_and_all_else_in_runs_of_its_own(tmp_path: Path):
    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            side = client.chat("A title for it.")
            side.tools = []
            await client.say(side, system="You name things.")
            main = client.chat()
            await client.say(main)
            agent = client.chat("Look into it.")
            agent.tools = agent.tools[:1]
            await client.say(agent, system="You look into things.")
            main.messages.append({"role": "user", "content": "on"})
            await client.say(main)

    with RawUpstream(says(Model())) as upstream:
        played(story(upstream))
    runs = checked_runs(tmp_path / "s")
    own = runs.pop("one")
    assert [each.number for each in bodies(own, e.RequestForwarded)] == [1, 2]
    assert len(bodies(own, e.ConversationOpened)) == 1
    joined = bodies(own, e.ConversationJoined)
    assert {each.run for each in joined} == set(runs)
    assert [each.why for each in joined] == ["a side call, before the main conversation", "a sub-agent"]
    assert [len(bodies(events, e.RequestForwarded)) for events in runs.values()] == [1, 1]


def test_a_client_that_begins_anew_stays_in_the_run_and_its_requests_are_counted_on(tmp_path: Path):
    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            main = client.chat(session_id="first")
            await client.say(main)
            main.messages.append({"role": "user", "content": "on"})
            await client.say(main)
            cleared = client.chat("Something else.", session_id="second")
            await client.say(cleared)
            assert client.facts(e.RunRewound) == []

    with RawUpstream(says(Model())) as upstream:
        played(story(upstream))
    ((_, own),) = checked_runs(tmp_path / "s").items()
    assert [each.session for each in bodies(own, e.ConversationOpened)] == ["first", "second"]
    assert [(each.number, each.kept) for each in bodies(own, e.RequestForwarded)] == [(1, 0), (2, 1), (3, 0)]


def test_words_that_a_client_puts_into_its_models_mouth_are_no_history(tmp_path: Path):
    """Gemini CLI and its kin begin each conversation with an acknowledgement of their own."""

    def begun(client: Wrapped, prompt: str) -> Chat:
        chat = client.chat("This is the directory.")
        chat.messages += [{"role": "assistant", "content": "Got it."}, {"role": "user", "content": prompt}]
        return chat

    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            first = begun(client, "Pay Ann.")
            await client.say(first)
            first.messages.append({"role": "user", "content": "on"})
            await client.say(first)
            await client.say(begun(client, "Look at the weather."))
            assert client.facts(e.RunRewound) == []
            assert len(client.facts(e.ConversationOpened)) == 2
            await client.say(begun(client, "Look at the weather."))
            assert client.facts(e.RunRewound) == []

    with RawUpstream(says(Model())) as upstream:
        played(story(upstream))
    assert len(checked_runs(tmp_path / "s")) == 1


def test_a_client_that_takes_its_first_words_back_takes_the_run_back_to_them(tmp_path: Path):
    """The same session, and nothing of what the model said: it rewound to its beginning and asks otherwise."""

    async def story(upstream: RawUpstream) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            first = client.chat("Pay Ann.", session_id="one")
            await client.say(first)
            first.messages.append({"role": "user", "content": "on"})
            await client.say(first)
            await client.say(client.chat("Pay Ann at once.", session_id="one"))
            assert len(client.facts(e.RunRewound)) == 1
            assert len(client.facts(e.ConversationOpened)) == 1

    with RawUpstream(says(Model())) as upstream:
        played(story(upstream))
    ((_, own),) = checked_runs(tmp_path / "s").items()
    first = next(event for event in own if isinstance(event.body, e.RequestAnswered))
    assert bodies(own, e.RunRewound)[0].to == first.position


def test_a_sub_agent_with_the_same_tools_is_none_of_the_main_loop_while_that_waits_for_it(tmp_path: Path):
    async def story(upstream: RawUpstream, model: Model) -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank()) as client:
            main = client.chat()
            model.next.append(pay(1, "r1"))
            (task,) = calls_in(await client.say(main))
            await client.say(client.chat("You are the sub-agent."))
            main.messages.append(result(task, "it is done"))
            await client.say(main)

    model = Model()
    with RawUpstream(says(model)) as upstream:
        played(story(upstream, model))
    runs = checked_runs(tmp_path / "s")
    assert len(runs) == 2
    assert [each.number for each in bodies(runs["one"], e.RequestForwarded)] == [1, 2]


def test_a_client_that_goes_back_takes_the_run_back_and_what_was_moved_stays_moved(
    upstream: RawUpstream, tmp_path: Path
):
    async def story() -> None:
        async with wrapped(tmp_path / "s", upstream.url, Bank(), mode="nocache") as client:
            chat = client.chat("Look at the files.")
            await _grown(client, chat, 8)
            shared = results_in(upstream.seen[6].body)
            other = client.chat("Look at the files.")
            other.messages = [*chat.messages[:21], *_otherwise()]
            await client.say(other)
            parted = results_in(upstream.seen[-1].body)
            moved = [place for place, result in enumerate(shared) if STUB in result]
            assert moved
            assert [parted[place] for place in moved] == [shared[place] for place in moved]

    played(story())
    ((_, own),) = checked_runs(tmp_path / "s").items()
    (back,) = bodies(own, e.RunRewound)
    assert back.by == "client"
    seventh = next(
        event for event in own if isinstance(event.body, e.RequestAnswered) and event.body.number == 7
    )
    assert back.to == seventh.position
    assert [each.number for each in bodies(own, e.RequestForwarded)] == list(range(1, 10))


async def _grown(client: Wrapped, chat: Chat, count: int) -> None:
    await asyncio.to_thread(grown, chat, count)


def _otherwise() -> tuple[dict[str, str], dict[str, str]]:
    return {"role": "assistant", "content": "otherwise"}, {"role": "user", "content": "another way"}
