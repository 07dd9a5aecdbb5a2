"""Runs as a caller has them: started, waited for, told things, resumed."""

import asyncio
import threading
from pathlib import Path

import pytest

import perdure
from perdure.intention.reply import Reply
from perdure.testing.scripted import ScriptedModel, call, last_answer, say
from perdure.values.errors import BadInput, Held, RunExists, UnknownRun
from perdure.wire.prompt import Answered, Prompt, UserText
from tests.assembly.kit import agent, kinds


def test_a_run_finishes_with_the_models_answer(tmp_path: Path):
    with perdure.open(tmp_path / "s") as store:
        run = store.start(agent(call("look", name="cat"), say("it is there")), "where?", run="r")
        assert run.wait(60) == perdure.Finished("r", "it is there")
        assert store.verify("r").ok


def test_a_run_can_be_awaited(tmp_path: Path):
    with perdure.open(tmp_path / "s") as store:
        run = store.start(agent(say("hello")), "hi", run="r")
        assert asyncio.run(run.finish()) == perdure.Finished("r", "hello")


def test_text_is_streamed_and_the_whole_reply_is_logged(tmp_path: Path):
    pieces: list[str] = []
    with perdure.open(tmp_path / "s") as store:
        store.start(agent(say("one two three")), "hi", run="r", on_text=pieces.append).wait(60)
        assert "".join(pieces) == "one two three"
        assert len(pieces) > 1
        assert kinds(store, "r").count("model.replied") == 1


def test_a_name_is_used_once(tmp_path: Path):
    with perdure.open(tmp_path / "s") as store:
        store.start(agent(say("a")), "hi", run="r").wait(60)
        with pytest.raises(RunExists):
            store.start(agent(say("a")), "hi", run="r")


def test_an_unknown_run_is_said_to_be_unknown(tmp_path: Path):
    with perdure.open(tmp_path / "s") as store:
        with pytest.raises(UnknownRun):
            store.run("nobody")
        with pytest.raises(UnknownRun):
            store.resume(agent(say("a")), "nobody")


def test_a_run_that_is_driven_is_held(tmp_path: Path):
    gate = threading.Event()

    @perdure.tool(effect="read")
    def slow() -> str:
        """Wait for the test."""
        gate.wait(60)
        return "done"

    with perdure.open(tmp_path / "s") as store, perdure.open(tmp_path / "s") as other:
        first = agent(call("slow"), say("end"), tools=(slow,))
        run = store.start(first, "go", run="r")
        with pytest.raises(Held):
            other.resume(first, "r")
        gate.set()
        assert run.wait(60) == perdure.Finished("r", "end")


def test_a_question_to_a_person_waits_for_the_answer(tmp_path: Path):
    def reply(prompt: Prompt) -> Reply:
        heard = [entry.text for entry in prompt.entries if isinstance(entry, UserText)]
        return say(f"you said {heard[-1]}")

    asking = agent(call("ask_person", question="blue or red?"), reply, tools=(perdure.ask_person,))
    with perdure.open(tmp_path / "s") as store:
        outcome = store.start(asking, "paint it", run="r").wait(60)
        assert isinstance(outcome, perdure.Waiting)
        assert outcome.why == "person"
        store.message("r", "blue")
        assert store.resume(asking, "r").wait(60) == perdure.Finished("r", "you said blue")


def test_a_wait_is_a_timer_in_the_log(tmp_path: Path):
    waiting = agent(call("wait", seconds=0.05), say("rested"), tools=(perdure.wait,))
    with perdure.open(tmp_path / "s") as store:
        assert store.start(waiting, "rest", run="r").wait(60) == perdure.Finished("r", "rested")
        assert [kind for kind in kinds(store, "r") if kind.startswith("timer")] == [
            "timer.set",
            "timer.fired",
        ]


def test_a_closed_run_hears_no_more(tmp_path: Path):
    with perdure.open(tmp_path / "s") as store:
        store.start(agent(say("a")), "hi", run="r").wait(60)
        with pytest.raises(BadInput, match="finished"):
            store.message("r", "more")


def test_a_running_run_can_be_cancelled_and_says_what_is_in_doubt(tmp_path: Path):
    begun, gate = threading.Event(), threading.Event()

    @perdure.tool(effect="once", identity=("name",))
    def send(name: str) -> str:
        """Send a letter."""
        begun.set()
        gate.wait(60)
        return name

    with perdure.open(tmp_path / "s") as store:
        run = store.start(agent(call("send", name="x"), say("end"), tools=(send,)), "go", run="r")
        begun.wait(60)
        run.cancel("enough")
        assert run.wait(60) == perdure.Failed("r", "cancelled", "enough")
        gate.set()
        (effect,) = store.state("r").world.open.values()
        assert effect.phase == "doubted"


def test_a_child_run_answers_its_parent(tmp_path: Path):
    child = agent(call("look", name="dog"), say("the dog is there"))
    parent = perdure.Agent(
        name="boss",
        instructions="Delegate.",
        tools=[child.as_tool("Looks for things.")],
        model=ScriptedModel([call("tester", task="find the dog"), lambda prompt: say(last_answer(prompt))]),
    )
    with perdure.open(tmp_path / "s") as store:
        outcome = store.start(parent, "go", run="r").wait(60)
        assert isinstance(outcome, perdure.Finished)
        assert "the dog is there" in outcome.answer
        names = [row.run for row in store.runs()]
        assert len(names) == 2
        assert all(store.verify(name).ok and store.replay(name).difference is None for name in names)


def test_the_model_that_breaks_the_schema_is_told_why_and_stopped_in_time(tmp_path: Path):
    told: list[str] = []

    def wrong(prompt: Prompt) -> Reply:
        told.extend(entry.text for entry in prompt.entries[-1:] if isinstance(entry, Answered))
        return call("look", nme="cat")

    with perdure.open(tmp_path / "s") as store:
        outcome = store.start(agent(*[wrong] * 20), "go", run="r").wait(60)
        assert isinstance(outcome, perdure.Failed)
        assert "nothing usable" in outcome.why
        assert all("name" in text for text in told)
        assert kinds(store, "r").count("model.requested") == 5


def test_a_secret_never_reaches_the_log(tmp_path: Path):
    secret = "s3cr3t-t0ken-value"

    @perdure.tool(effect="read")
    def peek(ctx: perdure.Context) -> str:
        """Leak it."""
        return f"the key is {ctx.secrets['token']}"

    @perdure.tool(effect="read")
    def fail(ctx: perdure.Context) -> str:
        """Leak it in an error."""
        raise ValueError(ctx.secrets["token"])

    leaking = agent(call("peek"), call("fail"), say("ok"), tools=(peek, fail), secrets={"token": secret})
    with perdure.open(tmp_path / "s") as store:
        store.start(leaking, "go", run="r").wait(60)
    found = [
        path
        for path in (tmp_path / "s").rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]
    assert found == []
