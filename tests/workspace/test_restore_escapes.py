"""Nothing outside the root is touched, whatever is swapped for a symbolic link, and whenever."""

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from perdure.adapters.workspace import ground
from perdure.adapters.workspace.restore import apply_plan
from perdure.checkpoint.plan import plan_restore
from perdure.values.errors import Broken
from tests.checkpoint.disk import Inode, record
from tests.workspace.kills import before_each_call, restore, states
from tests.workspace.reference import recorded


class Swapping:
    """A root whose directory ``d`` is swapped for a link to the outside at the n-th call of a restore."""

    def __init__(self, place: Path) -> None:
        self.root, self.outside = place / "root", place / "outside"
        self.present, self.target = place / "present", place / "target"
        for each in (self.present, self.target, self.outside):
            (each / "d" / "e").mkdir(parents=True)
        for each, words in ((self.present, "new"), (self.target, "old"), (self.outside, "theirs")):
            for name in ("d/f", "d/e/g", "f"):
                (each / name).write_text(words)
        (self.present / "d" / "extra").write_text("extra")
        (self.outside / "d" / "extra").write_text("theirs")
        (self.target / "d" / "f").chmod(0o755)
        self.wanted = recorded(self.target)

    def touched(self, swap: Callable[[Path, Path], None]) -> tuple[int, list[str]]:
        """Swap at each call in turn; return how many calls there were and what was touched outside."""
        wrong: list[str] = []
        at, more = 1, True
        while more:
            shutil.rmtree(self.root, ignore_errors=True)
            shutil.copytree(self.present, self.root)
            present = recorded(self.root)
            objects = present.objects | self.wanted.objects
            plan = plan_restore(objects.__getitem__, present.tree, self.wanted.tree)
            before, more = states(self.outside), False

            def then(count: int, at: int = at) -> None:
                nonlocal more
                if count == at:
                    more = True
                    swap(self.root, self.outside)

            deed = partial(apply_plan, self.root, plan, objects.__getitem__, owners=False, sync=False)
            with suppress(OSError):
                before_each_call(deed, then)
            if states(self.outside) != before:
                wrong.append(f"swapped before call {at}: something outside was touched")
                shutil.rmtree(self.outside)
                shutil.copytree(self.present, self.outside)
            at += 1
        return at - 2, wrong


def directory_for_link(root: Path, outside: Path) -> None:
    """Swap a directory for a link to one outside that looks the same."""
    (root / "d").rename(root / "elsewhere")
    (root / "d").symlink_to(outside / "d")


def files_for_links(root: Path, outside: Path) -> None:
    """Swap files, and all half-written ones, for links to files outside."""
    for path in list(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            path.unlink()
            path.symlink_to(outside / "f")


@pytest.mark.parametrize("swap", [directory_for_link, files_for_links])
def test_a_link_swapped_in_before_any_call_leads_nowhere(tmp_path: Path, swap: Callable[[Path, Path], None]):
    count, wrong = Swapping(tmp_path).touched(swap)
    assert count > 15
    assert wrong == []


def test_a_restorer_that_follows_links_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ground, "_DIRECTORY", os.O_PATH | os.O_DIRECTORY)
    _, wrong = Swapping(tmp_path).touched(directory_for_link)
    assert wrong != []


def test_a_link_in_the_present_is_replaced_and_not_followed(tmp_path: Path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "d").mkdir(parents=True)
    (root / "d" / "f").write_text("old")
    (root / "file").write_text("old")
    wanted = recorded(root)
    shutil.rmtree(root / "d")
    outside.mkdir()
    (outside / "f").write_text("theirs")
    (root / "d").symlink_to(outside)
    (root / "file").unlink()
    (root / "file").symlink_to(outside / "f")
    restore(root, wanted)
    assert recorded(root).tree == wanted.tree
    assert (outside / "f").read_text() == "theirs"


@pytest.mark.parametrize("name", [b"..", b"../escaped", b"a/../../escaped", b"/etc/escaped", b"."])
def test_a_tree_with_a_name_that_leads_out_is_refused(tmp_path: Path, name: bytes):
    root = tmp_path / "root"
    root.mkdir()
    tree = record(Inode("dir", names={name: Inode("file", content=b"x")}))
    plan = plan_restore(tree.fetch, "", tree.tree)
    with pytest.raises(Broken, match="leads out"):
        apply_plan(root, plan, tree.fetch, owners=False, sync=False)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert list(root.iterdir()) == []


def test_a_fifo_is_amended_without_being_opened_and_a_socket_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "root"
    root.mkdir()
    os.mkfifo(root / "pipe", 0o600)
    wanted = recorded(root)
    (root / "pipe").chmod(0o640)
    listening = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(root)
    listening.bind("socket")
    restore(root, wanted)
    assert recorded(root).tree == wanted.tree
    listening.close()
