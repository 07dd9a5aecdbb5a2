"""Restores of real directories: whatever they were, they become the target in content, mode, links and times."""

import os
import shutil
import stat
import subprocess
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from perdure.adapters.workspace import restore as restoring
from perdure.adapters.workspace.restore import apply_plan
from perdure.checkpoint.plan import plan_restore
from perdure.checkpoint.tree import (
    CACHE_RULE,
    PART_PREFIX,
    Entry,
    directory_object,
    read_directory,
    read_root,
    root_object,
)
from perdure.values.errors import RestoreRefused
from tests.checkpoint.disk import Inode
from tests.checkpoint.drawing import pairs
from tests.workspace.kills import NOBODY, in_a_child, leftovers, restore
from tests.workspace.reference import PIECE, laid, recorded

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that other users reach as well."""
    made = Path(tempfile.mkdtemp(prefix="perdure-restore-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


def damage(place: Path, pair: tuple[Inode, Inode]) -> list[str]:
    """Lay out both, restore the second over the first, and return what isn't as it should be."""
    present, target = pair
    laid(target, place / "target")
    laid(present, place / "root")
    wanted = recorded(place / "target")
    try:
        restore(place / "root", wanted)
        found = recorded(place / "root")
        return [] if found.tree == wanted.tree else [f"{place / 'root'} is not the target"]
    finally:
        for each in ("target", "root"):
            subprocess.run(["chmod", "-R", "u+rwx", place / each], check=False, stderr=subprocess.DEVNULL)
            shutil.rmtree(place / each)


@settings(max_examples=150)
@given(pairs())
def test_any_directory_becomes_any_other(pair: tuple[Inode, Inode]):
    with tempfile.TemporaryDirectory() as place:
        assert damage(Path(place), pair) == []


def test_a_user_without_privileges_restores_into_read_only_directories(place: Path):
    def readonly(content: bytes) -> Inode:
        inner = Inode("dir", 0o555, names={b"f": Inode("file", 0o444, content, 1)})
        return Inode("dir", 0o755, names={b"d": inner, content.strip(): Inode("file", 0o600, content, 1)})

    def deed() -> None:
        os.umask(0o077)
        assert damage(place, (readonly(b"new\n"), readonly(b"old\n"))) == []

    assert in_a_child(deed, NOBODY if os.geteuid() == 0 else None) == 0


def test_restorers_that_forget_modes_or_times_are_caught(place: Path, monkeypatch: pytest.MonkeyPatch):
    present = Inode("dir", 0o755, names={b"a": Inode("file", 0o644, b"new", 5)})
    target = Inode("dir", 0o755, names={b"a": Inode("file", 0o755, b"old", 1)})
    assert damage(place, (present, target)) == []
    monkeypatch.setattr(restoring, "put_attributes", lambda *_, **__: ())
    assert damage(place, (present, target)) != []


@as_root
def test_owners_and_attributes_come_back_and_a_set_user_id_bit_survives_its_new_owner(tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"old")
    os.chown(root / "a", 1234, 2345)
    (root / "a").chmod(0o4755)
    os.setxattr(root / "a", "user.note", b"kept")
    (root / "link").symlink_to("a")
    os.chown(root / "link", 7, 7, follow_symlinks=False)
    wanted = recorded(root, owners=True)
    (root / "a").unlink()
    (root / "a").write_bytes(b"new")
    os.setxattr(root / "a", "user.other", b"gone")
    os.chown(root / "link", 0, 0, follow_symlinks=False)
    restore(root, wanted, owners=True)
    assert recorded(root, owners=True).tree == wanted.tree
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o4755


