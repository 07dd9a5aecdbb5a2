"""What comes from outside may be huge or strange; a run refuses it, cuts it or keeps it, and goes on."""

import time

import pytest
from msgspec import Raw

from perdure import Context, Contract, NotDone, Unknown, tool, wait
from perdure.adapters.tools.tool import AnyTool
from perdure.contract import ApprovalRule
from perdure.driver.drive import portions
from perdure.intention.identity import masked
from perdure.intention.reply import Call, Reply
from perdure.log.envelope import Event, seal
from perdure.log.events import ApprovalGranted, MessageReceived
from perdure.log.port import Post
from perdure.testing import World, call, say
from perdure.testing.kit import mail_of
from perdure.values.errors import BadInput
from perdure.values.limits import (
    INBOX_BYTES_MAX,
    INBOX_TAKEN_BYTES_MAX,
    INBOX_TAKEN_MAX,
    WORDS_CHARACTERS_MAX,
)
from tests.orchestrator.bench import Bench, told

HALF = "half a pair: \ud800"
HUGE = "x" * 2_000_000


def raising(error: Exception, effect: str) -> AnyTool:
    """Return a tool that ends in ``error``."""

    async def found(ctx: Context) -> Unknown:
        return Unknown(str(error))

    async def act(ctx: Context, act: str) -> str:
        raise error

    match effect:
        case "probeable":
            return tool(effect="probeable", probe=found, visible_within=1)(act)
        case "read":
            return tool(effect="read")(act)
        case _:
            return tool(effect="once")(act)


@pytest.mark.parametrize("text", [HALF, HUGE], ids=["half", "huge"])
@pytest.mark.parametrize("effect", ["read", "once", "probeable"])
@pytest.mark.parametrize("kind", [NotDone, ValueError])
def test_whatever_a_tool_raises_fits_the_log(text: str, effect: str, kind: type[Exception]):
    script = [call("act", act="a"), say("ok")]
    with Bench(lambda world: (raising(kind(text), effect),), script) as bench:
        state = bench.start()
        assert state.status == "finished" or state.wait == "doubt"
        if state.status == "finished":
            assert max(len(text) for text in told(bench.prompts[-1])) < WORDS_CHARACTERS_MAX + 100


@pytest.mark.parametrize("seconds", [1e30, -1, 2**80, 366 * 24 * 3600 + 1])
def test_a_wait_that_no_clock_can_hold_is_refused(seconds: float):
    with Bench(lambda world: (wait,), [call("wait", seconds=seconds), say("ok")]) as bench:
        assert bench.start().status == "finished"
        assert [refusal.rule for refusal in bench.refusals()] == ["arguments"]


def test_a_wait_of_half_a_second_is_half_a_second():
    with Bench(lambda world: (wait,), [call("wait", seconds=0.5), say("ok")]) as bench:
        assert bench.start().status == "finished"
        assert 0 <= bench.history.course.clock.passed_ns - 500_000_000 < 10


@pytest.mark.parametrize(
    "odd",
    [
        Call("c" * 2_000_000, "mail", {"act": "a"}),
        Call("c", "m" * 2_000_000, {"act": "a"}),
        Call("c", "mail", {"act": HUGE}),
        Call("c", "mail", {"act": 10**60}),
        Call("c", "mail", {HUGE: 1}),
        Call("c", "mail", None, HUGE[:500]),
        Call("", "", {}),
        Call("c", "mail", {"act": "nul \0"}),
    ],
    ids=["id", "tool", "argument", "number", "name", "unreadable", "empty", "nul"],
)
def test_whatever_a_model_calls_the_run_goes_on(odd: Call):
    with Bench(lambda world: (mail_of(world),), [Reply(calls=(odd,)), say("ok")]) as bench:
        assert bench.start().status == "finished"


