"""Forks, rewinds and reverts from the command line, and what the world remembers."""

import json

from tests.cli.inside import Inside
from tests.cli.terminal import CLERKS


def paid(inside: Inside) -> dict[str, int]:
    """Run to the end, and return the position at which each act was settled."""
    assert inside.type("run", f"{CLERKS}:agent", "Pay", "--run", "march").code == 0
    events = map(json.loads, inside.type("log", "march", "--json").out.splitlines())
    started = {
        event["body"]["key"]: event["body"].get("what", "")
        for event in events
        if event["kind"] == "effect.started"
    }
    settled = map(
        json.loads, inside.type("log", "march", "--kind", "effect.settled", "--json").out.splitlines()
    )
    return {started[event["body"]["key"]]: event["position"] for event in settled}


def test_a_rewound_run_is_told_what_the_world_remembers_and_pays_nothing_twice(inside: Inside):
    positions = paid(inside)
    back = positions["invoice=INV-1"] - 3
    said = inside.type("rewind", "march", "--to", str(back), "--why", "again")
    assert said.code == 0
    assert "the world remembers of the tail" in said.out
    assert "pay invoice=INV-1" in said.out
    assert "pay invoice=INV-2" in said.out
    assert f"march is back at {back}" in said.out

    resumed = inside.type("resume", "march")
    assert resumed.code == 0
    assert "done before, answered with its receipt" in resumed.err
    assert inside.world == ["pay INV-1 12000", "pay INV-2 500"]
    assert inside.type("rewind", "march", "--to", "100000").code == 2


def test_a_fork_is_answered_with_receipts(inside: Inside):
    positions = paid(inside)
    said = inside.type("fork", "march", "--at", str(positions["invoice=INV-1"]), "--run", "b")
    assert said.code == 0
    assert "b begins as march at" in said.out
    assert "perdure resume b" in said.out
    assert inside.type("resume", "b", "--json").json["status"] == "finished"
    assert inside.world == ["pay INV-1 12000", "pay INV-2 500"]
    rows = inside.type("ls", "--json").json["runs"]
    assert (rows[1]["parent"], rows[1]["forked_at"]) == ("march", positions["invoice=INV-1"])
    assert inside.type("fork", "march", "--at", "3", "--run", "b").code == 2


def test_an_effect_is_undone_by_its_undo_and_what_came_after_stays(inside: Inside):
    positions = paid(inside)
    asked = inside.type("revert", "march", str(positions["invoice=INV-2"]), "--by", "Ada", "--resume")
    assert asked.code == 0, asked.err
    assert inside.world[-1] == "refund INV-2"
    receipts = inside.type("show", "march", "--json").json["receipts"]
    outcomes = {receipt["what"]: receipt["outcome"] for receipt in receipts}
    assert outcomes["invoice=INV-2"] == "compensated"
    assert outcomes["invoice=INV-1"] == "succeeded"
    assert inside.type("revert", "march", str(positions["invoice=INV-2"])).code == 2


def test_what_can_not_be_undone_is_refused_with_the_reason(reader: Inside):
    said = reader.type("revert", "march", "1", "--json")
    assert (said.code, said.json["error"]["code"]) == (2, "P109")
    doubt = reader.type("show", "lost", "--json").json["open"][0]["started"]
    refused = reader.type("revert", "lost", str(doubt))
    assert "doubted: nothing to undo" in refused.err


def test_dependents_are_named_and_asked_about(inside: Inside):
    assert inside.type("run", f"{CLERKS}:chained", "Pay", "--run", "c").code == 0
    position = next(
        json.loads(line)["position"]
        for line in inside.type("log", "c", "--kind", "effect.settled", "--json").out.splitlines()
    )
    no = inside.type("revert", "c", str(position), given="n\n")
    assert (no.code, "seem to depend on it" in no.err) == (4, True)
    assert inside.type("revert", "c", str(position), "--json").json["error"]["code"] == "P109"
    assert "change.reverted" not in inside.type("log", "c").out
    yes = inside.type("revert", "c", str(position), "--yes", "--resume")
    assert yes.code == 0
    assert inside.world[-1] == "refund INV-77"
