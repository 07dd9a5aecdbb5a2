"""What people and programs see of a run: ls, show, log, at, diff."""

import json

import msgspec
import pytest

from tests.cli.inside import Inside
from tests.cli.terminal import CLERKS, Terminal

REST = {"run", "status", "position", "answer", "why", "wait", "turns", "tokens", "cost_microusd", "steps"}


def test_ls_lists_runs_and_what_they_wait_for(reader: Inside):
    said = reader.type("ls")
    assert said.code == 0
    march, lost = said.out.splitlines()[1:]
    assert march.split()[:2] == ["march", "finished"]
    assert "pay (invoice=INV-LOST) is in doubt" in lost

    rows = reader.type("ls", "--json").json["runs"]
    assert [row["run"] for row in rows] == ["march", "lost"]
    assert set(rows[0]) == {
        "run", "status", "driver", "pid", "position", "head", "epoch", "lineage", "tenant", "parent",
        "forked_at", "created",
    }  # fmt: skip
    assert [row["run"] for row in reader.type("ls", "--status", "waiting", "--json").json["runs"]] == ["lost"]


def test_every_line_of_log_json_is_an_event_of_the_documented_shape(reader: Inside):
    lines = [json.loads(line) for line in reader.type("log", "march", "--json").out.splitlines()]
    assert [line["position"] for line in lines] == list(range(1, len(lines) + 1))
    for line in lines:
        assert set(line) == {"run", "position", "kind", "at", "epoch", "cause", "body", "digest"}
        assert len(line["digest"]) == 64
    assert lines[0]["kind"] == "run.opened"
    assert lines[-1]["kind"] == "run.closed"
    assert lines[-1]["digest"] == reader.type("verify", "march", "--json").json["head"]


def test_log_takes_a_part_by_position_and_kind(reader: Inside):
    whole = reader.type("log", "march", "--json").out.splitlines()
    assert reader.type("log", "march", "--after", "10", "--json").out.splitlines() == whole[10:]
    kinds = {
        json.loads(line)["kind"]
        for line in reader.type("log", "march", "--kind", "effect.*", "--json").out.splitlines()
    }
    assert kinds == {"effect.started", "effect.settled"}
    wrong = reader.type("log", "march", "--kind", "effect.vanished")
    assert (wrong.code, wrong.out) == (2, "")


def test_log_speaks_of_what_keys_and_calls_stand_for(reader: Inside):
    text = reader.type("log", "march").out
    assert "✓ pay invoice=INV-1" in text
    assert "✗ pay invoice=INV-3" in text
    assert "◐ mail" in text
    assert "⊘ fly to=the moon" in text
    later = reader.type("log", "march", "--after", "20").out
    assert "pay invoice=INV-2" in later


def test_nothing_that_came_from_outside_steers_the_terminal(reader: Inside):
    for words in (["log", "march"], ["show", "march"], ["at", "march", "20"], ["show", "march", "9"]):
        said = reader.type(*words)
        assert said.code == 0
        assert "\x1b[31mred" not in said.out


def test_show_says_what_is_known_of_a_doubt_and_what_settles_it(reader: Inside):
    text = reader.type("show", "lost").out
    assert "ConnectionError: no reply" in text
    assert '{"invoice":"INV-LOST","amount_cents":700}' in text
    assert "once, " in text
    assert "a person must say" in text
    assert "perdure settle lost " in text

    shown = reader.type("show", "lost", "--json").json
    assert set(shown) >= REST | {
        "open",
        "approvals",
        "receipts",
        "counters",
        "driver",
        "head",
        "agent",
        "lineage",
    }
    (effect,) = shown["open"]
    assert effect["phase"] == "doubted"
    assert effect["effect"] == "once"
    assert effect["sends"] == 1
    assert effect["probes"] == 0
    assert effect["steps"][0]["words"] == "it happened"


def test_show_lists_receipts_and_the_answer_of_a_finished_run(reader: Inside):
    shown = reader.type("show", "march", "--json").json
    assert shown["status"] == "finished"
    assert shown["answer"] == "Two are paid.\nOne had nothing to pay."
    outcomes = {receipt["what"]: receipt["outcome"] for receipt in shown["receipts"]}
    assert outcomes["invoice=INV-1"] == "succeeded"
    assert outcomes["invoice=INV-3"] == "failed"
    assert "partial" in outcomes.values()


def test_show_of_a_position_is_one_event_in_full_with_its_blobs_and_causes(reader: Inside):
    opened = reader.type("show", "march", "1", "--json").json
    assert opened["contents"]["definition"]["name"] == "clerk"
    settled = next(
        event
        for line in reader.type("log", "march", "--kind", "effect.settled", "--json").out.splitlines()
        if (event := json.loads(line))
    )
    shown = reader.type("show", "march", str(settled["position"]), "--json").json
    assert shown["causes"][0]["kind"] == "effect.started"
    assert shown["causes"][-1]["kind"] == "message.received"
    text = reader.type("show", "march", str(settled["position"])).out
    assert "because of" in text
    # Reads run side by side, and any of them may be answered first.
    assert "read_invoice invoice=INV-" in text
    assert reader.type("show", "march", "4000").code == 2


def test_at_is_the_state_of_that_position(reader: Inside):
    early = reader.type("at", "march", "5", "--json").json
    assert early["position"] == 5
    assert early["world"]["turns"] == 1
    assert early["world"]["receipts"] == {}
    text = reader.type("at", "march", "25").out
    assert "» user  Pay the March invoices" in text
    assert "✓ pay" in text
    assert reader.type("at", "march", "4000").code == 2


def test_diff_names_what_is_otherwise(reader: Inside):
    changes = reader.type("diff", "march", "3", "30", "--json").json["changes"]
    assert {"sign", "part", "name", "was", "now"} == set(changes[0])
    assert {change["part"] for change in changes} >= {"run", "conversation", "effects"}
    assert "+ " in reader.type("diff", "march", "3", "30").out
    assert reader.type("diff", "march", "7", "7").out == "nothing is otherwise\n"


def test_a_follower_sees_events_as_they_come_and_ends_with_the_run(terminal: Terminal):
    terminal.put_gate()
    driver = terminal.start("run", f"{CLERKS}:slow", "Pay", "--run", "s", "--json")
    terminal.await_tool(driver)
    follower = terminal.start("log", "s", "-f", "--json")
    assert follower.stdout is not None
    seen = []
    for line in follower.stdout:
        seen.append(msgspec.json.decode(line)["kind"])
        if seen[-1] == "effect.started":
            terminal.open_gate()
    follower.communicate(timeout=60)
    assert (seen[0], seen[-1]) == ("run.opened", "run.closed")
    assert "effect.settled" in seen
    assert follower.returncode == 0
    out, _ = driver.communicate(timeout=60)
    assert msgspec.json.decode(out)["position"] == len(seen)


@pytest.mark.parametrize("words", [["log"], ["show"], ["at", "1"], ["verify"], ["replay"], ["resume"]])
def test_an_unknown_run_is_wrong_use(reader: Inside, words: list[str]):
    said = reader.type(words[0], "nobody", *words[1:], "--json")
    assert said.code == 2
    assert said.json["error"]["code"] == "P102"
