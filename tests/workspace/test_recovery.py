"""Every task of the corpus ends as if nobody had died in it; and the corpus is too hard for git alone."""

from pathlib import Path

import pytest

from tests.workspace.broken_restorers import CAUGHT_BY
from tests.workspace.corpus import TASKS
from tests.workspace.corpus.task import Task
from tests.workspace.likeness import differences, portrait
from tests.workspace.ours import Recorded
from tests.workspace.restorers import FullCopies, MakeRestorer, ShadowGit, TrackedOnly
from tests.workspace.trial import Verdict, free_port, missing, tried, unharmed
from tests.workspace.vandal import vandalise

QUICK = {
    "newer than a stamp", "static library", "tar and untar", "a rebase that stops", "a submodule", "a commit killed under its lock",
    "a write-ahead log left open", "odd names", "a symlink farm", "hard links", "empty directories and FIFOs", "directories that change places",
    "the same size and date", "modes of every kind", "owners", "extended attributes", "a pipeline with checkpoints of its own",
    "a service over a database", "a counter in memory",
}  # fmt: skip
FILES = [task for task in TASKS if task.needs == "files"]
PROCESSES = [task for task in TASKS if task.needs == "processes"]
GIT_FAILS_AT_LEAST = 20


def named(name: str) -> Task:
    """Return the task of that name."""
    return next(task for task in TASKS if task.name == name)


def by_speed(tasks: list[Task]) -> list[object]:
    """Return ``tasks`` as parameters: those that aren't quick are for soaks."""
    return [
        pytest.param(task, id=task.name, marks=[] if task.name in QUICK else [pytest.mark.soak])
        for task in tasks
    ]


def check(verdict: Verdict) -> None:
    """The task was recovered, or can't be tried here."""
    if verdict.result == "skipped":
        pytest.skip("; ".join(verdict.why))
    assert verdict.result == "recovered", "\n".join(verdict.why)


def test_the_corpus_is_what_it_is_said_to_be():
    assert len(TASKS) >= 44
    assert len({task.name for task in TASKS}) == len(TASKS)
    assert {task.name for task in TASKS} >= QUICK
    for task in TASKS:
        assert 4 <= len(task.turns) <= 10, task.name
        assert task.reading_turns >= 1, task.name
        assert task.questions, task.name


@pytest.mark.parametrize("task", by_speed(list(TASKS)))
def test_a_task_ends_the_same_each_time(task: Task, tmp_path: Path):
    if lacks := missing(task, tmp_path):
        pytest.skip(f"{lacks} not here")
    first, second = (unharmed(task, tmp_path, free_port()) for _ in range(2))
    assert differences(first.tree, second.tree) == []
    assert first.answers == second.answers


@pytest.mark.parametrize("task", by_speed(FILES))
def test_a_task_killed_in_every_turn_ends_as_if_unharmed(task: Task, tmp_path: Path):
    check(tried(task, tmp_path, Recorded))


@pytest.mark.soak
@pytest.mark.parametrize("task", by_speed(FILES))
def test_a_task_killed_in_any_one_turn_ends_as_if_unharmed(task: Task, tmp_path: Path):
    check(tried(task, tmp_path, Recorded, each=True))


def test_what_needs_living_processes_is_not_claimed_by_files(tmp_path: Path):
    for task in PROCESSES:
        verdict = tried(task, tmp_path, Recorded)
        assert verdict.result in ("not claimed", "skipped")
        assert verdict.why


@pytest.mark.parametrize("task", by_speed(PROCESSES))
def test_what_is_said_to_need_living_processes_does(task: Task, tmp_path: Path):
    verdict = tried(task, tmp_path, FullCopies, vandal=False, lives=True)
    assert verdict.result in ("differs", "skipped")


@pytest.mark.parametrize("forgotten", CAUGHT_BY)
def test_a_restorer_that_forgets_something_is_caught(forgotten: str, tmp_path: Path):
    broken, name = CAUGHT_BY[forgotten]
    check(tried(named(name), tmp_path / "whole", FullCopies))
    assert tried(named(name), tmp_path / "broken", broken).result == "differs"


def git_fails(task: Task, place: Path, make: MakeRestorer = TrackedOnly) -> bool:
    """Whether git doesn't recover ``task``, even without any damage but the command's own.

    Differences below ``.git`` don't count: it is content that is asked of it.
    """
    verdict = tried(task, place, make, vandal=False)
    return verdict.result == "differs" and verdict.outside_git


def test_tracked_files_alone_recover_some_tasks_and_fail_others(tmp_path: Path):
    assert not git_fails(named("the same size and date"), tmp_path)
    for name in ("static library", "hooks", "state that git ignores", "modes of every kind"):
        assert git_fails(named(name), tmp_path), name


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("make", [TrackedOnly, ShadowGit])
def test_git_fails_at_least_twenty_tasks_by_tracked_files_and_by_a_shadow_repository(
    make: MakeRestorer, tmp_path: Path
):
    assert sum(git_fails(task, tmp_path, make) for task in FILES) >= GIT_FAILS_AT_LEAST


def test_the_vandal_does_real_damage_and_the_same_each_time(tmp_path: Path):
    def damaged(name: str) -> list[str]:
        root = tmp_path / name
        (root / "d").mkdir(parents=True)
        for nth in range(20):
            (root / "d" / f"f{nth}").write_text("some text " * nth)
        before = portrait(root)
        assert vandalise(root, "seed")
        return differences(before, portrait(root))

    first, second = damaged("one"), damaged("two")
    assert first == second
    assert len(first) >= 5
