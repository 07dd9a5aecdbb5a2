"""The trial of a restorer by a task: unharmed to the end, then with deaths; both ends have to be equal."""

import os
import re
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, NamedTuple

from perdure.values.errors import PerdureError
from tests.workspace.corpus.task import Task
from tests.workspace.likeness import differences
from tests.workspace.playing import Ending, Play, TurnFailed, remove
from tests.workspace.restorers import MakeRestorer

Result = Literal["recovered", "differs", "not claimed", "skipped"]

PROCESSES_LOST: Final = "what its services hold in memory is lost with them; needs process images (L2)"


class Verdict(NamedTuple):
    """What one task says of a restorer. ``deaths``: how many were died; ``why``: the first differences."""

    task: str
    result: Result
    deaths: int = 0
    why: tuple[str, ...] = ()
    outside_git: bool = False
    """whether something differs beyond what lies below a ``.git``: a file, an answer, a turn that failed"""


def missing(task: Task, place: Path) -> list[str]:
    """Return what ``task`` requires and this machine hasn't."""
    return [name for name in task.requires if not _there(name, place)]


def unharmed(task: Task, place: Path, port: int) -> Ending:
    """Perform ``task`` from nothing to its end. Raises ``TurnFailed`` if the task is wrong."""
    play = Play(task, place, port)
    try:
        for turn in task.turns:
            play.perform(turn)
        return play.end()
    finally:
        play.kill()


def harmed(
    task: Task, place: Path, port: int, make: MakeRestorer, deaths: Iterable[int], *, vandal: bool
) -> Ending:
    """Perform ``task`` with a death in each of the turns ``deaths`` (from 0): restore, and do the turn again."""
    store = place / "store"
    remove(store)
    store.mkdir()
    play, fatal = Play(task, place, port), set(deaths)
    restorer = make(play.root, store)
    try:
        for nth, turn in enumerate(task.turns):
            if fatal:
                restorer.before_turn(nth, play.mapped())
            if nth in fatal:
                fatal.remove(nth)
                play.die_in(turn, seed=f"{task.name} {nth}" if vandal else None)
                restorer.restore(nth)
                play.serve_again()
            play.perform(turn)
        return play.end()
    finally:
        play.kill()
        restorer.close()


def tried(
    task: Task,
    place: Path,
    make: MakeRestorer,
    *,
    vandal: bool = True,
    each: bool = False,
    lives: bool = False,
) -> Verdict:
    """Try the restorer that ``make`` makes by ``task``, with a death in every turn of one performance.

    ``each``: also a performance for each turn, with a death in that one alone. ``lives``: what the restorer
    puts back includes processes; without it a task that needs them is not claimed.
    """
    if lacks := missing(task, place):
        return Verdict(task.name, "skipped", 0, tuple(f"{name} is not here" for name in lacks))
    if task.needs == "processes" and not lives:
        return Verdict(task.name, "not claimed", 0, (PROCESSES_LOST,))
    port = free_port()
    due = unharmed(task, place, port)
    every = range(len(task.turns))
    plans = [tuple(every), *((nth,) for nth in every if each)]
    died = 0
    for plan in plans:
        died += len(plan)
        why = _differing(task, place, port, make, plan, due, vandal=vandal)
        if why:
            outside = any(not re.match(r"[^:]*\.git/", line) for line in why)
            return Verdict(task.name, "differs", died, (f"deaths in {plan}", *why[:20]), outside)
    return Verdict(task.name, "recovered", died)


def _differing(
    task: Task,
    place: Path,
    port: int,
    make: MakeRestorer,
    plan: tuple[int, ...],
    due: Ending,
    *,
    vandal: bool,
) -> list[str]:
    try:
        ending = harmed(task, place, port, make, plan, vandal=vandal)
    except (TurnFailed, OSError, PerdureError) as failed:
        return [f"{type(failed).__name__}: {failed}"]
    return parted(task, due, ending)


def parted(task: Task, due: Ending, found: Ending) -> list[str]:
    """Return where ``found`` is not what it has to be: paths, then answers."""
    asked = [
        f"{question}: {right!r} -> {given!r}"
        for question, right, given in zip(task.questions, due.answers, found.answers, strict=True)
        if right != given
    ]
    return differences(due.tree, found.tree) + asked


def free_port() -> int:
    """Return a port of the loopback device that nobody uses now."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _there(name: str, place: Path) -> bool:
    match name:
        case "root":
            return os.geteuid() == 0
        case "xattrs":
            return _keeps_xattrs(place)
        case "pip":
            return shutil.which("pip", path="/usr/bin:/usr/local/bin") is not None
        case _:
            return shutil.which(name) is not None


def _keeps_xattrs(place: Path) -> bool:
    place.mkdir(parents=True, exist_ok=True)
    try:
        os.setxattr(place, "user.perdure", b"1")
        os.removexattr(place, "user.perdure")
    except OSError:
        return False
    return True
