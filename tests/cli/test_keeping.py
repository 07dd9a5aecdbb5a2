"""Contracts, stores, the doctor, the demo, help, and where the store is looked for."""

import shutil
from pathlib import Path

import pytest

from perdure.cli import main
from perdure.cli.verbs import VERBS
from tests.cli.inside import Inside
from tests.cli.terminal import CLERKS, Terminal

STRICT = """\
rules:
  - name: small
    tools: [pay]
    require: args.amount_cents < 1000
approvals:
  - name: any
    tools: [pay]
budgets:
  - name: daily
    of: calls
    max: 1
    every: day
    tools: [pay]
"""


def test_a_contract_is_tried_on_what_was_recorded(reader: Inside, tmp_path: Path):
    (tmp_path / "strict.yaml").write_text(STRICT)
    said = reader.type("contract", "try", str(tmp_path / "strict.yaml"), "--run", "march", "--json")
    assert said.code == 4
    paid = {
        ruling["arguments"]["invoice"]: ruling for ruling in said.json["rulings"] if ruling["tool"] == "pay"
    }
    assert (paid["INV-1"]["then"], paid["INV-1"]["now"], paid["INV-1"]["rule"]) == (
        "allowed",
        "refused",
        "rules.small",
    )
    assert paid["INV-2"]["now"] == "asked"
    assert (paid["INV-3"]["now"], paid["INV-3"]["rule"]) == ("refused", "budgets.daily")
    text = reader.type("contract", "try", str(tmp_path / "strict.yaml"), "--run", "march").out
    assert "refused pay invoice=INV-1" in text

    (tmp_path / "free.yaml").write_text("{}\n")
    free = reader.type("contract", "try", str(tmp_path / "free.yaml"), "--run", "march", "--json")
    assert all(ruling["then"] == ruling["now"] for ruling in free.json["rulings"])


