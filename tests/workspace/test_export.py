"""A tree as a directory, a tar and a commit: the same each time, and the user's repository untouched."""

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from perdure.adapters.workspace import gitexport
from perdure.adapters.workspace.export import export_directory, export_tar
from perdure.adapters.workspace.gitexport import Wording, export_git
from perdure.values.errors import BadInput
from tests.checkpoint.disk import Inode, Recorded, record
from tests.workspace.kills import states
from tests.workspace.reference import PIECE, recorded

WORDING = Wording("snapshot", "turn 3\n\nwith words", 1_700_000_000_000_000_000)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A workspace with a bit of everything."""
    root = tmp_path / "work"
    (root / "src" / "empty").mkdir(parents=True)
    (root / "src" / "run").write_text("#!/bin/sh\n")
    (root / "src" / "run").chmod(0o755)
    (root / "src" / "run-too").hardlink_to(root / "src" / "run")
    (root / "link").symlink_to("src/run")
    (root / "big").write_bytes(b"1" * PIECE + bytes(3 * PIECE) + b"2" * 10)
    (root / 'odd "name"\n\\').write_text("odd\n")
    (root / os.fsdecode(b"\xff")).write_text("bytes\n")
    (root / "pipe").touch()
    (root / "pipe").unlink()
    os.mkfifo(root / "pipe", 0o600)
    return root


@pytest.fixture
def tree(work: Path) -> Recorded:
    """The same, recorded."""
    return recorded(work)


def test_an_exported_directory_is_the_tree(work: Path, tree: Recorded, tmp_path: Path):
    done = export_directory(tree.fetch, tree.tree, tmp_path / "out")
    assert recorded(tmp_path / "out").tree == tree.tree
    assert (done.files, done.notes) == (7, ())
    with pytest.raises(BadInput, match="something is there already"):
        export_directory(tree.fetch, tree.tree, tmp_path / "out")


def test_what_no_store_holds_is_left_out_of_an_export_and_said(tmp_path: Path):
    odd = Inode(
        "dir", 0o755, names={b".env": Inode("secret"), b"s": Inode("special"), b"d": Inode("left", 0, b"/d")}
    )
    tree = record(odd)
    assert len(export_directory(tree.fetch, tree.tree, tmp_path / "out").notes) == 3
    assert list((tmp_path / "out").iterdir()) == []
    assert len(export_tar(tree.fetch, tree.tree, io.BytesIO()).notes) == 3


def test_a_tar_unpacks_to_the_tree_and_is_the_same_each_time(work: Path, tree: Recorded, tmp_path: Path):
    first, second = io.BytesIO(), io.BytesIO()
    done = export_tar(tree.fetch, tree.tree, first)
    shutil.copytree(work, tmp_path / "copy", symlinks=True, ignore=lambda *_: ["pipe", "run-too"])
    (tmp_path / "copy" / "src" / "run-too").hardlink_to(tmp_path / "copy" / "src" / "run")
    os.mkfifo(tmp_path / "copy" / "pipe", 0o600)
    copied = recorded(tmp_path / "copy")
    assert copied.tree == tree.tree
    export_tar(copied.fetch, copied.tree, second)
    assert first.getvalue() == second.getvalue()
    assert (done.files, done.notes) == (7, ())
    (tmp_path / "tar").mkdir()
    first.seek(0)
    with tarfile.open(fileobj=first) as tar:
        tar.extractall(tmp_path / "tar", filter="fully_trusted")
    (tmp_path / "tar").chmod(work.stat().st_mode)
    assert recorded(tmp_path / "tar").identity == tree.identity


def git(repository: Path, *arguments: str) -> str:
    """Ask a repository."""
    done = subprocess.run(
        ["git", "--git-dir", repository, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_commit_in_a_repository_of_its_own_holds_the_tree_and_the_users_repository_is_untouched(
    work: Path, tree: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    subprocess.run(["git", "init", "-q", work], check=True)
    monkeypatch.setenv("GIT_DIR", str(work / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(work / ".git" / "index"))
    before = states(work / ".git")
    repository = tmp_path / "export.git"
    done = export_git(tree.fetch, tree.tree, repository, WORDING, workspace=work)
    assert states(work / ".git") == before
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert git(repository, "rev-parse", "snapshot") == done.commit
    assert git(repository, "show", "snapshot:src/run") == git(repository, "show", "snapshot:src/run-too")
    assert git(repository, "show", 'snapshot:odd "name"\n\\') == "odd"
    assert git(repository, "log", "-1", "--format=%B%at", "snapshot") == "turn 3\n\nwith words\n1700000000"
    assert git(repository, "cat-file", "-s", "snapshot:big") == str(4 * PIECE + 10)
    listed = git(repository, "ls-tree", "-r", "snapshot")
    assert [line.split()[0] for line in listed.splitlines() if line.endswith(("link", "run"))] == [
        "120000",
        "100755",
    ]
    assert set(done.notes) == {"src/empty: git keeps no empty directories", "pipe: git keeps no FIFOs"}
    git(repository, "fsck", "--strict")


def test_a_second_export_is_a_second_commit_and_equal_ones_are_equal(tree: Recorded, tmp_path: Path):
    workspace = tmp_path / "work"
    first = export_git(tree.fetch, tree.tree, tmp_path / "a.git", WORDING, workspace=workspace)
    again = export_git(tree.fetch, tree.tree, tmp_path / "b.git", WORDING, workspace=workspace)
    assert first.commit == again.commit
    other = record(Inode("dir", 0o755, names={b"f": Inode("file", content=b"f")}))
    second = export_git(other.fetch, other.tree, tmp_path / "a.git", WORDING, workspace=workspace)
    assert git(tmp_path / "a.git", "rev-parse", "snapshot^") == first.commit
    assert git(tmp_path / "a.git", "ls-tree", "-r", "--name-only", second.commit) == "f"


def test_a_repository_inside_the_tree_is_left_out_of_a_commit_and_said(tmp_path: Path):
    inner = Inode("dir", 0o755, names={b"HEAD": Inode("file", content=b"x")})
    tree = record(Inode("dir", 0o755, names={b".git": inner, b"f": Inode("file", content=b"f")}))
    done = export_git(tree.fetch, tree.tree, tmp_path / "a.git", WORDING, workspace=tmp_path / "work")
    assert (done.files, done.notes) == (1, (".git: git keeps no repository in another",))


@pytest.mark.parametrize("place", ["work/.git", "work", "work/new.git", ".", "taken"])
def test_a_repository_of_somebody_else_is_refused(work: Path, tree: Recorded, tmp_path: Path, place: str):
    subprocess.run(["git", "init", "-q", work], check=True)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "f").write_text("mine")
    before = states(work)
    with pytest.raises(BadInput):
        export_git(tree.fetch, tree.tree, tmp_path / place, WORDING, workspace=work)
    assert states(work) == before


def test_a_machine_without_git_says_so(tree: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gitexport, "which", lambda _name: None)
    with pytest.raises(BadInput, match="git is not installed") as missing:
        export_git(tree.fetch, tree.tree, tmp_path / "a.git", WORDING, workspace=tmp_path / "work")
    assert "install git" in missing.value.hint


def test_what_git_refuses_is_said_in_its_words(tmp_path: Path):
    tree = record(Inode("dir", 0o755, names={b"f": Inode("file", content=b"f")}))
    wording = Wording("snapshot", "m", 1_700_000_000_000_000_000, author="nobody without an address")
    with pytest.raises(OSError, match=r"git refused the export: .*Missing"):
        export_git(tree.fetch, tree.tree, tmp_path / "a.git", wording, workspace=tmp_path / "work")
