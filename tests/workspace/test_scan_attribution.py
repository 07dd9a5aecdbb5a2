"""Whose a change is."""

import os
import time
from pathlib import Path

import pytest

from perdure.adapters.memory import MemoryStore
from perdure.adapters.workspace import Directory
from perdure.checkpoint.inspection import Inspection, Window


def pass_time() -> None:
    """Return when what was done before this lies clearly before what is done now, by any clock."""
    now = time.time_ns()
    while time.time_ns() < now + 50_000_000:
        os.sched_yield()


class Story:
    """A directory, recorded; what is done inside of ``window`` is an effect's."""

    def __init__(self, root: Path) -> None:
        (root / "d" / "deep").mkdir(parents=True)
        for name in ("a", "b", "d/x", "d/deep/y"):
            (root / name).write_bytes(name.encode())
        self.root = root
        self.directory = Directory(root, MemoryStore())
        self.known = self.directory.record("", ()).tree
        pass_time()
        self.begins = time.time_ns()
        self.ends = 0

    def end_window(self) -> None:
        self.ends = time.time_ns()
        pass_time()

    def look(self, **done: str) -> dict[str, str]:
        found: Inspection = self.directory.record(
            self.known, [Window("k1", self.begins, self.ends)], done={"a": "k1"} if done else {}
        )
        return {each.path: each.by for each in found.changes}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_what_changes_while_an_effect_runs_came_in_its_window(story: Story) -> None:
    (story.root / "a").write_bytes(b"changed")
    (story.root / "new").write_bytes(b"new")
    (story.root / "b").unlink()
    assert story.look() == {"a": "window", "new": "window", "b": "window"}


def test_what_a_tool_is_known_to_have_done_is_the_tools(story: Story) -> None:
    (story.root / "a").write_bytes(b"changed")
    (story.root / "b").write_bytes(b"changed")
    assert story.look(a="k1") == {"a": "tool", "b": "window"}


def test_what_changes_outside_of_every_window_is_unknown(story: Story) -> None:
    story.end_window()
    (story.root / "a").write_bytes(b"by somebody else")
    (story.root / "new").write_bytes(b"theirs")
    (story.root / "d" / "x").unlink()
    assert story.look() == {"a": "unknown", "new": "unknown", "d/x": "unknown"}


def test_a_time_that_was_put_back_fools_nobody(story: Story) -> None:
    story.end_window()
    (story.root / "a").write_bytes(b"by somebody else")
    os.utime(story.root / "a", ns=(story.begins + 1, story.begins + 1))
    assert story.look() == {"a": "unknown"}


def test_a_directory_moved_in_the_window_takes_what_it_holds_along(story: Story) -> None:
    (story.root / "d").rename(story.root / "e")
    told = story.look()
    assert {path for path, by in told.items() if by == "window"} == set(told)
    assert {"e", "e/x", "e/deep", "e/deep/y", "d", "d/x", "d/deep", "d/deep/y"} == set(told)


def test_a_file_of_somebody_else_in_a_directory_that_an_effect_touched_stays_theirs(story: Story) -> None:
    """Between two windows somebody makes a directory with a file; then an effect writes beside that."""
    story.end_window()
    (story.root / "theirs").mkdir()
    (story.root / "theirs" / "notes").write_bytes(b"mine, said the user")
    pass_time()
    begins = time.time_ns()
    (story.root / "theirs" / "out").write_bytes(b"by the effect")
    windows = [Window("k1", story.begins, story.ends), Window("k2", begins, 0)]
    found = story.directory.record(story.known, windows)
    told = {each.path: each.by for each in found.changes}
    assert told["theirs/notes"] == "unknown"
    assert told["theirs/out"] == "window"


def test_without_windows_nothing_is_the_agents(story: Story) -> None:
    (story.root / "a").write_bytes(b"changed")
    found = story.directory.record(story.known, ())
    assert [each.by for each in found.changes] == ["unknown"]


def test_a_path_that_is_no_text_is_spelled_for_people(story: Story) -> None:
    (story.root / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    assert story.look() == {"caf\\xe9": "window"}
