"""Runs are started, let go of, killed, resumed, and end with the code that says how."""

import contextlib
import os
import select
import signal
import subprocess
from typing import IO

import msgspec
import pytest

from tests.cli.inside import Inside
from tests.cli.terminal import CLERKS, Terminal, kill


def test_a_run_prints_its_answer_and_nothing_else_on_standard_output(terminal: Terminal):
    said = terminal.type(
        "run", f"{CLERKS}:agent", "Pay the March invoices", "--run", "march", "--store", "./state"
    )
    assert said.code == 0
    assert said.out == "Two are paid.\nOne had nothing to pay.\n"
    assert "reading INV-1" in said.err
    assert "✓ pay invoice=INV-1" in said.err
    assert "march finished · 7 turns · 2 effects done" in said.err
    assert terminal.world == ["pay INV-1 12000", "pay INV-2 500"]


def test_quiet_says_only_the_answer(inside: Inside):
    said = inside.type("run", f"{CLERKS}:agent", "Pay", "--quiet")
    assert said.code == 0
    assert said.out.startswith("Two are paid.")
    assert "✓" not in said.err


def test_a_run_that_a_person_must_settle_ends_with_3_and_says_how(inside: Inside):
    waits = inside.type("run", f"{CLERKS}:doubtful", "Pay it", "--run", "lost", "--store", "./elsewhere")
    assert (waits.code, waits.out) == (3, "")
    assert "perdure settle lost" in waits.err
    assert "--store elsewhere" in waits.err

    shown = inside.type("show", "lost", "--json", "--store", "./elsewhere").json
    (effect,) = shown["open"]
    command = effect["steps"][0]["command"].replace("'...'", "T-1042").split()
    settled = inside.type(*command[1:])
    assert (settled.code, settled.out) == (0, "It is paid.\n")


def test_a_run_that_failed_ends_with_4(inside: Inside):
    said = inside.type("run", f"{CLERKS}:endless", "Read", "--run", "e", "--json")
    assert said.code == 4
    assert said.json["status"] == "failed"
    assert "1 turns" in said.json["why"]
    assert inside.type("resume", "e").code == 4


def test_a_killed_run_goes_on_where_it_was_and_does_nothing_twice(terminal: Terminal):
    terminal.put_gate()
    process = terminal.start("run", f"{CLERKS}:slow", "Pay", "--run", "s")
    terminal.await_tool(process)
    kill(process)

    (row,) = terminal.type("ls", "--json").json["runs"]
    assert (row["status"], row["driver"]) == ("running", "dead")
    resumed = terminal.type("resume", "s", "--json")
    assert resumed.code == 3
    assert resumed.json["wait"]["for"] == "doubt"
    (effect,) = terminal.type("show", "s", "--json").json["open"]
    assert effect["sender_ended_at"]
    assert effect["arguments"] == {"invoice": "INV-9"}
    done = terminal.type("settle", "s", effect["key"][:8], "--succeeded", "--result", '"paid"', "--resume")
    assert (done.code, done.out) == (0, "Slowly paid.\n")
    assert terminal.world == ["pay INV-9"]
    assert terminal.type("verify", "s").code == 0


def test_of_two_resumers_one_drives_and_the_other_ends_with_5(terminal: Terminal):
    terminal.put_gate()
    killed = terminal.start("run", f"{CLERKS}:patient", "Note it", "--run", "p")
    terminal.await_tool(killed)
    kill(killed)

    rivals = [terminal.start("resume", "p", "--json") for _ in range(2)]
    terminal.await_tool(*rivals)
    loser = _first_ended(rivals)
    out, err = loser.communicate()
    assert loser.returncode == 5
    assert msgspec.json.decode(out)["error"]["code"] == "P201"
    assert "--take-over" in err

    (winner,) = (rival for rival in rivals if rival is not loser)
    terminal.open_gate()
    out, _ = winner.communicate()
    assert (winner.returncode, msgspec.json.decode(out)["answer"]) == (0, "It is noted.")


def test_a_writer_that_was_taken_over_ends_with_5(terminal: Terminal):
    terminal.put_gate()
    first = terminal.start("run", f"{CLERKS}:patient", "Note it", "--run", "p", "--json")
    terminal.await_tool(first)
    second = terminal.start("resume", "p", "--take-over")
    terminal.await_tool(second)
    terminal.open_gate(tools=2)
    out, _ = first.communicate(timeout=60)
    assert (first.returncode, msgspec.json.decode(out)["error"]["code"]) == (5, "P401")
    out, _ = second.communicate(timeout=60)
    assert (second.returncode, out) == (0, "It is noted.\n")


def _first_ended(processes: "list[subprocess.Popen[str]]") -> "subprocess.Popen[str]":
    """Return the first process that has ended; the others may go on."""
    watched = {os.pidfd_open(process.pid): process for process in processes}
    ready, _, _ = select.select(list(watched), [], [], 30)
    for descriptor in watched:
        os.close(descriptor)
    return watched[ready[0]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_go_in_order_and_says_how_to_go_on(terminal: Terminal, number: signal.Signals):
    terminal.put_gate()
    process = terminal.start("run", f"{CLERKS}:slow", "Pay", "--run", "s", "--store", "./state")
    terminal.await_tool(process)
    process.send_signal(number)
    assert process.stderr is not None
    said = _until(process.stderr, "letting go of s")
    assert "pay_slowly invoice=INV-9" in said
    terminal.open_gate()
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "perdure resume s\n" in rest
    assert "Traceback" not in rest
    (row,) = terminal.type("ls", "--json", "--status", "stopped").json["runs"]
    assert row["driver"] == "nobody"
    assert terminal.type("resume", "s").code == 0
    assert terminal.world == ["pay INV-9"]


def _until(lines: IO[str], words: str) -> str:
    """Read up to the line that has ``words``, and return that line."""
    return next(line for line in lines if words in line)


def test_a_second_ctrl_c_leaves_at_once(terminal: Terminal):
    terminal.put_gate()
    process = terminal.start("run", f"{CLERKS}:patient", "Note it", "--run", "p")
    terminal.await_tool(process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    _until(process.stderr, "leaves at once")
    while process.poll() is None:  # closer signals count as one, so a few are sent
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    process.communicate()
    assert process.returncode == 130
    assert terminal.type("ls", "--json").json["runs"][0]["driver"] == "dead"


def test_a_run_is_resumed_with_its_own_agent_in_its_own_directory(inside: Inside):
    store = inside.directory / "state"
    inside.directory /= "inner"
    inside.directory.mkdir()
    started = inside.type("run", f"{CLERKS}:doubtful", "Pay it", "--run", "lost", "--store", str(store))
    inside.directory = store.parent
    assert started.code == 3
    forked = inside.type("fork", "lost", "--at", "4", "--run", "again", "--json")
    assert forked.json["parent"] == "lost"
    again = inside.type("resume", "again")
    assert (again.code, again.out) == (0, "It is paid.\n")  # the model gives up what another run has begun
    assert inside.type("resume", "again", "--agent", f"{CLERKS}:nobody").code == 2


def test_a_child_that_waits_leads_on_from_its_parent(inside: Inside):
    said = inside.type("run", f"{CLERKS}:parent", "Do it", "--run", "p", "--json")
    assert said.code == 3
    (step,) = said.json["steps"]
    shown = inside.type(*step["command"].split()[1:], "--json").json
    settle = shown["open"][0]["steps"][0]["command"].replace("'...'", "T-1").split()
    assert inside.type(*settle[1:]).code == 0
    resumed = inside.type("resume", "p")
    assert (resumed.code, resumed.out) == (0, "They are done.\n")
