"""The harness of `make evidence-wrap` sees what it is there to see, and takes nobody's word."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from benchmarks.evidence_wrap import PARTS
from benchmarks.wrap.conformance import compared
from benchmarks.wrap.cutting import called_in, cut_back
from benchmarks.wrap.metered import Metered
from benchmarks.wrap.overhead import Pair
from benchmarks.wrap.person import Asked
from benchmarks.wrap.references import drawn
from benchmarks.wrap.script import AGAIN_MAX, SEARCHES_MAX, WAITS, Pay, Shell, Teller
from benchmarks.wrap.stories import Plot, Told
from benchmarks.wrap.suite import LOCK, passed
from perdure.testing.upstream.question import Offer, Passage, Question
from perdure.testing.upstream.signet import Signet

ISSUE = {
    "clients", "passed", "skipped", "payments", "payments_bare", "blocked_legitimate", "mcp_scenarios",
    "mcp_regressions", "rewind_mismatches", "overhead_300ms", "overhead_2s",
}  # fmt: skip
DIRECT = {"ping": {"ping": "SUCCESS"}, "prime": {"prime": "WARNING", "sent": "INFO"}}


def test_the_evidence_has_every_key_of_its_issue():
    assert {key for _, _, keys in PARTS for key in keys} >= ISSUE


# -- the suite ---------------------------------------------------------------------------------------


def test_the_same_through_a_gateway_is_no_regression():
    assert compared(DIRECT, DIRECT).regressions == {}
    assert compared(DIRECT, DIRECT).passed == 2


@pytest.mark.parametrize(
    ("through", "worse"),
    [
        ({"ping": {"ping": "FAILURE"}, "prime": DIRECT["prime"]}, {"ping"}),
        ({"ping": {"ping": "WARNING"}, "prime": DIRECT["prime"]}, {"ping"}),
        ({"prime": DIRECT["prime"]}, {"ping"}),
        ({"ping": {}, "prime": {"prime": "FAILURE"}}, {"ping", "prime"}),
        ({"ping": DIRECT["ping"], "prime": {**DIRECT["prime"], "torn": "FAILURE"}}, {"prime"}),
    ],
)
def test_whatever_turns_out_worse_is_a_regression(through: dict[str, dict[str, str]], worse: set[str]):
    assert set(compared(DIRECT, through).regressions) == worse


def test_a_scenario_that_checked_nothing_has_not_passed():
    assert not passed({})
    assert not passed({"one": "SUCCESS", "two": "FAILURE"})


def test_the_suite_is_pinned_by_digest():
    packages = msgspec.json.decode(LOCK.read_bytes())["packages"]
    assert packages["node_modules/@modelcontextprotocol/conformance"]["version"] == "0.1.16"
    assert all("integrity" in package for name, package in packages.items() if name)


# -- the model ---------------------------------------------------------------------------------------

SHELL = Offer(
    "Bash", {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
)
PAYING = Offer("mcp__payments__pay", {"type": "object", "properties": {}})
SEARCH = Offer("tool_search", {"type": "object", "properties": {}}, "tool_search")
STEPS = (Shell("true"), Pay("Ada", 5, ("one", "two", "three"), "I"))


def teller() -> Teller:
    return Teller(STEPS, Signet("seed"), "/nowhere")


def asked(*passages: Passage, offers: tuple[Offer, ...] = (SHELL, PAYING)) -> Question:
    return Question("messages", "m", False, "", offers, passages, ())


def reference(told: Teller, question: Question) -> tuple[str, str]:
    [call] = told.answer(question).utterance.calls
    return call.id, str(call.arguments.get("reference"))


def test_a_payment_that_is_asked_for_anew_has_another_reference():
    told = teller()
    [first] = told.answer(asked()).utterance.calls
    begun = Passage("result", "", first.id)
    assert reference(told, asked(begun))[1] == "one"
    assert reference(told, asked(begun))[1] == "two"


def test_a_payment_that_waits_for_a_person_is_asked_for_in_the_same_words_and_not_for_ever():
    told = teller()
    results = [Passage("result", "", told.answer(asked()).utterance.calls[0].id)]
    for _ in range(AGAIN_MAX + 1):
        name, said = reference(told, asked(*results))
        assert said == "one"
        results.append(Passage("result", f"Not yet: {WAITS}.", name))
    assert told.answer(asked(*results)).utterance.calls == ()


def test_a_tool_that_the_client_keeps_back_is_searched_for_and_not_for_ever():
    told = teller()
    results = [Passage("result", "", told.answer(asked()).utterance.calls[0].id)]
    for _ in range(SEARCHES_MAX):
        [call] = told.answer(asked(*results, offers=(SHELL, SEARCH))).utterance.calls
        assert call.offer is SEARCH
        results.append(Passage("result", "none", call.id))
    assert told.answer(asked(*results, offers=(SHELL, SEARCH))).utterance.calls == ()
    assert reference(told, asked(*results))[1] == "one"


def test_a_server_that_is_not_up_yet_is_waited_for():
    told = teller()
    results = [Passage("result", "", told.answer(asked()).utterance.calls[0].id)]
    [pause] = told.answer(asked(*results, offers=(SHELL,))).utterance.calls
    assert str(pause.arguments["command"]).startswith("sleep")
    assert reference(told, asked(*results, Passage("result", "", pause.id)))[1] == "one"


def test_references_are_never_alike_and_other_seeds_draw_others():
    many = drawn(random.Random(1), 60)
    assert len(set(many)) == 60
    assert not set(many) & set(drawn(random.Random(2), 60))


# -- the stories -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "answers", "blocked"),
    [(1, [], 0), (1, ["deny"], 0), (1, ["deny", "approve"], 1), (0, [], 1), (0, ["approve"], 1)],
)
def test_a_meant_payment_counts_as_blocked_where_a_person_was_needed_for_it(
    second: int, answers: list[str], blocked: int
):
    words = [Asked("approval", str(number), answer, "") for number, answer in enumerate(answers)]
    assert Told(Plot(), "claude-code", 1, second, words, {}, []).blocked == blocked


def test_a_session_is_cut_before_the_turn_that_called_the_tool(tmp_path: Path):
    result = '{"type": "tool_result"}'
    lines = [
        '{"user":1}',
        '{"tool_use":"Bash"}',
        result,
        '{"text":"now"}',
        '{"type":"tool_use","name":"pay"}',
        "{}",
    ]
    session = tmp_path / "session.jsonl"
    session.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert called_in(session, "pay")
    assert cut_back(session, "pay") == 3
    assert session.read_text(encoding="utf-8").splitlines()[-1] == result
    with pytest.raises(LookupError):
        cut_back(session, "pay")


# -- the measure -------------------------------------------------------------------------------------

LEAVES = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'sum(range(6_000_000))'], start_new_session=True)"
STAYS = "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Return when it holds; other processes make it hold."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(process: int) -> bool:
    """Tell whether a process has ended, reaped or not."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def metered(place: Path, program: str, left_seconds: float = 15) -> Metered:
    code = (
        "import sys; from benchmarks.wrap import metered; "
        f"metered.LEFT_SECONDS_MAX = {left_seconds}; sys.argv[0] = 'metered'; metered.main()"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(place), sys.executable, "-c", program], check=True, timeout=60
    )
    return msgspec.json.decode(place.read_bytes(), type=Metered)


