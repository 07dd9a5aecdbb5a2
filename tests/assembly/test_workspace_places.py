"""Where a workspace may lie: never so that the agent could change what perdure keeps."""

from pathlib import Path

import pytest

import perdure
from perdure import coding_tools
from perdure.testing.scripted import call, say
from perdure.values.errors import BadRoot
from tests.assembly.kit import agent


def test_a_workspace_that_holds_its_store_is_refused_however_deep_that_lies(tmp_path: Path):
    root = tmp_path / "work"
    (root / "a" / "b").mkdir(parents=True)
    with perdure.open(root / "a" / "b" / "store") as store:
        wipes = call("write", path="f", content="x")
        coder = agent(wipes, say("done"), tools=coding_tools(confined=True), workspace=root)
        with pytest.raises(BadRoot, match="the store"):
            store.start(coder, "go", run="r")
    assert sorted(path.name for path in root.iterdir()) == ["a"]


def test_a_workspace_that_holds_what_runs_write_beside_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "work"
    (root / "tmp").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(root / "tmp"))
    with perdure.open(tmp_path / "store") as store:
        coder = agent(say("done"), tools=coding_tools(confined=True), workspace=root)
        with pytest.raises(BadRoot, match="scratch directory"):
            store.start(coder, "go", run="r")
