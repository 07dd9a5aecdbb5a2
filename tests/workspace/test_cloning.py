"""A fork's own directory: like its source in everything, by the cheapest means, there whole or not at all."""

import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.adapters.workspace import cloning
from perdure.adapters.workspace.cloning import clone
from perdure.checkpoint.tree import PART_PREFIX
from perdure.values.errors import BadInput
from tests.workspace.kills import before_each_call, in_a_child
from tests.workspace.reference import recorded

MEGABYTE = 1024 * 1024


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with a bit of everything."""
    root = tmp_path / "source"
    (root / "d" / "empty").mkdir(parents=True)
    (root / "d" / "f").write_text("text\n")
    (root / "d" / "f").chmod(0o640)
    (root / "d" / "same").hardlink_to(root / "d" / "f")
    (root / "link").symlink_to("/nowhere")
    os.mkfifo(root / "pipe", 0o600)
    (root / "nothing").touch()
    with (root / "holes").open("wb") as file:
        file.seek(20 * MEGABYTE)
        file.write(b"x" * 1000)
        file.truncate(40 * MEGABYTE)
    (root / "d").chmod(0o555)
    return root


def test_a_clone_is_like_its_source_with_its_holes(source: Path, tmp_path: Path):
    owners = os.geteuid() == 0
    if owners:
        os.chown(source / "nothing", 1234, 2345)
        os.setxattr(source / "nothing", "user.note", b"x")
    before = recorded(source, owners=owners)
    done = clone(source, tmp_path / "target")
    assert recorded(tmp_path / "target", owners=owners).tree == before.tree
    assert done.files == 6
    assert (tmp_path / "target" / "holes").stat().st_blocks * 512 < MEGABYTE
    (tmp_path / "target" / "d" / "f").write_text("changed\n")
    assert recorded(source, owners=owners).tree == before.tree


def test_access_times_of_the_source_stay(source: Path, tmp_path: Path):
    os.utime(source / "d" / "f", ns=(1, (source / "d" / "f").stat().st_mtime_ns))
    clone(source, tmp_path / "target")
    assert (source / "d" / "f").stat().st_atime_ns == 1


def test_a_socket_is_not_copied_and_that_is_said(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(source)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        done = clone(source, tmp_path / "target")
    assert len(done.notes) == 1
    assert not (tmp_path / "target" / "socket").exists()


@pytest.mark.parametrize("place", ["source", "source/inside", ".", "taken", "no/such"])
def test_a_clone_into_itself_or_over_something_is_refused(source: Path, tmp_path: Path, place: str):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "f").write_text("mine")
    before = recorded(tmp_path)
    with pytest.raises(BadInput):
        clone(source, tmp_path / place)
    assert recorded(tmp_path).tree == before.tree


def test_where_the_kernel_copies_nothing_the_bytes_are_copied_all_the_same(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object) -> int:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "copy_file_range", refused)
    monkeypatch.setattr(cloning, "_shared", lambda _reading, _writing: False)
    assert clone(source, tmp_path / "target").how == "copy"
    assert recorded(tmp_path / "target").tree == recorded(source).tree


def test_a_clone_killed_at_any_call_is_there_whole_or_not_at_all(source: Path, tmp_path: Path):
    wanted = recorded(source).tree
    target, at = tmp_path / "target", 0
    while not target.exists():
        at += 1

        def die(count: int, at: int = at) -> None:
            if count == at:
                os._exit(9)

        in_a_child(lambda die=die: before_each_call(lambda: clone(source, target), die))
        assert not target.exists() or recorded(target).tree == wanted
    assert at > 15
    assert list(tmp_path.glob(f"{PART_PREFIX}*")) == []


@pytest.fixture
def sharing_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that can share blocks between files."""
    maker = shutil.which("mkfs.btrfs") or shutil.which("mkfs.xfs")
    if os.geteuid() != 0 or maker is None:
        pytest.skip("no file system that shares blocks can be made here")
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(320 * MEGABYTE)
    subprocess.run([maker, image], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", image, disk], check=False, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_blocks_are_shared_where_the_file_system_can(sharing_disk: Path):
    source = sharing_disk / "source"
    source.mkdir()
    (source / "big").write_bytes(os.urandom(50 * MEGABYTE))
    os.sync()
    free = os.statvfs(sharing_disk).f_bavail * os.statvfs(sharing_disk).f_frsize
    assert clone(source, sharing_disk / "target").how == "reflink"
    os.sync()
    assert free - os.statvfs(sharing_disk).f_bavail * os.statvfs(sharing_disk).f_frsize < 10 * MEGABYTE
    assert (sharing_disk / "target" / "big").read_bytes() == (source / "big").read_bytes()
