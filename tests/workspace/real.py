"""A task as a real run: ``perdure run`` as a process, killed in the middle of effects, and ``perdure resume``.

Invariants:
- The agent's script is the task's turns, then its questions; what the shell tool answered is read from the log.
- A death is SIGKILL to the process that drives the run, alone or with everything below it, at a moment drawn from
  the seed, between the promise of the turn's effect and a little after it should have been done.
- The vandal comes right before a death, while the driver is stopped, and only where the log says that an effect on
  the workspace is under way: what happens outside of every effect is somebody else's work, and must be kept.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

import perdure
from perdure.log import events as e
from perdure.values.errors import UnknownRun
from tests.workspace.corpus.task import PRELUDE, Edit, Read, Serve, Shell, Stop, Task, Turn, Write
from tests.workspace.likeness import portrait
from tests.workspace.playing import PATIENCE_S, Ending, Play, TurnFailed
from tests.workspace.vandal import vandalise

RUN: Final = "task"
LOOK_S: Final = 0.005

AGENT: Final = '''"""The agent of one task of the corpus."""

import json
from pathlib import Path

from perdure import Agent, coding_tools
from perdure.testing import ScriptedModel, call, say

CALLS = json.loads((Path(__file__).parent / "calls.json").read_text())

agent = Agent(
    name="worker",
    instructions="Do the task.",
    tools=coding_tools(),
    workspace="work",
    model=ScriptedModel([*(call(tool, **arguments) for tool, arguments in CALLS), say("done")]),
)
'''


class Death(NamedTuple):
    """Die in turn ``turn`` (from 0), ``after_s`` seconds after its effect was promised."""

    turn: int
    after_s: float
    whole: bool = True
    """whether all that the driver started is killed as well, or has to end by itself"""


class RealEnding(NamedTuple):
    """How a run ended, how often its driver was killed, and how many deaths left an effect in doubt."""

    ending: Ending
    deaths: int
    doubts: int
    level: str
    """the highest level at which a checkpoint was taken"""


def perform(task: Task, place: Path, port: int, deaths: Iterable[Death], *, seed: str | None) -> RealEnding:
    """Perform ``task`` below ``place`` as a run that dies so often. Raises ``TurnFailed``."""
    play = Play(task, place, port)
    (place / "agent.py").write_text(AGENT)
    (place / "calls.json").write_text(json.dumps(_calls(task, port)))
    died = doubts = 0
    command = ["run", "agent.py:agent", "Do it.", "--run", RUN]
    with perdure.open(place / "log") as store, _Drivers(place) as drivers:
        for death in deaths:
            driver = drivers.start(command)
            if not _reached(driver, store, death):
                break
            drivers.stop(driver)
            if _in_doubt(store):
                doubts += 1
                if seed is not None:
                    vandalise(play.root, f"{seed} {death.turn}")
            drivers.kill(driver, whole=death.whole)
            died += 1
            command = ["resume", RUN]
        _finished(drivers.start(command), store, place)
        answers = _answers(store, task)
        return RealEnding(Ending(portrait(play.root), answers), died, doubts, _level(store))


def drawn(task: Task, count: int, seed: str, usual_s: float) -> list[Death]:
    """Return ``count`` deaths in different turns that change something, in order."""
    chance = random.Random(seed)
    acts = [nth for nth, turn in enumerate(task.turns) if not isinstance(turn, Read)]
    turns = sorted(chance.sample(acts, min(count, len(acts))))
    return [Death(turn, usual_s * chance.random(), chance.random() < 0.5) for turn in turns]


def _calls(task: Task, port: int) -> list[tuple[str, dict[str, object]]]:
    asked = [Shell(question) for question in task.questions]
    return [_call(turn, port) for turn in (*task.turns, *asked)]


def _call(turn: Turn, port: int) -> tuple[str, dict[str, object]]:
    def line(command: str) -> str:
        return PRELUDE + command.replace("{port}", str(port))

    match turn:
        case Shell(command):
            return "shell", {"command": line(command), "timeout_seconds": PATIENCE_S}
        case Serve(name, command):
            return "shell", {"action": "start", "service": name, "command": line(command)}
        case Stop(name):
            return "shell", {"action": "stop", "service": name}
        case Write(path, content):
            return "write", {"path": path, "content": content}
        case Edit(path, old, new):
            return "edit", {"path": path, "old": old, "new": new}
        case Read(path):
            return "read", {"path": path}


class _Drivers:
    """The processes that drive the run, one after the other; none of what they started outlives the trial."""

    def __init__(self, place: Path) -> None:
        self._place: Path = place
        self._started: list[subprocess.Popen[bytes]] = []
        self._below: dict[int, str] = {}
        """processes that a killed driver had started, each with the time at which it began"""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for driver in self._started:
            driver.kill()
            driver.wait()
        for process, began in self._below.items():
            if _began(process) == began:
                _signalled(process, signal.SIGKILL)

    def start(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        with (self._place / "driver").open("ab") as said:
            driver = subprocess.Popen(
                [str(Path(sys.executable).parent / "perdure"), *command, "--store", "log"],
                cwd=self._place,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self._started.append(driver)
        return driver

    def stop(self, driver: "subprocess.Popen[bytes]") -> None:
        """Neither the driver nor anything below it goes on."""
        _signalled(driver.pid, signal.SIGSTOP)
        for process in _descendants(driver.pid):
            self._below[process] = _began(process)
            _signalled(process, signal.SIGSTOP)

    def kill(self, driver: "subprocess.Popen[bytes]", *, whole: bool) -> None:
        """The driver is dead; with ``whole`` so is all below it, else that goes on until it notices."""
        for process in _descendants(driver.pid):
            _signalled(process, signal.SIGKILL if whole else signal.SIGCONT)
        driver.kill()
        driver.wait()


def _signalled(process: int, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, sign)


def _began(process: int) -> str:
    """Return when the process began, as the kernel counts; empty if it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _reached(driver: "subprocess.Popen[bytes]", store: perdure.Store, death: Death) -> bool:
    """Wait until it is time to die; False if the driver ended before."""
    until = time.monotonic() + PATIENCE_S
    while not _promised(store, death.turn):
        if driver.poll() is not None:
            return False
        if time.monotonic() > until:
            raise TurnFailed(f"turn {death.turn} was not begun in {PATIENCE_S} s; {_last(store)}")
        time.sleep(LOOK_S)
    try:
        driver.wait(death.after_s)
    except subprocess.TimeoutExpired:
        return True
    return False