@pytest.mark.parametrize(
    "ids", [("a", "a", "a-1"), ("a-2", "a", "a"), ("", "", "call-0"), ("call-1", "", "call-1")]
)
def test_calls_are_told_apart_whatever_ids_the_model_gives(ids: tuple[str, ...]):
    calls = tuple(Call(given, "mail", {"act": f"m{number}"}) for number, given in enumerate(ids))
    with Bench(lambda world: (mail_of(world),), [Reply(calls=calls), say("ok")]) as bench:
        assert bench.start().status == "finished"
        assert bench.world.counts() == {"m0": 1, "m1": 1, "m2": 1}


def test_a_reply_with_half_characters_is_asked_for_again():
    script = [lambda prompt: say(HALF) if next(tries) < 2 else say("whole")]
    tries = iter(range(9))
    with Bench(lambda world: (), script) as bench:
        assert bench.start().status == "finished"
        assert bench.kinds().count("model.failed") == 2
        assert bench.answer() == "whole"


def test_a_number_that_json_cannot_spell_is_decided_on_as_the_log_holds_it():
    script = [call("mail", act=float("inf")), say("ok")]
    with Bench(lambda world: (mail_of(world),), script) as bench:
        assert bench.start().status == "finished"
        assert bench.refusals()[0].rule == "arguments"


def test_whatever_fits_the_inbox_fits_an_event():
    granted = ApprovalGranted("ap-1", "operator", "x" * (INBOX_BYTES_MAX - 200))
    assert seal(Event("r" * 128, 2**40, 2**62, 2**31, 2**40, granted), bytes(32)).frame
    rules = Contract(approvals=(ApprovalRule(name="all"),))
    with Bench(lambda world: (mail_of(world),), [call("mail", act="m"), say("ok")], contract=rules) as bench:
        (asked,) = bench.start().world.approvals
        with pytest.raises(BadInput):
            bench.people.approve("run", asked, by="operator", note=HUGE)
        bench.people.approve("run", asked, by="operator", note="x" * (INBOX_BYTES_MAX - 200))
        assert bench.resume().status == "finished"


@pytest.mark.parametrize("word", ["x", "-", "_", "ab-"])
def test_a_megabyte_of_one_word_is_masked_in_no_time(word: str):
    text = word * 1_000_000
    begin = time.thread_time()
    assert masked({"content": text}) == {"content": text}
    assert masked(f"{text}1") == "#"
    assert time.thread_time() - begin < 5


def test_a_run_with_a_large_argument_finishes():
    with Bench(lambda world: (mail_of(world),), [call("mail", act="-" * 1_000_000), say("ok")]) as bench:
        assert bench.start().status == "finished"
        assert bench.world.count("-" * 1_000_000) == 1


def test_what_the_world_counts_is_counted():
    with World() as world:
        world.apply("a")
        assert world.counts() == {"a": 1}


def test_a_flood_of_posts_is_taken_in_by_parts_and_in_its_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("perdure.driver.drive.INBOX_TAKEN_MAX", 3)
    rules = Contract(approvals=(ApprovalRule(name="all"),))
    with Bench(lambda world: (mail_of(world),), [call("mail", act="m"), say("ok")], contract=rules) as bench:
        (asked,) = bench.start().world.approvals
        for number in range(10):
            bench.people.message("run", f"word {number}", sender="operator")
        bench.people.approve("run", asked, by="operator")
        assert bench.resume().status == "finished"
        heard = [event.body.text.text for event in bench.events() if isinstance(event.body, MessageReceived)]
        assert heard[-10:] == [f"word {number}" for number in range(10)]


def test_posts_come_in_parts_that_fit_a_batch():
    small = [Post(str(number), "note.made", Raw(b"0"), 0) for number in range(2 * INBOX_TAKEN_MAX + 1)]
    assert [len(part) for part in portions(small)] == [INBOX_TAKEN_MAX, INBOX_TAKEN_MAX, 1]
    large = [Post(str(number), "note.made", Raw(bytes(INBOX_TAKEN_BYTES_MAX // 2)), 0) for number in range(5)]
    assert [[post.id for post in part] for part in portions(large)] == [["0", "1"], ["2", "3"], ["4"]]
    assert list(portions([])) == []
