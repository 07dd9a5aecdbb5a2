"""What people tell a run: allowed and denied acts, answers, settled doubts, cancelled runs."""

import shlex

from tests.cli.inside import Inside
from tests.cli.terminal import CLERKS, Terminal


def asked(inside: Inside) -> str:
    """Begin a run that asks, and return the name of its question."""
    said = inside.type("run", f"{CLERKS}:asking", "Pay", "--run", "a", "--json")
    assert said.code == 3
    assert said.json["wait"]["for"] == "approval"
    (approval,) = inside.type("show", "a", "--json").json["approvals"]
    return approval["id"]


def test_an_approved_act_is_done_and_a_question_is_answered(inside: Inside):
    approval = asked(inside)
    shown = inside.type("show", "a").out
    assert f"perdure approve a {approval} --resume" in shown
    assert "treasurer" in shown
    assert "daily  0 of 100,000" in shown

    waits = inside.type("approve", "a", approval, "--by", "Ada", "--note", "seen", "--resume", "--json")
    assert waits.code == 3
    assert waits.json["wait"]["for"] == "person"
    (step,) = waits.json["steps"]
    assert inside.world == ["pay INV-1 90000"]
    said = inside.type(*shlex.split(step["command"].replace('"..."', '"The blue one."'))[1:])
    assert (said.code, said.out) == (0, "Done.\n")
    assert "Ada allowed pay" in inside.type("log", "a", "--kind", "approval.granted").out
    assert "90,000 of 100,000" in inside.type("show", "a").out

    again = inside.type("approve", "a", approval)
    assert (again.code, "P108" in again.err) == (2, True)


def test_a_denied_act_is_not_done_and_the_model_is_told(inside: Inside):
    approval = asked(inside)
    said = inside.type("deny", "a", approval, "--by", "Ada", "--note", "not now")
    assert said.code == 0
    assert "Ada denied pay" in said.out
    assert "perdure resume a" in said.out
    assert inside.type("resume", "a").code == 3
    assert inside.world == []
    assert "not now" in inside.type("log", "a", "--kind", "intention.refused").out


def test_a_cancelled_run_is_over(inside: Inside):
    asked(inside)
    said = inside.type("cancel", "a", "--by", "Ada", "--why", "wrong month", "--json")
    assert (said.code, said.json["status"]) == (0, "cancelled")
    resumed = inside.type("resume", "a")
    assert resumed.code == 4
    assert "wrong month" in resumed.err
    assert inside.type("message", "a", "Go on").code == 2


def test_a_driver_hears_what_another_process_says(terminal: Terminal):
    terminal.put_gate()
    driver = terminal.start("run", f"{CLERKS}:patient", "Note it", "--run", "p")
    terminal.await_tool(driver)
    said = terminal.type("cancel", "p", "--why", "enough")
    assert said.code == 0
    assert terminal.type("log", "p", "-f").code == 0  # it ends when the driver has taken that in
    terminal.open_gate()
    driver.communicate(timeout=60)
    assert driver.returncode == 4
    terminal_row = terminal.type("ls", "--json").json["runs"][0]
    assert (terminal_row["status"], terminal_row["driver"]) == ("cancelled", "nobody")


def test_settling_asks_for_an_outcome_and_keeps_results_to_success(reader: Inside):
    assert reader.type("settle", "lost", "00").code == 2
    wrong = reader.type("settle", "lost", "00", "--failed", "--result", "1")
    assert "--result belongs to --succeeded" in wrong.err
    unknown = reader.type("settle", "lost", "00", "--failed", "--json")
    assert (unknown.code, unknown.json["error"]["code"]) == (2, "P108")


def test_an_effect_that_did_not_happen_is_told_to_the_model(inside: Inside):
    inside.type("run", f"{CLERKS}:doubtful", "Pay it", "--run", "lost")
    (effect,) = inside.type("show", "lost", "--json").json["open"]
    said = inside.type(
        "settle", "lost", effect["key"][:6], "--failed", "--note", "no trace of it", "--resume"
    )
    assert (said.code, said.out) == (0, "It is paid.\n")
    assert "no trace of it" in inside.type("log", "lost", "--kind", "effect.settled").out


def test_a_message_with_an_id_is_said_once(inside: Inside):
    asked(inside)
    for _ in range(2):
        assert inside.type("message", "a", "Hurry", "--id", "m1").code == 0
    assert len(inside.type("log", "a", "--kind", "message.received", "--json").out.splitlines()) == 2
