"""git writes its index when it only looks; that is no change, and whatever else it does is one."""

import os
import subprocess
from pathlib import Path

import pytest

from perdure.adapters.memory import MemoryStore
from perdure.adapters.workspace import Directory
from perdure.adapters.workspace.gitindex import is_index, meaning

SETTINGS = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(root: Path, *words: str) -> str:
    told = subprocess.run(
        ["git", *words], cwd=root, env={**os.environ, **SETTINGS}, capture_output=True, text=True, check=True
    )
    return told.stdout


@pytest.fixture(params=["2", "3", "4"])
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "index.version", str(request.param))
    git(tmp_path, "config", "core.untrackedCache", "true")
    for name in ("a.py", "dir/b.py", "dir/a much longer name, to be cut short in version 4.py", "dir/b2.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    if request.param == "3":
        # Only an entry with more flags makes git write version 3.
        (tmp_path / "later").write_text("")
        git(tmp_path, "add", "--intent-to-add", "later")
    return tmp_path


def index(root: Path) -> bytes:
    return (root / ".git" / "index").read_bytes()


def stale(root: Path) -> None:
    """Git has to look at each file again, and remembers that."""
    for path in root.rglob("*.py"):
        os.utime(path, ns=(5, path.stat().st_mtime_ns - 7_000_000_000))


def test_status_is_no_change(repository: Path) -> None:
    store = MemoryStore()
    directory = Directory(repository, store)
    stale(repository)
    known, before = directory.record("", ()), index(repository)
    git(repository, "status")
    assert index(repository) != before, "git did write it"
    found = directory.record(known.tree, ())
    assert (found.what, found.changes) == ("none", ())
    git(repository, "diff")
    assert directory.record(found.tree, ()).tree == found.tree
    again = Directory(repository, store).record(known.tree, ())
    assert (again.what, again.changes) == ("none", ()), "nor after a restart"
    assert directory.present().tree == found.tree


@pytest.mark.parametrize(
    "change", ["add", "remove", "mode", "flag", "unstage"], ids=lambda change: f"git {change}"
)
def test_what_is_staged_is_a_change(repository: Path, change: str) -> None:
    if change == "unstage":
        (repository / "a.py").write_text("staged")
        git(repository, "add", ".")
    store = MemoryStore()
    directory = Directory(repository, store)
    known, meant = directory.record("", ()), meaning(index(repository))
    match change:
        case "add":
            (repository / "a.py").write_text("other")
            git(repository, "add", "a.py")
        case "remove":
            git(repository, "rm", "-q", "--cached", "a.py")
        case "mode":
            git(repository, "update-index", "--chmod=+x", "a.py")
        case "flag":
            git(repository, "update-index", "--assume-unchanged", "a.py")
        case _:
            git(repository, "reset", "-q")
    found = directory.record(known.tree, ())
    assert ".git/index" in {each.path for each in found.changes}
    assert meaning(index(repository)) != meant


def test_a_meaning_is_read_for_every_version(repository: Path) -> None:
    content = index(repository)
    wanted = git(repository, "config", "index.version").strip()
    assert content[7] == int(wanted)
    assert meaning(content) is not None
    stale(repository)
    git(repository, "status")
    assert meaning(index(repository)) == meaning(content)


def test_what_is_no_index_has_no_meaning(repository: Path) -> None:
    content = index(repository)
    for broken in (
        b"",
        b"DIRC",
        content[:40],
        content[:-1],
        b"X" + content[1:],
        content + b"x",
        content[:12],
    ):
        assert meaning(broken) is None


def test_only_what_git_calls_its_index_is_one() -> None:
    assert is_index(".git/index")
    assert is_index("sub/.git/modules/x/index")
    assert is_index(".git/worktrees/w/index")
    assert not is_index("index")
    assert not is_index("web/index")
    assert not is_index(".git/index.lock")


def test_a_broken_index_is_recorded_as_any_file(repository: Path) -> None:
    store = MemoryStore()
    directory = Directory(repository, store)
    known = directory.record("", ())
    (repository / ".git" / "index").write_bytes(b"broken")
    found = directory.record(known.tree, ())
    assert ".git/index" in {each.path for each in found.changes}
