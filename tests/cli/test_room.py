"""What a store takes, what it lets go, and what is said of both."""

import select
from pathlib import Path

import pytest

from perdure.adapters.sqlite.store import SqliteStore
from tests.cli.inside import Inside
from tests.cli.terminal import AGENTS, Terminal, kill
from tests.conformance.stores import blob

WRITER = AGENTS / "writers.py"


@pytest.fixture
def written(inside: Inside) -> Inside:
    """A terminal beside a store in which an agent has written five versions of a file."""
    assert inside.type("run", f"{WRITER}:agent", "Write", "--run", "w", "--store", "state").code == 0
    return inside


def checkpoints(terminal: Inside) -> list[int]:
    lines = terminal.type("log", "w", "--kind", "checkpoint.taken").out.splitlines()
    return [int(line.split()[0]) for line in lines if line.split()[0].isdigit()]


def garbage(terminal: Inside, count: int = 3) -> None:
    with SqliteStore(terminal.directory / "state") as store:
        for number in range(count):
            store.put(*blob(b"nobody names %d" % number * 1000))


def test_garbage_is_shown_before_it_goes_and_goes_once(written: Inside):
    assert written.type("store", "gc", "--dry-run", "--json").json["collected"]["taken"]["blobs"] == 0
    garbage(written)
    tried = written.type("store", "gc", "--dry-run", "--json").json["collected"]
    assert (tried["taken"]["blobs"], tried["trial"]) == (3, True)
    assert "3 blobs would go" in written.type("store", "gc", "--dry-run").out
    said = written.type("store", "gc")
    assert (said.code, "3 blobs gone" in said.out) == (0, True)
    done = written.type("store", "gc", "--json").json
    assert done["collected"]["taken"]["blobs"] == 0
    assert (done["compacted"], done["collected"]["reached"]) == (None, tried["reached"])
    assert written.type("verify", "--all").code == 0


def test_while_the_store_is_in_use_garbage_waits_and_it_is_said_how_long(written: Inside):
    garbage(written)
    with SqliteStore(written.directory / "state"):
        said = written.type("store", "gc").out
        assert "0 blobs gone" in said
        assert "3 blobs: the store is in use; collect again in 20 minutes" in said
    assert "3 blobs gone" in written.type("store", "gc").out


def test_compacting_is_told_and_excludes_a_dry_run(written: Inside):
    garbage(written, 400)
    said = written.type("store", "gc", "--compact")
    assert (said.code, "the log's file takes" in said.out) == (0, True)
    assert written.type("store", "gc", "--compact", "--dry-run").code == 2
    shrunk = written.type("store", "gc", "--compact", "--json").json["compacted"]
    assert shrunk["before"] == shrunk["after"]


def test_files_of_old_positions_are_let_go_for_good_and_it_is_said_where_that_matters(written: Inside):
    first, second, third, fourth, *_ = checkpoints(written)
    assert written.type("store", "pin", "w", str(second + 1), "--by", "Ada").code == 0
    tried = written.type("store", "thin", "w", "--before", str(fourth), "--dry-run", "--json").json
    assert tried == {"run": "w", "first": 1, "before": fourth, "kept": [second + 1], "dry_run": True}
    assert str(first) in written.type("log", "w", "--kind", "checkpoint.taken").out
    said = written.type("store", "thin", "w", "--before", str(fourth), "--by", "Ada")
    assert f"files of w at 1 to {fourth - 1} are let go" in said.out
    assert "Ada lets the files" in written.type("log", "w").out
    freed = written.type("store", "gc", "--json").json["collected"]["taken"]["blobs"]
    assert freed > 0
    for words in (
        ("rewind", "w", "--to", str(first + 1)),
        ("fork", "w", "--at", str(third - 3)),
        ("store", "pin", "w", str(first)),
    ):
        refused = written.type(*words, "--json")
        assert (refused.code, refused.json["error"]["code"]) == (2, "P104")
        assert "were let go" in refused.json["error"]["message"]
        assert str(fourth) in refused.json["error"]["hint"]
    assert written.type("verify", "--all").code == 0
    assert written.type("replay", "w").code == 0
    again = written.type("store", "thin", "w", "--before", str(fourth), "--json")
    assert (again.code, again.json["error"]["code"]) == (2, "P104")


