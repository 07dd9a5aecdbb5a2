"""Who works in a git repository right now: a restore stays out of their way."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from perdure.adapters.workspace.ground import Ground


class LockHeld(NamedTuple):
    """A lock of git's and the living process behind it."""

    path: str
    pid: int
    name: str


def held_lock(root: Path, ground: Ground, repositories: Iterable[str]) -> LockHeld | None:
    """Return a lock of one of the ``.git`` directories that a living process holds, or None.

    git closes its lock file and keeps it while an editor is open, so a process called git that works in the
    repository counts as well as one that has the file open. A lock whose process was killed has no holder.
    """
    for repository in repositories:
        path = f"{repository}/index.lock"
        if ground.look(path) is not None and (holder := _holder(root, repository, path)):
            return LockHeld(path, holder[0], holder[1])
    return None


def _holder(root: Path, repository: str, lock: str) -> tuple[int, str] | None:
    import psutil  # noqa: PLC0415 - slow to load, and only a lock that lies there needs it

    work = os.path.realpath(root / repository / "..")
    file = os.path.realpath(root / lock)
    for process in psutil.process_iter(["pid", "name"]):
        if process.pid == os.getpid():
            continue
        try:
            name = process.name()
            is_git = name.startswith("git") and f"{process.cwd()}/".startswith(f"{work}/")
            if is_git or any(each.path == file for each in process.open_files()):
                return process.pid, name
        except psutil.AccessDenied:
            if process.name().startswith("git"):
                return process.pid, process.name()
        except psutil.Error:
            continue
    return None
