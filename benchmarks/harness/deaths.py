"""Death at every call of the store that a recording or a restore makes: what a checkpoint says is there, whole.

After each death the store is opened anew. Then every tree that an event names is in it to its last blob, the
run goes on to its end, and the workspace is what it would have been.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import perdure
from benchmarks.harness.life import RUN
from perdure.checkpoint.tree import objects
from perdure.log.naming import named_trees

LIVES_MAX = 4
"""One that dies, one that goes on; more only if something is wrong."""


class Deaths(NamedTuple):
    """What became of all histories."""

    histories: int
    damaged: int
    """trees that are not whole, runs that don't go on, workspaces that are otherwise"""
    wrong: tuple[str, ...] = ()


def deaths(*, step: int = 1, life: str = "benchmarks.harness.life") -> Deaths:
    """Die at every ``step``-th moment of ``life``, and look what is left."""
    with tempfile.TemporaryDirectory(prefix="perdure-deaths-") as place:
        calm = Path(place) / "calm"
        calm.mkdir()
        count = int(_lived(life, calm, 0).stdout)
        expected = _spelled(calm / "project")
        chosen = range(1, count + 1, step)
        with ThreadPoolExecutor(2) as pool:
            wrong = [
                each for each in pool.map(partial(_history, life, Path(place), expected), chosen) if each
            ]
    return Deaths(len(chosen), len(wrong), tuple(wrong))


def _history(life: str, place: Path, expected: dict[str, str], moment: int) -> str:
    """Return what is wrong after a death at ``moment``; empty if nothing is."""
    folder = place / str(moment)
    folder.mkdir()
    dead = _lived(life, folder, moment)
    if dead.returncode == 0:
        return ""
    if (folder / "store" / "log.db").exists() and (torn := _torn(folder / "store")):
        return f"moment {moment}: {torn}"
    for _ in range(LIVES_MAX):
        if _lived(life, folder, 0).returncode == 0:
            break
    else:
        return f"moment {moment}: it doesn't go on"
    if torn := _torn(folder / "store"):
        return f"moment {moment}, afterwards: {torn}"
    found = _spelled(folder / "project")
    differs = sorted(set(found.items()) ^ set(expected.items()))
    return f"moment {moment}: {differs[:4]}" if differs else ""


def _lived(life: str, folder: Path, moment: int) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", life, str(folder), str(moment)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=90)


def _torn(location: Path) -> str:
    """Return which tree is named and not whole, or what else is wrong with the log."""
    with perdure.open(location) as store:
        rows = store.runs()
        if not rows or not rows[0].position:
            return ""
        seen: set[str] = set()
        for event in store.events(RUN):
            for tree in named_trees(event.body):
                try:
                    gone = [
                        name for name in objects(store.books.get, tree, seen) if not store.books.has(name)
                    ]
                except perdure.PerdureError as error:
                    return f"the tree of {event.kind} at {event.position}: {error}"
                if gone:
                    return f"{len(gone)} blobs of the tree of {event.kind} at {event.position} are not there"
        verified = store.verify(RUN)
        return "" if verified.ok else f"verify: {verified.wrong}"


def _spelled(root: Path) -> dict[str, str]:
    """Return a directory in words: kind, mode and content of each path."""
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"link {path.readlink()}"
        elif path.is_dir():
            found[name] = f"dir {path.stat().st_mode:o}"
        else:
            found[name] = f"file {path.stat().st_mode:o} {sha256(path.read_bytes()).hexdigest()}"
    return found


if __name__ == "__main__":
    print(deaths(step=int(sys.argv[1]) if len(sys.argv) > 1 else 1))