def test_a_contract_is_checked_with_line_and_cure(reader: Inside, tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text(STRICT.replace("[pay]", "[fly]", 1))
    assert reader.type("contract", "check", str(path)).code == 0
    said = reader.type("contract", "check", str(path), "--agent", f"{CLERKS}:agent", "--json")
    assert (said.code, said.json["ok"]) == (4, False)
    assert set(said.json["problems"][0]) == {"file", "line", "text", "cure"}
    assert said.json["problems"][0]["line"] == 3
    assert "c.yaml:3" in reader.type("contract", "check", str(path), "--agent", f"{CLERKS}:agent").out
    (tmp_path / "d.yaml").write_text("rulez: []\n")
    assert reader.type("contract", "try", str(tmp_path / "d.yaml"), "--run", "march").code == 2


def test_a_backup_opens_suspended_until_somebody_releases_it(inside: Inside):
    assert inside.type("run", f"{CLERKS}:doubtful", "Pay", "--run", "d", "--store", "state").code == 3
    assert inside.type("store", "backup", "copy", "--json").json == {"store": "state", "backup": "copy"}
    assert inside.type("store", "backup", "copy").code == 2
    shown = inside.type("show", "d", "--store", "copy", "--json").json
    held = inside.type("resume", "d", "--store", "copy", "--agent", f"{CLERKS}:doubtful", "--json")
    assert (held.code, held.json["error"]["code"]) == (3, "P301")
    assert "suspended" in inside.type("store", "stats", "--store", "copy").out
    assert "release" in inside.type("doctor", "--store", "copy").out
    assert inside.type("store", "release", "--store", "copy").code == 2
    assert inside.type("store", "release", "--by", "Ada", "--store", "copy").code == 0
    assert inside.type("resume", "d", "--store", "copy", "--agent", f"{CLERKS}:doubtful").code == 3
    assert shown["status"] == "waiting"


def test_stats_count_what_is_there(reader: Inside):
    stats = reader.type("store", "stats", "--json").json
    assert stats["runs"] == 2
    assert stats["suspended"] is None
    events = sum(row["position"] for row in reader.type("ls", "--json").json["runs"])
    assert stats["events"] == events
    assert "events" in reader.type("store", "stats").out


def test_a_list_of_runs_looks_at_the_newest_and_says_if_there_are_older_ones(reader: Inside):
    every = reader.type("ls", "--json", "--limit", "0").json
    assert every == reader.type("ls", "--json", "--limit", "2").json == reader.type("ls", "--json").json
    assert reader.type("ls", "--json", "--limit", "1").json == {"runs": every["runs"][1:], "older": True}
    shown = reader.type("ls", "--limit", "1")
    assert every["runs"][0]["run"] not in shown.out.split()
    assert "--limit 0" in shown.err
    assert "--limit 0" not in reader.type("ls", "--limit", "2").err


def test_the_doctor_looks_at_machine_and_store(reader: Inside):
    said = reader.type("doctor", "--json")
    assert (said.code, said.json["ok"]) == (0, True)
    checks = {check["name"]: check for check in said.json["checks"]}
    assert {"python", "sqlite", "sync", "disk", "clock", "store", "chains"} <= set(checks)
    for check in checks.values():
        assert check["status"] in ("ok", "warn", "fail")
        assert check["next"] or check["status"] == "ok", check


def test_the_doctor_finds_what_is_no_longer_as_the_receipts_say(inside: Inside):
    assert inside.type("run", f"{CLERKS}:publisher", "Publish", "--run", "p").code == 0
    assert inside.type("doctor", "p", "--drift", "--json").json == {"ok": True, "run": "p", "drift": []}
    (inside.directory / "index.html").unlink()
    said = inside.type("doctor", "p", "--drift")
    assert said.code == 4
    assert "index.html is gone" in said.out
    assert "index.html is gone" in inside.type("log", "p", "--kind", "drift.found").out
    assert inside.type("doctor", "p").code == 2


def test_the_doctor_names_a_run_whose_driver_died(terminal: Terminal):
    terminal.put_gate()
    process = terminal.start("run", f"{CLERKS}:slow", "Pay", "--run", "s")
    terminal.await_tool(process)
    process.kill()
    process.communicate()
    assert "perdure resume s" in terminal.type("doctor").out
    assert "is dead" in terminal.type("show", "s").out


def test_the_doctor_refuses_a_place_that_can_not_hold_a_store(inside: Inside):
    (inside.directory / "state").mkdir()
    (inside.directory / "state" / "log.db").write_text(
        "this is no store, however long it may be made to look" * 40
    )
    said = inside.type("doctor", "--json")
    assert (said.code, said.json["ok"]) == (4, False)


def test_the_demo_gets_all_words_and_its_code_comes_back(terminal: Terminal):
    said = terminal.type("demo", "--seed", "no-number", "--unheard-of")
    assert said.code == 2
    assert "no-number" in said.err or "unheard-of" in said.err


def test_the_store_is_looked_for_where_it_is_meant(
    library: Terminal, inside: Inside, monkeypatch: pytest.MonkeyPatch
):
    tmp_path = inside.directory
    shutil.copytree(library.directory / "state", tmp_path / ".perdure")
    assert inside.type("ls", "--json").code == 0
    (tmp_path / "state").mkdir()
    assert inside.type("ls").code == 0  # a directory that is no store isn't taken for one
    shutil.copytree(library.directory / "state", tmp_path / "other")
    monkeypatch.setenv("PERDURE_STORE", "nowhere")
    assert "no store in nowhere" in inside.type("ls").err
    assert inside.type("ls", "--store", "other").code == 0


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_command_has_help_with_an_example_and_json(verb: str, reader: Inside):
    said = reader.type(verb, "--help")
    assert said.code == 0
    command = main.get_command(main.make_context("perdure", ["ls"], resilient_parsing=True), verb)
    below = getattr(command, "commands", {})
    for name, text in {name: reader.type(verb, name, "--help").out for name in below}.items() or {
        verb: said.out
    }.items():
        assert "For example:" in text, name
        assert f"  perdure {verb}" in text
        # What `hooks tell` says is a client's own form, which is JSON where the client wants that.
        assert "--json" in text or name == "tell"
        # `gateway status` asks a gateway that runs; a snippet and a draft are about no run; a copy names two stores.
        elsewhere = {"check", "status", "print", "tell", "init", "copy"}
        assert "--store" in text or verb == "demo" or name in elsewhere


def test_help_lists_every_command_and_needs_no_store(terminal: Terminal):
    said = terminal.type("--help")
    assert said.code == 0
    for verb, about in VERBS.items():
        assert f"  {verb} " in said.out
        assert about.words in said.out
    assert "PERDURE_STORE" in said.out
    assert terminal.type("--version").out.startswith("perdure")
