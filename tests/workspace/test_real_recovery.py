"""Tasks as real runs: the command line's own process is killed in the middle of effects, and the run resumed."""

from pathlib import Path

import pytest

from benchmarks.harness.recovery import recovery_figures
from tests.workspace.corpus import TASKS
from tests.workspace.corpus.task import Task
from tests.workspace.real import Death, drawn, perform
from tests.workspace.real_trial import tried_for_real
from tests.workspace.trial import Verdict, free_port

QUICK = ("hard links", "a counter in memory")


def named(name: str) -> Task:
    """Return the task of that name."""
    return next(task for task in TASKS if task.name == name)


def check(verdict: Verdict) -> None:
    """The task was recovered, or can't be tried here."""
    if verdict.result in ("skipped", "not claimed"):
        pytest.skip("; ".join(verdict.why))
    assert verdict.result == "recovered", "\n".join(verdict.why)


@pytest.mark.parametrize("name", QUICK)
def test_a_run_whose_process_is_killed_ends_as_if_unharmed(name: str, tmp_path: Path):
    verdict = tried_for_real(named(name), tmp_path, deaths=1, seed="quick")
    check(verdict)
    assert verdict.deaths == 1


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", [pytest.param(task, id=task.name) for task in TASKS])
def test_a_run_killed_in_every_act_ends_as_if_unharmed(task: Task, tmp_path: Path):
    check(tried_for_real(task, tmp_path, deaths=len(task.turns), seed="soak"))


def test_a_death_in_the_middle_of_an_effect_leaves_it_in_doubt_and_it_is_done_again(tmp_path: Path):
    task = named("a pipeline with checkpoints of its own")
    found = perform(task, tmp_path, free_port(), [Death(2, 0.0)], seed="damage")
    assert (found.deaths, found.doubts) == (1, 1)
    assert '"row": 40' in found.ending.answers[1]


def test_deaths_are_drawn_in_turns_that_act_and_the_same_each_time():
    task = named("hard links")
    first, second = drawn(task, 3, "seed", 0.4), drawn(task, 3, "seed", 0.4)
    assert first == second
    assert [death.turn for death in first] == sorted({death.turn for death in first})
    assert all(0 <= death.after_s <= 0.4 for death in first)


def test_the_passes_of_the_evidence_tell_ours_from_git(tmp_path: Path):
    told = list[str]()
    figures = recovery_figures(told.append, names=["an append-only ledger"])
    assert (figures["tasks"], figures["recovered"], figures["files_recovered"]) == (1, 1, 1)
    assert figures["git_only_restorer_failures"] == 1
    assert len(told) == 2
