"""The second scene: an agent fixes a bug, goes astray, is rewound, and one of its changes is taken back.

    perdure demo code [--keep DIR] [--json]

Everything is real: the repository, the shell, the tests. Only the model is a script.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TextIO

import msgspec
from rich.console import Console
from rich.markup import escape

import perdure
from perdure.assembly.files.going_back import Reversal
from perdure.assembly.files.history import Line
from perdure.demo.sample import ADVICE, BEFORE_WRONG, FILES, TASK, coder, git_program, make_project
from perdure.demo.telling import PLAIN_WIDTH
from perdure.log import events as e
from perdure.values.errors import require

PROMISED, BROKEN = 0, 4
RUN: Final = "code"
DEBUG: Final = "DEBUG"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    level: str
    """of the last checkpoint"""
    tests_restored: bool
    """the deleted tests are back, and so is the branch they were deleted on"""
    reverted: bool
    """the one unwanted line is gone, and what came after it is there"""
    tests_pass: bool
    blamed: int
    """lines of the fixed file that lead to a turn of the run"""
    lines: int
    verified: bool
    seconds: float
    promised: bool = False


class Scene:
    """The scene, played in a folder and told on a console."""

    def __init__(self, folder: Path, out: TextIO) -> None:
        """Play in ``folder`` and tell it on ``out``."""
        terminal = out.isatty()
        self._console: Console = Console(
            file=out, highlight=False, soft_wrap=True, width=None if terminal else PLAIN_WIDTH
        )
        self._folder: Path = folder
        self._project: Path = folder / "cart"
        self._told: int = 0

    def play(self) -> Seen:
        """Play it to its end, and count."""
        began = time.monotonic()
        make_project(self._project)
        self._say(f"\n[bold]perdure demo code[/]  a repository with a failing test, in {self._project}")
        self._say(f"[dim]The agent has a shell. Its task: {TASK}[/]\n")
        with perdure.open(self._folder / "store") as store:
            agent = coder(self._project)
            store.start(agent, TASK, run=RUN).wait()
            self._tell_turns(store)
            self._say("[bold red]gone wrong[/]   it has deleted the tests, and committed that\n")
            restored = self._rewound(store)
            store.message(RUN, ADVICE, name="advice")
            self._say(f"[bold]a person says[/] {ADVICE}\n")
            store.resume(agent, RUN).wait()
            self._tell_turns(store)
            reverted = self._taken_back(store)
            lines = store.files.blame(RUN, "cart.py")
            self._blame(lines)
            passed = self._tests()
            seen = Seen(
                level=self._level(store),
                tests_restored=restored,
                reverted=reverted,
                tests_pass=passed,
                blamed=sum(line.origin.turn > 0 for line in lines),
                lines=len(lines),
                verified=store.verify(RUN).ok,
                seconds=round(time.monotonic() - began, 1),
            )
        held = restored and reverted and passed and seen.verified and 0 < seen.blamed < seen.lines
        seen = msgspec.structs.replace(seen, promised=held)
        self._closing(seen)
        return seen

    def _tell_turns(self, store: perdure.Store) -> None:
        for event in store.events(RUN, self._told):
            self._told = event.position
            match event.body:
                case e.EffectStarted(tool=tool, what=what) if tool != "read":
                    self._say(f"[cyan]{event.position:>4}[/]  {tool} {escape(' '.join(what.split()))}")
                case e.EffectStarted(tool=tool):
                    self._say(f"[cyan]{event.position:>4}[/]  {tool}")
                case e.WorkspaceChanged(paths=paths):
                    shown = ", ".join(
                        f"{each.change} {each.path}" for each in paths if ".git" not in each.path
                    )
                    self._say(f"        [dim]{escape(shown)}[/]") if shown else None
                case e.RunClosed(answer=answer):
                    said = answer.text if answer is not None else ""
                    self._say(f"[green]{event.position:>4}[/]  it says: {escape(said or '')}\n")
                case _:
                    pass

    def _rewound(self, store: perdure.Store) -> bool:
        """Go back to before the wrong turn; tell whether tests and branch are as they were."""
        asked = [each.position for each in store.events(RUN) if isinstance(each.body, e.ModelRequested)]
        to = asked[BEFORE_WRONG]
        way = store.way_back(RUN, to)
        require(way is not None, "the scene has files at each of its turns")
        self._say(f"[bold blue]$ perdure rewind {RUN} --to {to}[/]")
        if way is not None:
            for sign, paths in (("+", way.plan.created), ("~", way.plan.changed), ("-", way.plan.deleted)):
                for path in paths:
                    self._say(f"  [bold]{sign}[/] {escape(path)}") if not path.startswith(".git/") else None
            inside = sum(path.startswith(".git/") for path in (*way.plan.changed, *way.plan.deleted))
            self._say(f"  [dim]and {inside} paths in .git: branch and index go back with the files[/]\n")
        store.rewind(RUN, to=to, by="operator", why="it deleted the tests")
        self._told = store.state(RUN).position
        log = self._git("log", "--oneline").splitlines()
        return self._text("test_cart.py") == FILES["test_cart.py"] and len(log) == 1

    def _taken_back(self, store: perdure.Store) -> bool:
        """Take back the one change that left a debug line; tell whether it is gone and the rest is there."""
        lines = store.files.blame(RUN, "cart.py")
        position = next(line.origin.position for line in lines if DEBUG in line.text)
        found = store.reversal(RUN, position)
        if not isinstance(found, Reversal):
            return False
        self._say(
            f"[bold yellow]unwanted[/]     a command has left a debug line in cart.py, at {found.position}"
        )
        self._say(f"[bold blue]$ perdure revert {RUN} {found.position}[/]")
        store.take_back(RUN, found, by="operator")
        text = self._text("cart.py")
        kept = "1205 is 12.05" in text and "(100 - discount_percent)" in text
        self._say("  [green]the line is gone; the edit before it and the one after it are there[/]\n")
        return DEBUG not in text and kept

    def _blame(self, lines: Sequence[Line]) -> None:
        self._say(f"[bold blue]$ perdure blame {RUN} cart.py[/]")
        for line in lines:
            told = line.origin
            why = f"turn {told.turn}, {told.tool} at {told.position}" if told.turn else "from before the run"
            tone = "green" if told.turn else "dim"
            self._say(f"  [{tone}]{why:<28}[/] {line.number:>2}  {escape(line.text)}")
        self._say("")

    def _closing(self, seen: Seen) -> None:
        passed = "pass" if seen.tests_pass else "FAIL"
        words = f"{seen.blamed} of {seen.lines} lines lead to the turn that wrote them, tests {passed}"
        self._say(
            f"[bold]The log is {'sound' if seen.verified else 'NOT SOUND'}, {words}. Level {seen.level}.[/]"
        )

    def _text(self, name: str) -> str:
        path = self._project / name
        return path.read_text() if path.exists() else ""

    def _tests(self) -> bool:
        words = [sys.executable, "-B", "-m", "unittest", "-q"]
        return subprocess.run(words, cwd=self._project, capture_output=True, check=False).returncode == 0

    def _git(self, *words: str) -> str:
        found = subprocess.run(
            [git_program(), *words],
            cwd=self._project,
            capture_output=True,
            text=True,
            check=True,
        )
        return found.stdout

    def _level(self, store: perdure.Store) -> str:
        return next(
            (each.level for each in _checkpoints(store) if each.level),
            "L0",
        )

    def _say(self, text: str) -> None:
        self._console.print(text)


def _checkpoints(store: perdure.Store) -> Iterator[e.CheckpointTaken]:
    """Yield the checkpoints of the run, the newest first."""
    taken = [each.body for each in store.events(RUN) if isinstance(each.body, e.CheckpointTaken)]
    yield from reversed(taken)


class Chosen(argparse.Namespace):
    """What the command line says."""

    json: bool
    keep: Path | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it, and say whether it was as promised."""
    parser = argparse.ArgumentParser(prog="perdure demo code", description="Every turn can be returned to.")
    parser.add_argument("--json", action="store_true", help="one line of figures on standard output")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the repository and the log there")
    chosen = parser.parse_args(arguments, namespace=Chosen())
    with ExitStack() as stack:
        folder = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-demo-")))
        if chosen.keep and any(folder.glob("*")):
            parser.error(f"--keep: {folder} is not empty")
        folder.mkdir(parents=True, exist_ok=True)
        seen = Scene(folder, sys.stderr if chosen.json else sys.stdout).play()
    if chosen.json:
        print(msgspec.json.encode(seen).decode())
    return PROMISED if seen.promised else BROKEN


if __name__ == "__main__":
    sys.exit(main())