def test_a_large_file_with_holes_comes_back_with_its_holes_and_one_piece_in_memory(tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    with (root / "big").open("wb") as file:
        for number in range(64):
            file.seek(number * 16 * PIECE)
            file.write(bytes([number + 1]) * PIECE)
        file.truncate(64 * 16 * PIECE)
    wanted = recorded(root)
    (root / "big").write_bytes(b"small")
    present = recorded(root)
    objects = present.objects | wanted.objects
    plan = plan_restore(objects.__getitem__, present.tree, wanted.tree)
    tracemalloc.start()
    apply_plan(root, plan, lambda name: bytes(bytearray(objects[name])), owners=False, sync=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert recorded(root).tree == wanted.tree
    assert (root / "big").stat().st_blocks * 512 < 70 * PIECE
    assert peak < 8 * PIECE


def test_a_second_name_outside_the_root_keeps_what_it_had(tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"old")
    (root / "b").write_bytes(b"same")
    wanted = recorded(root)
    (root / "a").write_bytes(b"new")
    (root / "b").chmod(0o700)
    for name in ("a", "b"):
        (tmp_path / f"outside-{name}").hardlink_to(root / name)
    outside = [(path.read_bytes(), path.stat().st_mode) for path in sorted(tmp_path.glob("outside-*"))]
    restore(root, wanted)
    assert recorded(root).tree == wanted.tree
    assert [
        (path.read_bytes(), path.stat().st_mode) for path in sorted(tmp_path.glob("outside-*"))
    ] == outside


def test_two_names_of_one_file_are_so_again_when_a_rename_between_them_would_do_nothing(tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"x")
    (root / "b").hardlink_to(root / "a")
    wanted = recorded(root)
    present = recorded(root)
    plan = plan_restore((present.objects | wanted.objects).__getitem__, "", wanted.tree)
    apply_plan(root, plan, wanted.fetch, owners=False, sync=False)
    apply_plan(root, plan, wanted.fetch, owners=False, sync=False)
    assert recorded(root).tree == wanted.tree
    assert leftovers(root) == []


def test_a_program_that_runs_is_replaced_under_its_feet(tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "tool").write_bytes(b"#!/bin/sh\n")
    wanted = recorded(root)
    shutil.copy(shutil.which("sleep") or "/bin/sleep", root / "tool")
    running = subprocess.Popen([root / "tool", "100"])
    try:
        restore(root, wanted)
        assert recorded(root).tree == wanted.tree
        assert running.poll() is None
    finally:
        running.kill()
        running.wait()


def test_a_stale_compiled_module_does_not_survive_its_source(tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "m.py").write_text("x = 1\n")
    wanted = recorded(root)
    (root / "m.py").write_text("x = 2\n")
    present = recorded(root)
    cache = Entry(b"__pycache__", "left", 0o755, content=CACHE_RULE + b" __pycache__/")
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "m.pyc").write_bytes(b"stale")
    top = read_root(present.objects[present.tree]).top
    made = directory_object((cache, *read_directory(present.objects[top.content.hex()])))
    again = root_object(
        Entry(b"", "dir", top.mode, content=bytes.fromhex(made.name), identity=made.identity), owners=False
    )
    objects = present.objects | wanted.objects | {made.name: made.stored, again.name: again.stored}
    plan = plan_restore(objects.__getitem__, again.name, wanted.tree)
    apply_plan(root, plan, objects.__getitem__, owners=False, sync=False)
    assert sorted(path.name for path in root.iterdir()) == ["m.py"]
    assert plan.cleared == ("__pycache__",)


def test_what_changed_after_the_plan_was_made_is_refused_before_anything_is_touched(tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    for name in "ab":
        (root / name).write_text("old")
    wanted = recorded(root)
    for name in "ab":
        (root / name).write_text("new")
    present = recorded(root)
    objects = present.objects | wanted.objects
    plan = plan_restore(objects.__getitem__, present.tree, wanted.tree)
    since = max(path.stat().st_ctime_ns for path in root.iterdir())
    (root / "b").unlink()
    while not (root / "b").exists() or (root / "b").stat().st_ctime_ns <= since:
        (root / "b").write_text("mine")
    with pytest.raises(RestoreRefused, match="b"):
        apply_plan(root, plan, objects.__getitem__, owners=False, since=since)
    assert ((root / "a").read_text(), (root / "b").read_text()) == ("new", "mine")


def test_a_leftover_of_an_interrupted_restore_goes_with_the_next_wherever_it_is(tmp_path: Path):
    root = tmp_path / "root"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "gone").mkdir()
    (root / "f").write_text("old")
    wanted = recorded(root)
    (root / "f").write_text("new")
    (root / "deep" / "er" / f"{PART_PREFIX}1").write_text("half")
    (root / "new").mkdir()
    (root / "new" / f"{PART_PREFIX}2").write_text("half")
    restore(root, wanted)
    assert leftovers(root) == []
    assert recorded(root).tree == wanted.tree