def test_what_outlives_its_parent_is_measured_as_well(tmp_path: Path):
    alone, leaving = metered(tmp_path / "alone", "pass"), metered(tmp_path / "leaving", LEAVES)
    assert leaving.left == []
    assert leaving.cpu_seconds > alone.cpu_seconds + 0.05


def test_what_never_ends_is_told_as_an_orphan_and_ended(tmp_path: Path):
    found = metered(tmp_path / "result", STAYS, left_seconds=0.3)
    [orphan] = found.left
    number, words = orphan.split(" ", 1)
    assert words == "sleep 600"
    assert not Path(f"/proc/{number}").exists()


def test_nothing_stays_of_a_client_whose_harness_was_killed(tmp_path: Path):
    told = tmp_path / "pid"
    program = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    command = [
        sys.executable,
        "-m",
        "benchmarks.wrap.metered",
        str(tmp_path / "result"),
        sys.executable,
        "-c",
        program,
    ]
    harness = f"import subprocess; subprocess.run({command!r})"
    with subprocess.Popen([sys.executable, "-c", harness]) as process:
        until(lambda: told.exists() and told.read_text(encoding="utf-8") != "")
        process.kill()
    until(lambda: gone(int(told.read_text(encoding="utf-8"))))


def test_an_overhead_is_of_its_own_pair():
    assert Pair(Metered(0, 10.0, 1.0, []), Metered(0, 10.4, 2.0, [])).overhead == pytest.approx(0.04)
