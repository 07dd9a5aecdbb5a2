"""Who puts a workspace back: the protocol, full copies, and two ways to use git for it.

``FullCopies`` is the yardstick: it keeps everything, at the price of a copy per turn. What it can't recover, no
restorer of files can. ``TrackedOnly`` is what the corpus has to be too hard for.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.workspace.playing import remove


class Restorer(Protocol):
    """Keeps the workspace as it was before each turn, and puts it back after a death."""

    def before_turn(self, turn: int, mapped: frozenset[str]) -> None:
        """Keep the present state; ``mapped``: files that living processes have mapped shared."""
        ...

    def restore(self, turn: int) -> None:
        """Put back what was kept before ``turn``; whoever kept it is dead, nothing but its store is left."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


MakeRestorer = Callable[[Path, Path], Restorer]
"""(root of the workspace, an empty directory for the restorer) -> the restorer"""


class FullCopies:
    """A copy of the whole tree before each turn, and all of it put back."""

    def __init__(self, root: Path, store: Path) -> None:
        """Keep ``root`` below ``store``."""
        self._root: Path = root
        self._store: Path = store

    def before_turn(self, turn: int, mapped: frozenset[str]) -> None:
        """Copy everything: modes, owners, times, links of both kinds, attributes, holes."""
        del mapped
        self.copy(self._root, self._store / str(turn))

    def restore(self, turn: int) -> None:
        """Throw the present away and copy back."""
        remove(self._root)
        self.copy(self._store / str(turn), self._root)

    def close(self) -> None:
        """Hold nothing."""

    def copy(self, source: Path, target: Path) -> None:
        """Copy ``source`` to ``target``, which does not exist."""
        subprocess.run(["cp", "-a", str(source), str(target)], check=True)


class Repository(NamedTuple):
    """A repository as it was: where HEAD and the refs pointed, the index, and the files that git tracks."""

    place: Path
    head: bytes
    refs: tuple[tuple[str, str], ...]
    staged: bytes | None
    files: dict[str, tuple[str, bytes]]


class TrackedOnly:
    """What git tracks before each turn, and nothing else: content, links and the executable bit.

    It is meant well: HEAD, refs and index go back too, in each repository of the workspace; and where there is
    none, the files of the initial tree count as tracked.
    """

    def __init__(self, root: Path, store: Path) -> None:
        """Take what is there now as tracked, if no repository says what is."""
        del store
        self._root: Path = root
        self._first: list[str] = list(_files(root))
        self._kept: dict[int, list[Repository]] = {}

    def before_turn(self, turn: int, mapped: frozenset[str]) -> None:
        """Read all tracked files."""
        del mapped
        places = [Path(at) for at, below, files in os.walk(self._root) if ".git" in [*below, *files]]
        self._kept[turn] = [self._repository(place) for place in places] or [self._plain()]

    def restore(self, turn: int) -> None:
        """Put tracked files back and remove those that became tracked since."""
        for kept in self._kept[turn]:
            if kept.head:
                for name in set(_tracked(kept.place)) - set(kept.files):
                    if _is_content(kept.place / name):
                        (kept.place / name).unlink()
                self._point_back(kept)
            for name, (mode, content) in kept.files.items():
                _put_back(kept.place / name, mode, content)

    def close(self) -> None:
        """Hold nothing."""

    def _point_back(self, kept: Repository) -> None:
        git = _git_directory(kept.place)
        (git / "HEAD").write_bytes(kept.head)
        if kept.staged is not None:
            (git / "index").write_bytes(kept.staged)
        now = _refs(kept.place)
        for name, _ in set(now) - set(kept.refs):
            _git(kept.place, "update-ref", "-d", name)
        for name, to in set(kept.refs) - set(now):
            _git(kept.place, "update-ref", name, to)

    def _repository(self, place: Path) -> Repository:
        git = _git_directory(place)
        index = (git / "index").read_bytes() if (git / "index").exists() else None
        files = {name: _as_tracked(place / name) for name in _tracked(place) if _is_content(place / name)}
        return Repository(place, (git / "HEAD").read_bytes(), _refs(place), index, files)

    def _plain(self) -> Repository:
        names = [name for name in self._first if _is_content(self._root / name)]
        return Repository(self._root, b"", (), None, {name: _as_tracked(self._root / name) for name in names})


class ShadowGit:
    """Everything that git would add, committed before each turn in a repository outside of the workspace."""

    def __init__(self, root: Path, store: Path) -> None:
        """Make the repository."""
        self._root: Path = root
        self._git: Path = store / "shadow.git"
        self._trees: dict[int, str] = {}
        subprocess.run(["git", "init", "-q", "--bare", str(self._git)], check=True)

    def before_turn(self, turn: int, mapped: frozenset[str]) -> None:
        """Add everything and keep the tree."""
        del mapped
        self._run("add", "-A", "--ignore-errors", ".")
        self._trees[turn] = self._run("write-tree").strip()

    def restore(self, turn: int) -> None:
        """Check the tree out and clean what is in no tree."""
        self._run("add", "-A", "--ignore-errors", ".")
        self._run("read-tree", "-u", "--reset", self._trees[turn])
        self._run("clean", "-fdq")

    def close(self) -> None:
        """Hold nothing."""

    def _run(self, *words: str) -> str:
        command = ["git", f"--git-dir={self._git}", f"--work-tree={self._root}", "-c", "core.bare=false"]
        done = subprocess.run([*command, *words], cwd=self._root, capture_output=True, text=True, check=False)
        return done.stdout


def _git(place: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words],
        cwd=place,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    return done.stdout


def _git_directory(place: Path) -> Path:
    return place / _git(place, "rev-parse", "--absolute-git-dir").strip()


def _refs(place: Path) -> tuple[tuple[str, str], ...]:
    lines = _git(place, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return tuple((name, to) for name, _, to in (line.partition(" ") for line in lines))


def _tracked(place: Path) -> list[str]:
    return [name for name in _git(place, "ls-files", "-z").split("\0") if name]


def _files(root: Path) -> Iterator[str]:
    for at, _, names in os.walk(root):
        for name in names:
            yield str((Path(at) / name).relative_to(root))


def _is_content(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _as_tracked(path: Path) -> tuple[str, bytes]:
    if path.is_symlink():
        return "link", os.fsencode(path.readlink())
    return ("run" if path.stat().st_mode & 0o100 else "file"), path.read_bytes()


def _put_back(path: Path, mode: str, content: bytes) -> None:
    if _is_content(path) and _as_tracked(path) == (mode, content):
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "link":
        path.symlink_to(os.fsdecode(content))
    else:
        path.write_bytes(content)
        path.chmod(0o755 if mode == "run" else 0o644)
