"""Which directories can be a workspace, and that one run at a time works in one."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from perdure.adapters.memory import MemoryStore
from perdure.adapters.runtime import runtime_folder
from perdure.adapters.workspace import Directory
from perdure.adapters.workspace.guard import checked_root, claim_root
from perdure.checkpoint.tree import walk
from perdure.values.errors import BadRoot, WorkspaceBusy


@pytest.mark.parametrize(
    "place", ["/", "/etc", "/usr/bin", "/usr", "/proc/self", "/sys", "/dev", "/home", "/tmp", "/var", "/boot"]
)
def test_directories_of_the_system_are_no_workspace(place: str) -> None:
    if Path(place).is_dir():
        with pytest.raises(BadRoot):
            checked_root(Path(place))


def test_neither_home_nor_what_holds_it_is_a_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "people" / "ann"
    (home / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "link").symlink_to(home)
    for place in (home, home.parent, tmp_path, tmp_path / "link"):
        with pytest.raises(BadRoot):
            checked_root(place)
    assert checked_root(home / "work") == (home / "work").resolve()


def test_what_is_no_directory_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file", tmp_path / "nowhere"):
        with pytest.raises(BadRoot):
            Directory(place, MemoryStore())


def make_store(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "log.db").write_bytes(b"SQLite format 3\0" + bytes(52) + b"PERD" + bytes(400))


def test_a_store_and_a_workspace_never_hold_each_other(tmp_path: Path) -> None:
    root = tmp_path / "work"
    make_store(root / "state")
    (root / "state" / "inside").mkdir()
    for place in (root, root / "state", root / "state" / "inside"):
        with pytest.raises(BadRoot, match="store"):
            Directory(place, MemoryStore())


def test_a_store_that_comes_later_or_lies_deeper_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    store = MemoryStore()
    directory = Directory(tmp_path, store)
    known = directory.record("", ())
    make_store(tmp_path / "a" / "b" / "state")
    found = directory.record(known.tree, ())
    left = [(path, entry.content) for path, entry in walk(store.get, found.tree) if entry.kind == "left"]
    assert left == [("a/b/state", b"a store of perdure")]
    assert (found.what, found.left) == ("none", 1)


def test_a_file_that_is_only_called_like_a_store_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"my own log")
    assert Directory(tmp_path, MemoryStore()).record("", ()).files == 1


CLAIMER = """
    import sys
    from pathlib import Path
    from perdure.adapters.workspace.guard import claim_root
    claim = claim_root(Path(sys.argv[1]), "other", Path(sys.argv[2]))
    print("claimed", flush=True)
    sys.stdin.readline()
"""


def test_a_directory_claimed_by_another_process_is_busy_until_that_dies(tmp_path: Path) -> None:
    root, locks = tmp_path / "work", tmp_path / "locks"
    (root / "below").mkdir(parents=True)
    locks.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CLAIMER), str(root), str(locks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"claimed\n"
        for place in (root, root / "below", tmp_path):
            with pytest.raises(WorkspaceBusy):
                claim_root(place, "ours", locks)
        other.kill()
        other.wait()
        claim_root(root / "below", "ours", locks).release()
    claim_root(root, "ours", locks).release()


def test_one_owner_claims_again_and_gives_back_as_often(tmp_path: Path) -> None:
    root, locks = tmp_path / "work", tmp_path / "locks"
    root.mkdir()
    locks.mkdir()
    first, again = claim_root(root, "march", locks), claim_root(root, "march", locks)
    with pytest.raises(WorkspaceBusy):
        claim_root(root, "april", locks)
    first.release()
    first.release()
    with pytest.raises(WorkspaceBusy):
        claim_root(root, "april", locks)
    again.release()
    claim_root(root, "april", locks).release()


def test_directories_side_by_side_are_claimed_side_by_side(tmp_path: Path) -> None:
    claims = []
    (tmp_path / "locks").mkdir()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        claims.append(claim_root(tmp_path / name, name, tmp_path / "locks"))
    for claim in claims:
        claim.release()


def test_the_lock_directory_is_its_users_alone() -> None:
    folder = runtime_folder("locks")
    assert folder.stat().st_uid == os.geteuid()
    assert not folder.stat().st_mode & 0o022


def test_no_new_directory_gets_the_number_of_a_claimed_one_that_was_deleted(tmp_path: Path):
    locks, root = tmp_path / "locks", tmp_path / "work"
    locks.mkdir()
    root.mkdir()
    number = root.stat().st_ino
    claimed = claim_root(root, "one", locks)
    root.rmdir()
    made = [tmp_path / f"new-{count}" for count in range(64)]
    for path in made:
        path.mkdir()
    assert number not in {path.stat().st_ino for path in made}
    claimed.release()
