"""A restore killed before every single call that changes something: each path is old or new, and again makes it whole."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from perdure.adapters.workspace import restore as restoring
from tests.checkpoint.disk import Recorded
from tests.workspace.kills import NOBODY, in_a_child, killed_before, leftovers, mixed, restore, states
from tests.workspace.reference import PIECE, recorded


def target(root: Path) -> None:
    """Make the directory that the agent once had."""
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text("old a\n")
    (root / "src" / "b.py").write_text("old b\n")
    (root / "src" / "run").write_text("#!/bin/sh\n")
    (root / "src" / "run").chmod(0o755)
    (root / "src" / "also-run").hardlink_to(root / "src" / "run")
    (root / "link").symlink_to("src/a.py")
    (root / "kind").mkdir()
    (root / "kind" / "inside").write_text("inside\n")
    (root / "big").write_bytes(b"1" * PIECE + bytes(PIECE) + b"2" * PIECE)
    (root / "closed").mkdir()
    (root / "closed" / "f").write_text("closed\n")
    (root / "closed").chmod(0o555)
    (root / "mine").write_text("as it was\n")


def went_wrong(root: Path) -> None:
    """Let the agent do damage of every kind, and the user some work."""
    (root / "src" / "a.py").write_text("new a\n")
    (root / "src" / "b.py").unlink()
    (root / "src" / "also-run").unlink()
    (root / "src" / "run").write_text("#!/bin/false\n")
    (root / "link").unlink()
    (root / "link").write_text("no link\n")
    shutil.rmtree(root / "kind")
    (root / "kind").write_text("a file now\n")
    (root / "big").write_bytes(b"small")
    (root / "closed").chmod(0o755)
    (root / "closed" / "f").write_text("opened\n")
    (root / "extra" / "deep").mkdir(parents=True)
    (root / "extra" / "deep" / "x").write_text("x\n")
    (root / "mine").write_text("the user's own work\n")


class Scene:
    """One present that can be made again and again, its target, and something outside."""

    def __init__(self, place: Path) -> None:
        self.root: Path = place / "root"
        self.pristine: Path = place / "pristine"
        self.outside: Path = place / "outside"
        target(self.root)
        self.wanted: Recorded = recorded(self.root)
        self.new: dict[str, tuple[str, int, bytes]] = states(self.root)
        went_wrong(self.root)
        self.root.rename(self.pristine)
        self.outside.write_text("untouched\n")
        (self.pristine / "outward").symlink_to(self.outside)
        self.old: dict[str, tuple[str, int, bytes]] = states(self.pristine)

    def reset(self) -> None:
        """The present is as it was."""
        if self.root.exists():
            subprocess.run(["chmod", "-R", "u+rwx", self.root], check=True)
            shutil.rmtree(self.root)
        shutil.copytree(self.pristine, self.root, symlinks=True)

    def damage(self, kills: tuple[int, ...]) -> list[str] | None:
        """Kill one restore after the other, restore again, and return what is wrong; None if none was killed."""
        self.reset()
        wrong: list[str] = []
        for at in kills:
            if not killed_before(self.root, self.wanted, at, ("mine",)):
                return None
            wrong += [
                f"killed before {at}: {path} is neither" for path in mixed(self.root, self.old, self.new)
            ]
            if (self.root / "mine").read_text() != "the user's own work\n":
                wrong.append(f"killed before {at}: kept work is lost")
        if in_a_child(lambda: restore(self.root, self.wanted, ("mine",))) != 0:
            return [*wrong, f"killed before {kills}: could not be restored again"]
        if (self.root / "mine").read_text() != "the user's own work\n":
            wrong.append(f"{kills}: kept work is lost")
        (self.root / "mine").write_text("as it was\n")
        restore(self.root, self.wanted)  # its time
        if recorded(self.root).tree != self.wanted.tree or leftovers(self.root):
            wrong.append(f"{kills}: the next restore didn't end as it should")
        if self.outside.read_text() != "untouched\n":
            wrong.append(f"{kills}: something outside the root was touched")
        return wrong


def every_kill(scene: Scene, until: str = "\n", step: int = 1) -> tuple[int, list[str]]:
    """Kill at each call, or each ``step``-th; return about how many calls there are, and what is wrong.

    It ends as soon as ``until`` is a part of what is wrong.
    """
    wrong: list[str] = []
    at = 1
    while not any(until in each for each in wrong) and (found := scene.damage((at,))) is not None:
        wrong += found
        at += step
    return at - 1, wrong


def test_a_restore_killed_at_any_call_can_be_done_again_and_nothing_else_is_touched(tmp_path: Path):
    count, wrong = every_kill(Scene(tmp_path))
    assert count > 60
    assert wrong == []


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_a_restore_without_privileges_killed_at_any_call_can_be_done_again(step: int):
    place = Path(tempfile.mkdtemp(prefix="perdure-restore-"))
    place.chmod(0o777)

    def deed() -> None:
        count, wrong = every_kill(Scene(place), step=step)
        assert count > 60
        assert wrong == []

    try:
        assert in_a_child(deed, NOBODY if os.geteuid() == 0 else None) == 0
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", place], check=True)
        shutil.rmtree(place)


@pytest.mark.soak
def test_a_restore_killed_twice_at_any_two_calls_can_be_done_again(tmp_path: Path):
    scene = Scene(tmp_path)
    histories = 0
    for first in range(1, 200):
        for second in range(1, 200, 3):
            found = scene.damage((first, second))
            if found is None:
                break
            histories += 1
            assert found == []
    assert histories > 500


def test_a_restorer_that_writes_in_place_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(restoring, "part_name", lambda name: name)
    _, wrong = every_kill(Scene(tmp_path), until="is neither")
    assert any("is neither" in each for each in wrong)


def test_a_restorer_that_leaves_its_half_written_files_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(restoring._Restore, "_sweep", lambda _self, _directory: None)
    names = iter(range(10**6))
    monkeypatch.setattr(restoring, "part_name", lambda name: b".perdure-part-%d" % (next(names) // 3))
    _, wrong = every_kill(Scene(tmp_path), until="")
    assert wrong != []
