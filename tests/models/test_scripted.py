"""Scripted and recorded models: what they say depends on the conversation alone."""

import asyncio
from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.intention.reply import Reply
from perdure.testing.scripted import (
    RecordedModel,
    Script,
    ScriptedModel,
    call,
    last_answer,
    say,
    together,
    turns_of,
)
from perdure.wire.prompt import Answered, Entry, ModelFailure, Prompt, Said, UserText

START = Prompt("", (), (UserText("go"),))


def asked(model: ScriptedModel | RecordedModel, prompt: Prompt = START) -> Reply:
    return asyncio.run(model.ask(prompt, key="k", on_text=None, timeout=1))


def converse(model: ScriptedModel, turns: int) -> Prompt:
    """Ask ``turns`` times, answering every call with its arguments."""
    entries: list[Entry] = list(START.entries)
    for _ in range(turns):
        reply = asked(model, Prompt("", (), tuple(entries)))
        entries.append(Said(reply))
        entries += [Answered(made.id, str(made.arguments)) for made in reply.calls]
    return Prompt("", (), tuple(entries))


def play(prompt: Prompt) -> Generator[Reply, Prompt, None]:
    assert turns_of(prompt) == 0
    prompt = yield call("look", n=1)
    prompt = yield say(f"I saw {last_answer(prompt)}")
    yield together(call("pay", a=1), call("pay", a=2), text="both")


def shout(prompt: Prompt) -> Reply:
    return say(f"turn {turns_of(prompt)}")


def test_a_list_is_said_in_order_by_how_many_replies_there_are():
    script = [call("look", n=1), lambda prompt: say(f"I saw {last_answer(prompt)}")]
    assert converse(ScriptedModel(script), 2).entries[-1] == Said(say("I saw {'n': 1}"))


def test_a_generator_goes_on_with_the_conversation_as_it_stands():
    last = converse(ScriptedModel(play), 3).entries
    assert [entry.reply.text for entry in last if isinstance(entry, Said)] == ["", "I saw {'n': 1}", "both"]


def test_a_function_is_asked_each_time():
    assert [
        entry.reply.text for entry in converse(ScriptedModel(shout), 2).entries if isinstance(entry, Said)
    ] == [
        "turn 0",
        "turn 1",
    ]


@pytest.mark.parametrize(
    "script", [play, [call("look", n=1), say("I saw {'n': 1}"), together(call("pay", a=1))]]
)
def test_another_model_with_the_same_script_goes_on_where_the_first_was_killed(script: Script):
    whole = converse(ScriptedModel(script), 3)
    places = [place for place, entry in enumerate(whole.entries) if isinstance(entry, Said)]
    for place in places:
        model = ScriptedModel(script)
        assert Said(asked(model, Prompt("", (), whole.entries[:place]))) == whole.entries[place]


@pytest.mark.parametrize("script", [[say("only")], play])
def test_a_script_that_has_ended_is_a_failure_that_does_not_pass(script: Script):
    turns = 1 if isinstance(script, list) else 3
    model = ScriptedModel(script)
    with pytest.raises(ModelFailure, match=f"no reply number {turns + 1}") as caught:
        converse(model, turns + 1)
    assert not caught.value.retryable


def test_calls_are_named_by_their_place_unless_the_script_names_them():
    reply = asked(ScriptedModel([together(call("a"), call("b"))]))
    assert [made.id for made in reply.calls] == ["call_1_1", "call_1_2"]


@given(st.integers(0, 1000))
def test_a_reworded_call_means_the_same_under_another_name(seed: int):
    script = [call("pay", invoice="A-1", amount=5, reference="x", note="y")]
    first, second = ScriptedModel(script, reword=seed), ScriptedModel(script, reword=seed)
    said = [asked(first).calls[0] for _ in range(4)]
    assert [asked(second).calls[0] for _ in range(4)] == said
    assert len({made.id for made in said}) == 4
    assert all(made.arguments == script[0].calls[0].arguments for made in said)


def test_rewording_changes_the_order_of_arguments():
    model = ScriptedModel([call("pay", a=1, b=2, c=3, d=4)], reword=1)
    orders = {tuple(asked(model).calls[0].arguments or ()) for _ in range(10)}
    assert len(orders) > 3


@given(st.text())
def test_pieces_of_a_text_make_the_text(text: str):
    told: list[str] = []
    asyncio.run(ScriptedModel([say(text)]).ask(START, key="k", on_text=told.append, timeout=1))
    assert "".join(told) == text


def test_a_recording_is_said_again_as_long_as_the_conversation_is_the_recorded_one():
    whole = converse(ScriptedModel(play), 3)
    replies = [entry.reply for entry in whole.entries if isinstance(entry, Said)]
    model = RecordedModel(replies)
    assert asked(model, Prompt("", (), whole.entries[:1])) == replies[0]
    assert asked(model, Prompt("", (), whole.entries[:4])) == replies[2]
    with pytest.raises(ModelFailure, match="no reply number 4"):
        asked(model, whole)
    with pytest.raises(ModelFailure, match="number 1 of the conversation is not the recorded one"):
        asked(model, Prompt("", (), (UserText("go"), Said(say("something else")))))


def test_what_it_was_asked_with_can_be_looked_at():
    model = ScriptedModel(shout)
    asked(model)
    assert model.asked == [START]
    asyncio.run(model.close())