def _descendants(top: int) -> list[int]:
    found = [top]
    for process in found:
        try:
            for thread in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
        except OSError:
            continue
    return found[1:]


def _finished(driver: "subprocess.Popen[bytes]", store: perdure.Store, place: Path) -> None:
    try:
        code = driver.wait(5 * PATIENCE_S)
    except subprocess.TimeoutExpired as late:
        raise TurnFailed(f"the run did not end; {_last(store)}") from late
    # Killed right behind its end, a run has nothing left to resume.
    if code != 0 and not any(isinstance(body, e.RunClosed) for body in _bodies(store)):
        said = (place / "driver").read_text("utf-8", "backslashreplace")
        raise TurnFailed(f"the run ended with {code}; {_last(store)}; {said[-600:]}")


def _bodies(store: perdure.Store) -> list[e.Body]:
    try:
        return [event.body for event in store.events(RUN)]
    except UnknownRun:
        return []


def _promised(store: perdure.Store, turn: int) -> bool:
    call = f"call_{turn + 1}_1"
    return any(isinstance(body, e.EffectStarted) and body.call == call for body in _bodies(store))


def _in_doubt(store: perdure.Store) -> bool:
    """Whether an effect on the workspace was promised and nobody knows what became of it."""
    started = {body.key: body for body in _bodies(store) if isinstance(body, e.EffectStarted)}
    for body in _bodies(store):
        if isinstance(body, e.EffectSettled):
            started.pop(body.key, None)
    return any(body.effect == "workspace" for body in started.values())


def _answers(store: perdure.Store, task: Task) -> tuple[str, ...]:
    """Return what the questions were answered. Raises ``TurnFailed`` for a turn that ended badly."""
    calls = {body.key: body.call for body in _bodies(store) if isinstance(body, e.EffectStarted)}
    said = dict[str, str]()
    for body in _bodies(store):
        if isinstance(body, e.EffectSettled) and body.result is not None:
            result = body.result
            text = result.text if result.text is not None else store.blobs.get(result.blob or "").decode()
            said[calls[body.key]] = text
            if body.outcome != "succeeded":
                raise TurnFailed(f"{calls[body.key]} {body.outcome}: {text[:600]}")
    answers = list[str]()
    for nth, turn in enumerate((*task.turns, *map(Shell, task.questions)), 1):
        if isinstance(turn, Shell):
            shown = json.loads(said[f"call_{nth}_1"])
            if shown["exit"] != 0 or shown.get("refused"):
                raise TurnFailed(f"{turn.command!r} ended with {json.dumps(shown)[:600]}")
            answers.append(shown["output"])
    return tuple(answers[len(answers) - len(task.questions) :])


def _level(store: perdure.Store) -> str:
    return max((body.level for body in _bodies(store) if isinstance(body, e.CheckpointTaken)), default="L0")


def _last(store: perdure.Store) -> str:
    return f"its log ends with {_bodies(store)[-2:]}"
