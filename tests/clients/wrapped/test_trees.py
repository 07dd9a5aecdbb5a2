"""The yardsticks of wrapped clients measure: a tree is read whole, and each kind of difference is told."""

import subprocess
from pathlib import Path

import pytest

from perdure.testing.upstream.plots import Act, Command, Put
from tests.clients.wrapped.plots import MARK, MARKING, SEED, TALKED, TREES, plot_of
from tests.clients.wrapped.trees import tree_of, unlike


def test_the_trees_that_are_written_down_are_what_the_steps_make(tmp_path: Path):
    (tmp_path / SEED).write_text("seed\n")
    assert unlike(tree_of(tmp_path), TREES[0]) == ""
    for number, (act,) in enumerate(plot_of(""), 1):
        _done(act, tmp_path)
        assert unlike(tree_of(tmp_path), TREES[number]) == ""


def test_the_trees_of_a_client_that_is_dictated_are_what_its_command_makes(tmp_path: Path):
    (tmp_path / MARK).write_text(MARKING)
    for steps in range(1, 5):
        (tmp_path / f"part-{steps}.txt").write_text(f"part {steps}\n")
        done = subprocess.run(["/bin/sh", MARK], cwd=tmp_path, check=False)
        assert (done.returncode == 0) == (steps == 4)
        assert unlike(tree_of(tmp_path), TALKED[steps]) == ""


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("rm link", "link is missing"),
        ("touch new.txt", "new.txt is there"),
        ("chmod 644 src/one.txt", "src/one.txt holds"),
        ("printf x >> two.txt", "two.txt holds"),
        ("ln -sfn two.txt link", "link holds"),
        ("rmdir deep/empty", "deep/empty/ is missing"),
    ],
)
def test_each_kind_of_difference_is_told(tmp_path: Path, broken: str, told: str):
    (tmp_path / SEED).write_text("seed\n")
    for (act,) in plot_of("")[:5]:
        _done(act, tmp_path)
    assert unlike(tree_of(tmp_path), TREES[5]) == ""
    subprocess.run(["/bin/sh", "-c", broken], cwd=tmp_path, check=True)
    assert told in unlike(tree_of(tmp_path), TREES[5])


def _done(act: Act, root: Path) -> None:
    match act:
        case Command(command=command):
            subprocess.run(["/bin/sh", "-c", f"umask 022; {command}"], cwd=root, check=True)
        case Put(file=file, text=text):
            (root / file).write_text(text)
        case _:
            raise AssertionError(act)