def test_a_pinned_position_and_the_beginning_of_a_fork_can_still_be_gone_back_to(written: Inside):
    book = written.directory / "work" / "book.txt"
    _, second, third, *_, last = checkpoints(written)
    assert written.type("store", "pin", "w", str(second + 1)).code == 0
    assert written.type("fork", "w", "--at", str(third + 1), "--run", "other", "--json").code == 0
    assert written.type("store", "thin", "w", "--before", str(last)).code == 0
    assert written.type("store", "gc").code == 0
    assert written.type("verify", "--all").code == 0
    back = written.type("rewind", "w", "--to", str(second + 1), "--resume", "--agent", f"{WRITER}:agent")
    assert back.code == 0, back.err
    assert written.type("verify", "--all").code == 0
    assert book.exists()


def test_a_pin_is_taken_back(written: Inside):
    _, second, third, *_ = checkpoints(written)
    assert "is pinned" in written.type("store", "pin", "w", str(second)).out
    assert "no longer pinned" in written.type("store", "pin", "w", str(second), "--off").out
    said = written.type("store", "thin", "w", "--before", str(third), "--dry-run", "--json").json
    assert said["kept"] == []
    assert written.type("store", "pin", "w", "9999").code == 2
    assert written.type("store", "thin", "w", "--before", "9999").code == 2
    assert written.type("store", "thin", "nobody", "--before", "9").code == 2


@pytest.mark.parametrize(
    ("said", "held"),
    [("1G", 1 << 30), ("1.5GiB", 3 << 29), ("800 MB", 800 << 20), ("12345", 12345), ("none", None)],
)
def test_a_budget_is_said_in_any_unit(written: Inside, said: str, held: int | None):
    found = written.type("store", "budget", said, "--json").json
    assert (found["budget_bytes"], found["budget_chosen"]) == (held, True)
    assert written.type("store", "budget", "--json").json["budget_bytes"] == held
    assert written.type("store", "stats", "--json").json["room"]["budget"] == held


def test_a_budget_that_is_no_amount_is_refused(written: Inside):
    assert written.type("store", "budget", "much").code == 2
    assert written.type("store", "budget", "default", "--json").json["budget_chosen"] is False


def test_a_run_over_budget_waits_for_a_person_and_goes_on_when_there_is_room(inside: Inside):
    agent = f"{WRITER}:agent"
    assert inside.type("run", agent, "Write", "--run", "first", "--store", "state").code == 0
    assert inside.type("store", "budget", "1K").code == 0
    (inside.directory / "work" / "notes.txt").write_text("other\n" * 9000)
    said = inside.type("run", agent, "Write", "--run", "w", "--store", "state", "--json")
    assert said.code == 3
    assert said.json["wait"]["for"] == "workspace"
    assert "may take 1,024" in said.json["wait"]["text"]
    doctor = inside.type("doctor")
    assert doctor.code == 4
    assert "no workspace is recorded any more" in doctor.out
    assert "store gc" in inside.type("store", "stats").out
    assert inside.type("verify", "--all").code == 0
    assert inside.type("store", "budget", "1G").code == 0
    assert inside.type("resume", "w", "--agent", agent).code == 0
    assert "budget" in inside.type("doctor").out
    assert Path(inside.directory / "work" / "book.txt").read_text().startswith("version 4")


def test_runs_verify_after_collections_that_were_killed_beside_them(terminal: Terminal):
    terminal.type("run", f"{WRITER}:agent", "Write", "--run", "w0", "--store", "state")
    last = [int(line.split()[0]) for line in terminal.type("log", "w0").out.splitlines()[1:]][-1]
    assert terminal.type("store", "thin", "w0", "--before", str(last)).code == 0
    for number in range(1, 3):
        run = terminal.start("run", f"{WRITER}:agent", "Write", "--run", f"w{number}", "--store", "state")
        while run.poll() is None:
            gc = terminal.start("store", "gc", "--json")
            select.select([run.stderr] if run.stderr is not None else [], [], [], 0.7)
            kill(gc)
        assert run.communicate()[0] == "Written.\n"
    assert terminal.type("verify", "--all").code == 0
    assert terminal.type("store", "gc").code == 0
    assert terminal.type("verify", "--all").code == 0
    assert terminal.type("store", "gc", "--json").json["collected"]["unreached"]["blobs"] == 0
