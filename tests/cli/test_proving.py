"""verify and replay: what was tampered with is found and named; what was decided is decided again."""

import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cli.inside import Inside
from tests.cli.terminal import CLERKS, Terminal


@contextmanager
def edited(directory: Path) -> Generator[sqlite3.Connection]:
    """Change the store's file behind perdure's back."""
    with closing(sqlite3.connect(directory / "state" / "log.db")) as db, db:
        yield db


@pytest.fixture
def victim(library: Terminal, inside: Inside) -> Inside:
    """A copy of the library that may be tampered with."""
    shutil.copytree(library.directory / "state", inside.directory / "state")
    return inside


def test_verify_says_exactly_ok_run_events_and_head(reader: Inside):
    said = reader.type("verify", "march", "--json")
    assert said.code == 0
    assert list(said.json) == ["ok", "run", "events", "head"]
    assert said.json["ok"] is True
    assert len(said.json["head"]) == 64
    assert reader.type("verify", "march", "--chain", "--json").json == said.json
    assert f"head {said.json['events']}:{said.json['head']}" in reader.type("verify", "march").out


def test_an_edited_event_is_found_and_named(victim: Inside, tmp_path: Path):
    with edited(tmp_path) as db:
        db.execute(
            "UPDATE events SET frame = CAST(replace(CAST(frame AS TEXT), 'March', 'April') AS BLOB) WHERE run = 1"
        )
    said = victim.type("verify", "march", "--json")
    assert said.code == 4
    assert list(said.json) == ["ok", "run", "events", "head", "position", "wrong"]
    assert (said.json["ok"], said.json["position"]) == (False, 3)
    assert "✗ march at 3" in victim.type("verify", "march").out
    every = victim.type("verify", "--all", "--json")
    assert (every.code, every.json["ok"]) == (4, False)
    assert [run["ok"] for run in every.json["runs"]] == [False, True]
    assert victim.type("doctor").code == 4


def test_a_log_that_was_cut_is_found_by_a_remembered_head(victim: Inside, tmp_path: Path):
    before = victim.type("verify", "march", "--json").json
    head = f"{before['events']}:{before['head']}"
    assert victim.type("verify", "march", "--head", head).code == 0
    with edited(tmp_path) as db:
        db.execute("DELETE FROM events WHERE run = 1 AND position > 12")
    said = victim.type("verify", "march", "--head", head, "--json")
    assert (said.code, said.json["ok"]) == (4, False)
    assert victim.type("verify", "gone", "--head", head).code == 4
    assert victim.type("verify", "march", "--head", "12").code == 2


def test_replay_decides_the_same_again(reader: Inside):
    said = reader.type("replay", "march", "--json")
    assert said.code == 0
    assert set(said.json) == {"ok", "run", "events", "facts", "step", "difference"}
    assert said.json["difference"] is None
    assert "each the same" in reader.type("replay", "lost").out


def test_verify_names_one_run_or_all(reader: Inside):
    assert reader.type("verify").code == 2
    assert reader.type("verify", "march", "--all").code == 2
    assert reader.type("verify", "--all", "--head", "1:00").code == 2
    assert reader.type("verify", "--all").code == 0


def test_a_run_of_the_command_line_verifies_after_everything_that_was_done_to_it(inside: Inside):
    assert inside.type("run", f"{CLERKS}:doubtful", "Pay", "--run", "d").code == 3
    assert inside.type("message", "d", "Wait").code == 0
    assert inside.type("rewind", "d", "--to", "4").code == 0
    assert inside.type("verify", "d").code == 0
    assert inside.type("replay", "d").code == 0
