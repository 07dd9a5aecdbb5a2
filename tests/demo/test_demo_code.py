"""perdure demo code: an agent goes astray in a repository, is rewound, and one of its changes is taken back."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import perdure
from perdure.demo.code import PROMISED, RUN, Scene, Seen
from perdure.demo.sample import FILES
from perdure.log import events as e

FIGURES = {
    "level", "tests_restored", "reverted", "tests_pass", "blamed", "lines", "verified", "seconds", "promised",
}  # fmt: skip


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Seen, str]:
    """The scene, played by the command; where it was kept, its figures, and what it told."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    command = [sys.executable, "-m", "perdure.demo.code", "--keep", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == PROMISED, done.stderr
    assert done.stdout.count("\n") == 1
    assert set(json.loads(done.stdout)) == FIGURES
    return folder, msgspec.json.decode(done.stdout, type=Seen), done.stderr


def test_the_figures_are_as_promised(played: tuple[Path, Seen, str]):
    _, seen, told = played
    assert seen.promised
    assert seen.tests_restored
    assert seen.reverted
    assert seen.tests_pass
    assert seen.verified
    assert 0 < seen.blamed < seen.lines
    for words in (
        "it has deleted the tests, and committed that",
        f"$ perdure rewind {RUN} --to",
        "+ test_cart.py",
        f"$ perdure revert {RUN}",
        f"$ perdure blame {RUN} cart.py",
        "The log is sound",
    ):
        assert words in told


def test_the_log_and_the_repository_say_the_same(played: tuple[Path, Seen, str]):
    folder, seen, _ = played
    project = folder / "cart"
    assert (project / "test_cart.py").read_text() == FILES["test_cart.py"]
    text = (project / "cart.py").read_text()
    assert "DEBUG" not in text
    assert "(100 - discount_percent) // 100" in text
    with perdure.open(folder / "store") as store:
        kinds = [each.kind for each in store.events(RUN)]
        assert kinds.count("run.rewound") == kinds.count("change.reverted") == 1
        assert kinds.count("checkpoint.restored") == 2
        assert store.verify(RUN).ok
        assert store.replay(RUN).difference is None
        blamed = store.files.blame(RUN, "cart.py")
        assert "".join(f"{line.text}\n" for line in blamed) == text
        assert sum(line.origin.turn > 0 for line in blamed) == seen.blamed
        fixed = next(line for line in blamed if "100 - discount" in line.text)
        assert fixed.origin.tool == "edit"
        (proposed,) = [each for each in store.events(RUN) if each.position == fixed.origin.proposed]
        assert isinstance(proposed.body, e.IntentionProposed)
        arguments = proposed.body.arguments
        assert isinstance(arguments, dict)
        assert arguments["new"] == f"{fixed.text}\n"


def test_a_directory_that_holds_something_is_not_played_in(played: tuple[Path, Seen, str]):
    folder, *_ = played
    command = [sys.executable, "-m", "perdure.demo.code", "--keep", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 2
    assert "is not empty" in done.stderr


def test_a_rewind_that_leaves_the_files_breaks_the_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rewind = perdure.Store.rewind

    def only_the_conversation(store: perdure.Store, run: str, *, to: int, by: str, why: str) -> object:
        return rewind(store, run, to=to, by=by, why=why, files=False)

    monkeypatch.setattr(perdure.Store, "rewind", only_the_conversation)
    with (tmp_path / "told").open("w") as out:
        seen = Scene(tmp_path / "kept", out).play()
    assert not seen.tests_restored
    assert not seen.promised
