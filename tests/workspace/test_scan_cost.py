"""What a look costs grows with what changed, and with the number of names only by one look at each."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.adapters.memory import MemoryStore
from perdure.adapters.workspace import Directory
from perdure.adapters.workspace import scan as scan_module
from perdure.adapters.workspace import sheets as sheets_module
from perdure.adapters.workspace.reading import names_in, read_steadily
from tests.workspace.scan_truth import wait_until_settled

FILES = 5000


class Counting(MemoryStore):
    """A store that remembers what was put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.put_names: list[str] = []

    def put(self, digest: str, content: bytes) -> None:
        self.put_names.append(digest)
        super().put(digest, content)


def plant(root: Path, files: int) -> None:
    """Make directories of ten files each, three deep."""
    for number in range(files // 10):
        folder = root / f"part{number // 50}" / f"unit{number % 50}"
        folder.mkdir(parents=True)
        for each in range(10):
            (folder / f"module_{each}.py").write_bytes(b"%d %d\n" % (number, each) * 9)


def test_a_change_stores_its_content_and_the_directories_above_it(tmp_path: Path) -> None:
    plant(tmp_path, 500)
    store = Counting()
    directory = Directory(tmp_path, store)
    known = directory.record("", ())
    store.put_names.clear()
    (tmp_path / "part0" / "unit7" / "module_3.py").write_bytes(b"changed")
    directory.record(known.tree, ())
    # The content, three directories, and the root that names them.
    assert len(store.put_names) == 5


def test_where_nothing_changed_nothing_is_opened_listed_or_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, 500)
    store = Counting()
    directory = Directory(tmp_path, store)
    wait_until_settled(tmp_path)
    known = directory.record("", ())
    touched: list[str] = []

    def noting(verb: Callable[..., object]) -> Callable[..., object]:
        def noted(*args: object, **named: object) -> object:
            touched.append(str(args))
            return verb(*args, **named)

        return noted

    monkeypatch.setattr(scan_module, "names_in", noting(names_in))
    monkeypatch.setattr(sheets_module, "read_steadily", noting(read_steadily))
    store.put_names.clear()
    assert directory.record(known.tree, ()).tree == known.tree
    assert touched == []
    assert store.put_names == []


def fastest(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the best of some tries."""
    times: list[float] = []
    for _ in range(7):
        begins = time.process_time()
        work()
        times.append(time.process_time() - begins)
    return min(times)


@pytest.mark.bench
def test_a_steady_look_costs_little_more_than_asking_the_system_for_each_name(tmp_path: Path) -> None:
    plant(tmp_path, FILES)
    names = [os.path.join(folder, name) for folder, _, files in os.walk(tmp_path) for name in files]  # noqa: PTH118
    directory = Directory(tmp_path, MemoryStore())
    wait_until_settled(tmp_path)
    tree = directory.record("", ()).tree
    bare = fastest(lambda: [os.lstat(name) for name in names])
    ours = fastest(lambda: directory.record(tree, ()))
    assert ours < 0.1, "CPU seconds per turn at 5,000 files"
    assert ours < 4 * bare


@pytest.mark.bench
def test_a_look_at_named_paths_costs_next_to_nothing(tmp_path: Path) -> None:
    plant(tmp_path, FILES)
    directory = Directory(tmp_path, MemoryStore())
    wait_until_settled(tmp_path)
    tree = directory.record("", ()).tree
    path = "part0/unit7/module_3.py"
    assert fastest(lambda: directory.record(tree, (), exact=[path])) < 0.01
