"""Recovery over the corpus: tasks that die in every turn, as real processes too, and what git alone would recover.

Three passes over the same tasks (``tests/workspace/corpus``), some at once, since they wait for the disk:
- *files*: a death in every turn of one performance, damage by a vandal, files put back by the recorder and the
  planner (L0);
- *real*: ``perdure run`` killed with SIGKILL at drawn moments, damage where an effect was in doubt, then
  ``perdure resume``, at the highest level that this host has;
- *git*: files that git tracks, put back before the turn is done again, without a vandal. A task counts as failed
  only if it ends otherwise outside of ``.git``, or can't be ended.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.workspace.corpus import TASKS
from tests.workspace.corpus.task import Task
from tests.workspace.ours import Recorded
from tests.workspace.playing import remove
from tests.workspace.real_trial import tried_for_real
from tests.workspace.restorers import TrackedOnly
from tests.workspace.trial import Verdict, tried

WORKERS = 3
DEATHS = 1
"""Of one real run. The soak tests die in each turn."""

Trial = Callable[[Task, Path], Verdict]
Say = Callable[[str], None]


def recovery_figures(
    say: Say, *, deaths: int = DEATHS, seed: str = "evidence", names: Collection[str] | None = None
) -> dict[str, object]:
    """Try all tasks (or those of these names) in all passes; what failed is told through ``say``."""
    chosen = [nth for nth, task in enumerate(TASKS) if names is None or task.name in names]
    files = passed("files", partial(tried, make=Recorded), chosen, say)
    real = passed("real", partial(tried_for_real, deaths=deaths, seed=seed), chosen, say)
    git = passed("git", partial(tried, make=TrackedOnly, vandal=False), chosen, _quietly)
    counted = Counter(verdict.result for verdict in real)
    return {
        "tasks": len(chosen),
        "recovered": counted["recovered"],
        "not_claimed": {each.task: each.why[0] for each in real if each.result == "not claimed"},
        "not_recovered": [each.task for each in real if each.result == "differs"],
        "tasks_not_here": [each.task for each in real if each.result == "skipped"],
        "real_deaths": sum(each.deaths for each in real),
        "files_recovered": sum(each.result == "recovered" for each in files),
        "files_not_claimed": sum(each.result == "not claimed" for each in files),
        "files_not_recovered": [each.task for each in files if each.result == "differs"],
        "files_deaths": sum(each.deaths for each in files),
        "git_only_restorer_failures": sum(each.result == "differs" and each.outside_git for each in git),
        "git_only_restorer_tasks": sum(each.result in ("differs", "recovered") for each in git),
    }


def passed(name: str, trial: Trial, chosen: Sequence[int], say: Say) -> list[Verdict]:
    """Return what ``trial`` says of the tasks with these numbers."""
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        verdicts = list(pool.map(partial(_placed, trial), chosen))
    for verdict in verdicts:
        if verdict.result == "differs":
            say(f"{name}: {verdict.task}: {'; '.join(verdict.why)[:400]}")
    say(f"{name}: {dict(Counter(verdict.result for verdict in verdicts))}")
    return verdicts


def _quietly(text: str) -> None:
    """Say nothing: that git fails is what is expected of it."""
    del text


def _placed(trial: Trial, nth: int) -> Verdict:
    """Try a task in a directory of its own, which is removed whatever its modes became."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "place"
        try:
            return trial(TASKS[nth], place)
        finally:
            remove(place)
