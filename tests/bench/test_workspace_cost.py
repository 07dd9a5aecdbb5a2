"""The cost benchmark of workspaces measures what it says: its trees, its turns, and methods that really keep files."""

import asyncio
import shutil
from pathlib import Path

import pytest

from benchmarks.workspace.course import Course, Measured
from benchmarks.workspace.others import Copies, Method, Restic, ShadowGit
from benchmarks.workspace.page import kept_section
from benchmarks.workspace.rows import compared
from benchmarks.workspace.trees import make_tree, paths, trace


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_same_numbers_make_the_same_tree(tmp_path: Path):
    make_tree(tmp_path / "one", 60)
    make_tree(tmp_path / "two", 60)
    make_tree(tmp_path / "other", 60, seed=1)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one") != contents(tmp_path / "other")
    assert sorted(contents(tmp_path / "one")) == sorted(paths(60))


def test_one_turn_in_four_changes_files_and_never_the_first():
    turns = trace(5_000, 41)
    assert sum(turn.changes for turn in turns) == 10
    assert not turns[0].changes


@pytest.mark.parametrize("method", [Copies, ShadowGit, Restic], ids=["copy", "git", "restic"])
def test_each_method_puts_back_what_it_kept(
    tmp_path: Path, method: type[Copies] | type[ShadowGit] | type[Restic]
):
    if method is Restic and shutil.which("restic") is None:
        pytest.skip("restic is not installed")
    root = tmp_path / "work"
    make_tree(root, 30)
    before = contents(root)

    async def story(keeper: Method) -> None:
        name = await keeper.save()
        shutil.rmtree(root / "pkg00/part00/unit00")
        (root / "new").write_text("new")
        assert await keeper.save() != name
        await keeper.load(name)

    asyncio.run(story(method(root, tmp_path / "kept")))
    assert contents(root) == before


def measured(path_ms: float, cpu_ms: float) -> Measured:
    return Measured(
        [path_ms] * 9,
        [300.0] * 9,
        [10.0] * 9,
        [20.0] * 9,
        [900.0],
        [cpu_ms] * 9,
        9_000.0,
        7,
        9,
        80.0,
        [5.0],
        90.0,
    )


def test_what_the_baseline_costs_is_taken_off():
    row = compared(
        Course("L0", 5_000, 0.3, 9, ("tree",), "kept"), [measured(5.0, 30.0)], [measured(2.0, 8.0)]
    )
    assert (row.path_ms, row.cpu_ms, row.bytes_per_turn) == (3.0, 22.0, 0.0)
    assert row.share == pytest.approx(0.01)


def test_a_section_is_found_where_it_begins_and_nowhere_else():
    assert kept_section("# Results\n\n## Workspaces\n\nwords\n") == "## Workspaces\n\nwords\n"
    assert kept_section("# Results\n") == ""
