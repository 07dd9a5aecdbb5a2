"""The trial of perdure itself: tasks as real runs whose processes are killed."""

from pathlib import Path
from typing import Final

from tests.workspace.corpus.task import Task
from tests.workspace.playing import TurnFailed, remove
from tests.workspace.real import RealEnding, drawn, perform
from tests.workspace.trial import Verdict, free_port, missing, parted, unharmed

USUAL_S: Final = 0.4
"""Within which a turn's effect is done as a rule, and in which a death falls."""

ONE_USER: Final = "it gives files to other users, and commands in a sandbox have one user"
NO_IMAGES: Final = "what its services hold in memory needs process images (L2), which this host doesn't take"


def tried_for_real(task: Task, place: Path, *, deaths: int, seed: str) -> Verdict:
    """Perform ``task`` as a real run that is killed so often, in turns and at moments drawn from ``seed``.

    The end has to be that of the task performed by hand. A sandbox may show programs something else than a plain
    shell does (links that it parts, say): where the ends differ, the run unharmed has the last word.
    """
    if lacks := missing(task, place):
        return Verdict(task.name, "skipped", 0, tuple(f"{name} is not here" for name in lacks))
    if "chown" in task.requires:
        return Verdict(task.name, "not claimed", 0, (ONE_USER,))
    port = free_port()
    try:
        found, why = _compared(task, place, port, deaths, seed)
    except TurnFailed as failed:
        if task.beyond_images:
            return Verdict(task.name, "not claimed", deaths, (task.beyond_images, str(failed)))
        return Verdict(task.name, "differs", deaths, (str(failed),))
    if why and task.needs == "processes" and found.level != "L2":
        return Verdict(task.name, "not claimed", found.deaths, (NO_IMAGES,))
    return Verdict(task.name, "differs" if why else "recovered", found.deaths, tuple(why[:20]))


def _compared(task: Task, place: Path, port: int, deaths: int, seed: str) -> tuple[RealEnding, list[str]]:
    due = unharmed(task, place, port)
    found = _performed(task, place, port, deaths, seed)
    why = parted(task, due, found.ending)
    if why:
        why = parted(task, _performed(task, place, port, 0, seed).ending, found.ending)
    return found, why


def _performed(task: Task, place: Path, port: int, deaths: int, seed: str) -> RealEnding:
    remove(place / "log")
    plan = drawn(task, deaths, f"{seed} {task.name}", USUAL_S)
    return perform(task, place, port, plan, seed=f"{seed} {task.name}")
