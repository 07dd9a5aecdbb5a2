"""A real process with a real store: killed between the decision and the reply, it asks again with the same bytes."""

import json
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tests.paging.kit import long_text
from tests.paging.program import notes

ROOT = Path(__file__).parents[2]
TURNS = 11


def lived(directory: Path, kill: int = 0) -> subprocess.CompletedProcess[str]:
    """Live one life of the program."""
    program = [sys.executable, "-m", "tests.paging.program", str(directory), str(kill)]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)


def prompts(directory: Path) -> dict[str, list[bytes]]:
    """Return what the model was asked with, by turn, in order of the attempts."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for path in sorted(directory.glob("prompt-*.json")):
        found[path.stem.split("-")[1]].append(path.read_bytes())
    return found


def last_answers(directory: Path) -> list[str]:
    """Return what stands for the answered calls in the newest prompt."""
    newest = prompts(directory)[f"{TURNS:03d}"][-1]
    return [entry["text"] for entry in json.loads(newest)["entries"] if entry["type"] == "answered"]


def test_a_killed_process_asks_again_with_the_same_bytes_and_what_left_comes_back_from_the_log(
    tmp_path: Path,
):
    for kill in (3, 3, 3, 2):
        assert lived(tmp_path, kill).returncode == -signal.SIGKILL
    ended = lived(tmp_path)
    assert ended.stdout.split("\n")[:2] == ["finished", "True None"], ended.stderr
    asked = prompts(tmp_path)
    assert len(asked) == TURNS
    assert [len(attempts) for attempts in asked.values()].count(2) == 4
    assert all(len(set(attempts)) == 1 for attempts in asked.values())
    *_, file, fetched = last_answers(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == notes(5)
    assert file == notes(1)
    assert fetched == long_text("part0")


def test_a_program_that_is_not_killed_asks_with_the_same_bytes_as_one_that_is(tmp_path: Path):
    (tmp_path / "once").mkdir()
    (tmp_path / "twice").mkdir()
    assert lived(tmp_path / "once").stdout.startswith("finished")
    assert lived(tmp_path / "twice", 10).returncode == -signal.SIGKILL
    assert lived(tmp_path / "twice").stdout.startswith("finished")
    once, twice = prompts(tmp_path / "once"), prompts(tmp_path / "twice")
    assert once == {turn: attempts[:1] for turn, attempts in twice.items()}
