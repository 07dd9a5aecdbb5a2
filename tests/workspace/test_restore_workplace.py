"""The recorder and the restorer together, as a run has them: what a turn did is put back, and what it may not touch stays."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings

from perdure.adapters.memory import MemoryStore
from perdure.adapters.workspace import restore as restoring
from perdure.assembly.files.site import Site
from perdure.assembly.files.workplace import Workplace
from perdure.checkpoint.inspection import Restored
from perdure.checkpoint.tree import find
from perdure.intention.declaration import Definition
from perdure.values.errors import RestoreRefused
from tests.checkpoint.disk import Inode
from tests.checkpoint.drawing import pairs
from tests.workspace.kills import states
from tests.workspace.reference import laid, recorded
from tests.workspace.test_restore_refused import git

AGENT = Definition("agent", "", "", (), workspace=True)


def went_back(
    root: Path, before: Callable[[], None], after: Callable[[], None], keep: tuple[str, ...] = ()
) -> Restored:
    """Do one thing, record, do another, and put the first back."""

    async def story() -> Restored:
        place = Workplace(Site("run", root, root.parent / "scratch", "run"), MemoryStore(), AGENT)
        try:
            before()
            first = await place.record("", "", ())
            after()
            await place.record(first.tree, "", ())
            return await place.restore(first.tree, "", keep, None)
        finally:
            await place.close()

    return asyncio.run(story())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty workspace."""
    made = tmp_path / "root"
    made.mkdir()
    return made


@settings(max_examples=25)
@given(pairs())
def test_any_two_directories_that_were_recorded_can_be_gone_between(pair: tuple[Inode, Inode]):
    target, present = pair
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        root.mkdir()
        laid(target, Path(place) / "wanted")
        laid(present, Path(place) / "other")
        wanted = recorded(Path(place) / "wanted")

        def becomes(source: Path) -> None:
            for path in root.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            subprocess.run(["cp", "-a", f"{source}/.", root], check=True)

        went_back(root, lambda: becomes(Path(place) / "wanted"), lambda: becomes(Path(place) / "other"))
        assert recorded(root).tree == wanted.tree


def test_a_turn_of_commits_goes_back_and_no_object_of_it_is_lost(root: Path):
    def first() -> None:
        git(root, "init", "-q", "-b", "main")
        (root / "f").write_text("one\n")
        git(root, "add", ".")
        git(root, "commit", "-qm", "one")

    def second() -> None:
        (root / "f").write_text("two\n")
        git(root, "commit", "-qam", "two")
        git(root, "tag", "later")
        git(root, "gc", "-q")

    objects: list[str] = []
    went_back(root, first, lambda: (second(), objects.append(git(root, "rev-parse", "HEAD")))[0])
    assert git(root, "log", "--format=%s") == "one"
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "tag") == ""
    assert git(root, "show", f"{objects[0]}:f") == "two"
    git(root, "fsck", "--strict")


def test_secrets_caches_and_what_rules_leave_out_are_no_failure_of_a_restore(root: Path):
    def first() -> None:
        (root / ".perdureignore").write_text("data/\n")
        (root / "m.py").write_text("x = 1\n")

    def second() -> None:
        (root / "m.py").write_text("x = 2\n")
        for name in ("__pycache__", "data"):
            (root / name).mkdir()
            (root / name / "f").write_text("f")
        (root / ".env").write_text("KEY=1\n")

    done = went_back(root, first, second)
    assert sorted(path.name for path in root.iterdir()) == [".env", ".perdureignore", "data", "m.py"]
    assert (root / "m.py").read_text() == "x = 1\n"
    assert [note.split(":")[0] for note in done.notes] == [".env"]


def test_a_kept_path_stays_and_is_counted(root: Path):
    def first() -> None:
        for name in "ab":
            (root / name).write_text("old")

    def second() -> None:
        for name in "ab":
            (root / name).write_text("new")

    assert went_back(root, first, second, keep=("a",)).kept == 1
    assert {path: content for path, (_, _, content) in states(root).items()} == {"a": b"new", "b": b"old"}


def test_a_file_saved_while_the_present_was_recorded_is_in_the_store_before_it_is_overwritten(root: Path):
    class Saving(MemoryStore):
        """A store that takes so long to be flushed that a person saves a file meanwhile."""

        def flush(self) -> None:
            super().flush()
            if saved and saved[0] != (root / "f").read_text():
                (root / "f").write_text(saved[0])

    saved: list[str] = []
    store = Saving()

    async def story() -> Restored:
        place = Workplace(Site("run", root, root.parent / "scratch", "run"), store, AGENT)
        try:
            (root / "f").write_text("old")
            first = await place.record("", "", ())
            (root / "f").write_text("the agent's")
            saved.append("a person's work")
            return await place.restore(first.tree, "", (), None)
        finally:
            await place.close()

    done = asyncio.run(story())
    assert (root / "f").read_text() == "old"
    entry = find(store.get, done.saved, "f")
    assert entry is not None
    assert store.get(entry.content.hex()) == b"a person's work"


def test_a_restorer_that_forgets_a_mode_does_not_say_that_all_is_well(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(restoring, "put_attributes", lambda *_, **__: ())

    def first() -> None:
        (root / "f").write_text("old")
        (root / "f").chmod(0o755)

    with pytest.raises(RestoreRefused, match="not as they should be"):
        went_back(root, first, (root / "f").unlink)
