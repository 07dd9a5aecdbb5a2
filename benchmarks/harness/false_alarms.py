"""False alarms and misses of the inspector over real commands: each is run, and inspected on its own.

Labels come with the commands (``quiet_commands``). Each is compared with a portrait of the tree before it counts:
a wrong label ends the measurement. Beside ours stand two inspectors that people build first.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, Protocol

from benchmarks.harness.quiet_commands import Line, loud_lines, quiet_lines, write_project
from perdure.adapters.sqlite.store import SqliteStore
from perdure.adapters.workspace.directory import Directory
from perdure.adapters.workspace.rules import CACHES
from perdure.checkpoint.inspection import Window
from tests.workspace.corpus.task import PRELUDE
from tests.workspace.likeness import Portrait, differences, portrait

WORKERS = 2
PATIENCE_S = 60


class Inspector(Protocol):
    """Tells whether anything lasting has changed since it was asked before, or made."""

    def changed(self, since: int) -> bool:
        """``since``: when the command was started; ns."""
        ...


MakeInspector = Callable[[Path, Path], Inspector]
"""(root of the project, an empty directory outside of it) -> the inspector"""


class Found(NamedTuple):
    """Commands that were run and ended well, and those whose inspection said something else than their label."""

    commands: int = 0
    wrong: tuple[str, ...] = ()
    not_here: int = 0
    """commands that this machine can't run"""


def false_alarm_figures(*, quiet: int | None = None, loud: int | None = None) -> dict[str, object]:
    """Run so many commands of either kind (default: all), and count."""
    lines = quiet_lines()[:quiet]
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        shares = [pool.submit(inspected, lines[nth::WORKERS]) for nth in range(WORKERS)]
        noisy = pool.submit(inspected, loud_lines(root=os.geteuid() == 0)[:loud])
        calm, changed = [share.result() for share in shares], noisy.result()
    commands, alarms = sum(each.commands for each in calm), [line for each in calm for line in each.wrong]
    return {
        "quiet_commands": commands,
        "false_alarms": len(alarms),
        "false_alarm_rate": len(alarms) / commands,
        "false_alarm_lines": alarms[:10],
        "loud_commands": changed.commands,
        "loud_missed": len(changed.wrong),
        "commands_not_here": changed.not_here + sum(each.not_here for each in calm),
    }


class Ours:
    """What a checkpoint is decided by: the workspace recorded, at the level that every host has."""

    def __init__(self, root: Path, place: Path) -> None:
        """Record what is there."""
        self._store: SqliteStore = SqliteStore(place / "store")
        self._directory: Directory = Directory(root, self._store)
        self._known: str = self._directory.record("", ()).tree

    def changed(self, since: int) -> bool:
        """Record again."""
        found = self._directory.record(self._known, (Window("command", since, time.time_ns()),))
        self._known = found.tree
        return found.what != "none"


class ByTimes:
    """Sizes and modification times of all paths."""

    def __init__(self, root: Path, place: Path) -> None:
        """Look once."""
        del place
        self._root: Path = root
        self._seen: dict[str, tuple[int, int]] = self._look()

    def changed(self, since: int) -> bool:
        """Look again."""
        del since
        before, self._seen = self._seen, self._look()
        return before != self._seen

    def _look(self) -> dict[str, tuple[int, int]]:
        seen = {str(path): path.lstat() for path in self._root.rglob("*")}
        return {path: (each.st_size, each.st_mtime_ns) for path, each in seen.items()}


class ByGitStatus:
    """What ``git status`` prints, and where HEAD points."""

    def __init__(self, root: Path, place: Path) -> None:
        """Ask once."""
        del place
        self._root: Path = root
        self._said: bytes = self._ask()

    def changed(self, since: int) -> bool:
        """Ask again."""
        del since
        before, self._said = self._said, self._ask()
        return before != self._said

    def _ask(self) -> bytes:
        asked = ("git status --porcelain", "git rev-parse HEAD")
        return b"".join(
            subprocess.run(each.split(), cwd=self._root, capture_output=True, check=True).stdout
            for each in asked
        )


def inspected(lines: Sequence[Line], make: MakeInspector = Ours) -> Found:
    """Run ``lines`` one after the other in a new project, and look after each."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        root = place / "project"
        (place / "out").mkdir()
        completion = write_project(root)
        run(completion, root, check=True)
        return _each(lines, root, make(root, place))


def _each(lines: Sequence[Line], root: Path, inspector: Inspector) -> Found:
    before, ran, away, wrong, mistaken = _lasting(root), 0, 0, list[str](), list[str]()
    for line in lines:
        began = time.time_ns()
        code = run(line.command, root)
        changed, after = inspector.changed(began), _lasting(root)
        if (before != after) != line.loud:
            mistaken.append(f"{line.command!r}: {differences(before, after)[:5]}")
        before = after
        away += code != 0
        if code == 0:
            ran += 1
            wrong += [line.command] if changed != line.loud else []
    if mistaken:
        raise RuntimeError("\n".join(["these have the wrong label:", *mistaken]))
    return Found(ran, tuple(wrong), away)


def run(command: str, root: Path, *, check: bool = False) -> int:
    """Run one command in the project; what it keeps outside goes where ``$OUT`` says."""
    here = f"export PATH={Path(sys.executable).parent}:$PATH; unset PYTHONDONTWRITEBYTECODE; set +e;\n"
    ended = subprocess.run(
        ["/bin/sh", "-c", PRELUDE + here + command],
        cwd=root,
        env={"OUT": str(root.parent / "out"), "PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_S,
        check=False,
    )
    if check and ended.returncode != 0:
        raise RuntimeError(f"the project can't be made: {ended.stderr[-400:]}")
    return ended.returncode


def _lasting(root: Path) -> Portrait:
    caches = {each.rstrip("/") for each in CACHES}
    return {path: words for path, words in portrait(root).items() if caches.isdisjoint(path.split("/"))}
