"""What is left out, what is secret, and that both are said."""

import os
import subprocess
from pathlib import Path

import pytest

from perdure.adapters.memory import MemoryStore
from perdure.adapters.workspace import Directory
from perdure.adapters.workspace import scan as scan_module
from perdure.adapters.workspace.mounts import mounts_at
from perdure.adapters.workspace.rules import RULES_FILE, IgnoreRules, recreate
from perdure.checkpoint.tree import CACHE_RULE, walk
from perdure.values.digest import digest
from perdure.values.errors import BadInput, BlobMissing
from perdure.values.limits import RULES_BYTES_MAX, WORKSPACE_DEPTH_MAX
from tests.workspace.scan_truth import wait_until_settled


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def kinds(store: MemoryStore, tree: str) -> dict[str, str]:
    return {path: entry.kind for path, entry in walk(store.get, tree) if path and entry.kind != "dir"}


def left(store: MemoryStore, tree: str) -> dict[str, bytes]:
    return {path: entry.content for path, entry in walk(store.get, tree) if entry.kind == "left"}


def test_only_caches_are_left_out_by_default(tmp_path: Path) -> None:
    make(
        tmp_path,
        *("src/__pycache__/m.pyc", ".pytest_cache/x", ".mypy_cache/x", ".ruff_cache/x"),
        *(
            "node_modules/p/index.js",
            "target/debug/x",
            ".venv/bin/python",
            "dist/x.whl",
            "build/x.o",
            ".git/HEAD",
        ),
    )
    store = MemoryStore()
    found = Directory(tmp_path, store).record("", ())
    gone = left(store, found.tree)
    assert set(gone) == {"src/__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
    assert all(rule.startswith(CACHE_RULE) for rule in gone.values())
    assert (found.files, found.left) == (6, 4)


def test_a_rule_of_the_user_leaves_out_and_says_how_it_comes_back(tmp_path: Path) -> None:
    make(
        tmp_path,
        "node_modules/p/index.js",
        "sub/node_modules/q.js",
        "keep.log",
        "a.log",
        "out/x",
        "src/out/x",
    )
    rules = "# what npm makes\nnode_modules/ -> recreate: npm ci\n*.log\n!keep.log\n/out\n"
    (tmp_path / RULES_FILE).write_text(rules)
    store = MemoryStore()
    found = left(store, Directory(tmp_path, store).record("", ()).tree)
    assert set(found) == {"node_modules", "sub/node_modules", "a.log", "out"}
    assert found["node_modules"] == b"node_modules/ -> recreate: npm ci"
    assert recreate(found["node_modules"]) == "npm ci"
    assert recreate(found["a.log"]) is None


def test_a_default_can_be_taken_back(tmp_path: Path) -> None:
    make(tmp_path, "__pycache__/m.pyc")
    (tmp_path / RULES_FILE).write_text("!__pycache__/\n")
    store = MemoryStore()
    assert "__pycache__/m.pyc" in kinds(store, Directory(tmp_path, store).record("", ()).tree)


def test_rules_that_change_count_at_once_also_for_what_stands_still(tmp_path: Path) -> None:
    make(tmp_path, "deep/down/x.log", "deep/down/y")
    store = MemoryStore()
    directory = Directory(tmp_path, store)
    known = directory.record("", ())
    (tmp_path / RULES_FILE).write_text("*.log\n")
    found = directory.record(known.tree, ())
    assert set(left(store, found.tree)) == {"deep/down/x.log"}
    (tmp_path / RULES_FILE).unlink()
    back = directory.record(found.tree, ())
    assert left(store, back.tree) == {}
    assert kinds(store, back.tree) == kinds(store, known.tree)
    assert back.new_bytes == 0


def test_a_look_that_stores_nothing_leaves_new_rules_to_the_next_recording(tmp_path: Path) -> None:
    make(tmp_path, "deep/x.log")
    store = MemoryStore()
    directory = Directory(tmp_path, store)
    known = directory.record("", ())
    (tmp_path / RULES_FILE).write_text("*.log\n")
    assert directory.present().left == 1
    assert directory.record(known.tree, ()).left == 1


def test_what_is_left_out_comes_and_goes_without_being_a_change(tmp_path: Path) -> None:
    make(tmp_path, "m.py")
    store = MemoryStore()
    directory = Directory(tmp_path, store)
    known = directory.record("", ())
    make(tmp_path, "__pycache__/m.pyc")
    found = directory.record(known.tree, ())
    assert (found.what, found.changes, found.left) == ("none", (), 1)
    (tmp_path / "__pycache__" / "m.pyc").write_bytes(b"other")
    assert directory.record(found.tree, ()).tree == found.tree


def test_rules_that_are_none_are_refused_with_their_file(tmp_path: Path) -> None:
    make(tmp_path, "x")
    (tmp_path / RULES_FILE).write_text("!\n")
    with pytest.raises(BadInput, match=RULES_FILE):
        Directory(tmp_path, MemoryStore()).record("", ())
    (tmp_path / RULES_FILE).write_bytes(b"#" * (RULES_BYTES_MAX + 1))
    with pytest.raises(BadInput, match=RULES_FILE):
        Directory(tmp_path, MemoryStore()).record("", ())


def test_rules_given_by_the_caller_are_the_only_ones(tmp_path: Path) -> None:
    make(tmp_path, "x.log", "y")
    (tmp_path / RULES_FILE).write_text("y\n")
    store = MemoryStore()
    found = Directory(tmp_path, store, rules=IgnoreRules("*.log")).record("", ())
    assert set(left(store, found.tree)) == {"x.log"}


SECRET = [".env", ".env.local", "sub/.env", ".netrc", ".pypirc", "id_rsa", "id_ed25519", "cert.p12"]
OPEN = [".env.example", ".env.sample", ".env.template", "id_rsa.pub", "environment.py", "env", "sub/.envrc"]


def test_secrets_are_kept_by_digest_and_stored_nowhere(tmp_path: Path) -> None:
    make(tmp_path, *SECRET, *OPEN)
    store = MemoryStore()
    found = Directory(tmp_path, store).record("", ())
    told = kinds(store, found.tree)
    assert {path for path, kind in told.items() if kind == "secret"} == set(SECRET)
    for path, entry in walk(store.get, found.tree):
        if entry.kind == "secret":
            assert entry.content.hex() == digest(path.encode())
            with pytest.raises(BlobMissing):
                store.get(entry.content.hex())


def test_keys_and_settings_are_secret_for_what_they_hold(tmp_path: Path) -> None:
    files = {
        "server.pem": b"-----BEGIN RSA PRIVATE KEY-----\nxyz",
        "cacert.pem": b"-----BEGIN CERTIFICATE-----\nxyz",
        "tls.key": b"-----BEGIN PRIVATE KEY-----\nxyz",
        "piano.key": b"C major",
        ".npmrc": b"//registry.npmjs.org/:_authToken=npm_x",
        "sub/.npmrc": b"registry=https://example.org",
    }
    for name, content in files.items():
        make(tmp_path, name)
        (tmp_path / name).write_bytes(content)
    store = MemoryStore()
    told = kinds(store, Directory(tmp_path, store).record("", ()).tree)
    assert {path for path, kind in told.items() if kind == "secret"} == {"server.pem", "tls.key", ".npmrc"}


def test_a_secret_that_changes_is_a_change(tmp_path: Path) -> None:
    make(tmp_path, ".env")
    store = MemoryStore()
    directory = Directory(tmp_path, store)
    known = directory.record("", ())
    (tmp_path / ".env").write_bytes(b"TOKEN=b")
    found = directory.record(known.tree, ())
    assert [each.path for each in found.changes] == [".env"]
    assert found.new_bytes == 0


def test_declared_secrets_replace_the_default_ones(tmp_path: Path) -> None:
    make(tmp_path, ".env", "vault.txt")
    store = MemoryStore()
    told = kinds(store, Directory(tmp_path, store, secrets=["vault.*"]).record("", ()).tree)
    assert told == {".env": "file", "vault.txt": "secret"}


def test_directories_deeper_than_the_bound_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path
    for _ in range(WORKSPACE_DEPTH_MAX + 3):
        path /= "d"
    path.mkdir(parents=True)
    store = MemoryStore()
    found = Directory(tmp_path, store).record("", ())
    assert found.left == 1
    (path / "x").write_bytes(b"")
    assert Directory(tmp_path, store).record(found.tree, ()).what == "none"


def test_a_workspace_beyond_the_bound_is_refused_also_if_it_grows_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "WORKSPACE_FILES_MAX", 6)
    make(tmp_path, *(f"d{number}/{name}" for number in range(3) for name in "ab"))
    directory = Directory(tmp_path, MemoryStore())
    wait_until_settled(tmp_path)
    known = directory.record("", ())
    (tmp_path / "d2" / "c").write_bytes(b"")
    with pytest.raises(BadInput, match="more than 6 files"):
        directory.record(known.tree, ())
    (tmp_path / "d2" / "c").unlink()
    assert directory.record(known.tree, ()).what == "none"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_another_file_system_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    root = tmp_path / "work"
    make(root, "x", "mounted here/below")
    store = MemoryStore()
    directory = Directory(root, store)
    known = directory.record("", ())
    there = root / "mounted here"
    if subprocess.run(["mount", "-t", "tmpfs", "none", there], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        (there / "elsewhere").write_bytes(b"x")
        assert mounts_at(root).below == {"mounted here"}
        found = directory.record(known.tree, ())
        assert left(store, found.tree) == {"mounted here": b"another file system is mounted here"}
    finally:
        subprocess.run(["umount", there], check=True)
    back = directory.record(found.tree, ())
    assert back.tree == known.tree
