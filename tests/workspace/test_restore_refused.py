"""What a restore refuses, and a disk that is full half-way."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.adapters.workspace.restore import apply_plan
from perdure.checkpoint.plan import plan_restore
from perdure.values.errors import RestoreRefused
from tests.workspace.kills import in_a_child, leftovers, mixed, restore, states
from tests.workspace.reference import recorded

ALONE = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(root: Path, *arguments: str) -> str:
    """Run git in ``root``; return what it says."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, env=ALONE, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    root = tmp_path / "root"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "f").write_text("one\n")
    git(root, "add", "f")
    git(root, "commit", "-qm", "one")
    return root


def test_head_index_and_refs_go_back_with_the_files_and_no_object_is_lost(repository: Path):
    wanted = recorded(repository)
    first = git(repository, "rev-parse", "HEAD")
    (repository / "f").write_text("two\n")
    git(repository, "commit", "-qam", "two")
    second = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "-q", "-b", "other")
    git(repository, "gc", "-q")
    restore(repository, wanted)
    assert git(repository, "rev-parse", "HEAD") == first
    assert git(repository, "branch", "--show-current") == "main"
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "cat-file", "-t", second) == "commit"
    assert git(repository, "show", f"{second}:f") == "two"
    git(repository, "fsck", "--strict")


def test_a_lock_that_a_living_git_holds_refuses_before_anything_is_touched(repository: Path, tmp_path: Path):
    wanted = recorded(repository)
    waiting = tmp_path / "editor"
    waiting.write_text(
        f"#!/bin/sh\necho ready > {tmp_path}/began\nread word < {tmp_path}/go\necho message > $1\n"
    )
    waiting.chmod(0o755)
    for name in ("began", "go"):
        os.mkfifo(tmp_path / name)
    (repository / "f").write_text("two\n")
    environment = ALONE | {"GIT_EDITOR": str(waiting)}
    with subprocess.Popen(["git", "commit", "-qa"], cwd=repository, env=environment) as committing:
        assert (tmp_path / "began").read_text() == "ready\n"
        assert (repository / ".git" / "index.lock").exists()
        before = states(repository)
        with pytest.raises(RestoreRefused, match=r"\.git/index\.lock is held by git") as refused:
            restore(repository, wanted)
        assert refused.value.code == "P112"
        assert states(repository) == before
        (tmp_path / "go").write_text("on\n")
        assert committing.wait() == 0
    restore(repository, wanted)
    assert git(repository, "status", "--porcelain") == ""


def test_a_lock_whose_holder_was_killed_is_in_nobodys_way(repository: Path):
    wanted = recorded(repository)
    (repository / "f").write_text("two\n")
    (repository / ".git" / "index.lock").write_text("")
    restore(repository, wanted)
    assert recorded(repository).tree == wanted.tree


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], check=False)
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("sync", [True, False])
def test_a_disk_that_is_full_half_way_says_so_and_the_same_restore_succeeds_with_more_room(
    small_disk: Path, tmp_path: Path, sync: bool
):
    def filled(root: Path, byte: bytes, count: int) -> None:
        root.mkdir(exist_ok=True)
        for number in range(count):
            (root / f"f{number}").write_bytes(byte * 40_000)

    filled(tmp_path / "target", b"1", 11)
    filled(small_disk / "root", b"2", 11)
    wanted, root = recorded(tmp_path / "target"), small_disk / "root"
    (small_disk / "else").write_bytes(b"x" * 20_000)
    before = states(root)
    with pytest.raises(
        OSError, match=r"the restore stopped at f\d+: No space left on device; mend it and restore again"
    ):
        restore(root, wanted, sync=sync)
    assert mixed(root, before, states(tmp_path / "target")) == []
    assert leftovers(root) == []
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    restore(root, wanted, sync=sync)
    assert recorded(root).tree == wanted.tree


def test_a_file_that_is_larger_than_is_permitted_stops_it_in_the_same_way(tmp_path: Path):
    import resource

    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"old")
    (root / "b").write_bytes(b"1" * 30_000)
    wanted = recorded(root)
    (root / "a").write_bytes(b"new")
    (root / "b").write_bytes(b"2")

    def deed() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        with pytest.raises(OSError, match="stopped at b: File too large"):
            restore(root, wanted)

    assert in_a_child(deed) == 0
    assert (root / "b").read_bytes() == b"2"
    assert leftovers(root) == []
    restore(root, wanted)
    assert recorded(root).tree == wanted.tree


def test_progress_is_told_step_by_step(tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    for name in "abc":
        (root / name).write_text(name)
    wanted = recorded(root)
    for name in "abc":
        (root / name).unlink()
    heard: list[tuple[int, int]] = []
    present = recorded(root)
    objects = present.objects | wanted.objects
    plan = plan_restore(objects.__getitem__, present.tree, wanted.tree)
    began = time.time_ns()
    applied = apply_plan(
        root,
        plan,
        objects.__getitem__,
        owners=False,
        since=began,
        progress=lambda done, of: heard.append((done, of)),
    )
    assert heard == [(1, 3), (2, 3), (3, 3)]
    assert (applied.written, applied.deleted, applied.notes) == (3, 0, ())
