"""The agents in ``examples`` fit their contracts and do what their first lines say."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.shell import BIN
from tests.tidy.tree import ROOT

EXAMPLES = ROOT / "examples"


def perdure(folder: Path, *words: str, code: int = 0) -> str:
    """Run ``perdure`` in ``folder`` and return what it printed, on both streams."""
    done = subprocess.run(
        [str(BIN / "perdure"), *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    return done.stdout


def test_every_agent_fits_its_contract(tmp_path: Path):
    pairs = {"payables.py": "payables.yaml", "coder.py": "coder.yaml", "cluster.py": "cluster.py"}
    assert {path.name for path in EXAMPLES.glob("[a-z]*.py")} == set(pairs)
    (tmp_path / "project").mkdir()
    for agent, contract in pairs.items():
        spoken = f"{EXAMPLES / agent}:agent"
        perdure(tmp_path, "contract", "check", str(EXAMPLES / "contracts" / contract), "--agent", spoken)


def test_the_coder_changes_what_it_may_and_is_refused_the_rest(tmp_path: Path):
    source = tmp_path / "project" / "src" / "greet.py"
    source.parent.mkdir(parents=True)
    source.write_text('WORDS = {"en": "Hello"}\n')
    (tmp_path / "project" / ".env").write_text("KEY=hunter2\n")
    said = perdure(
        tmp_path, "run", f"{EXAMPLES / 'coder.py'}:agent", "Greet in Dutch as well", "--run", "code"
    )
    assert "It greets in Dutch now" in said
    assert source.read_text() == 'WORDS = {"en": "Hello", "nl": "Hallo"}\n'
    assert (tmp_path / "project" / "tests" / "test_greet.py").exists()
    refused = perdure(tmp_path, "log", "code", "--kind", "intention.refused")
    assert "read path=.env" in refused
    assert "git_push branch=main" in refused
    assert "shell" in perdure(tmp_path, "log", "code", "--kind", "effect.settled")
    assert "hunter2" not in perdure(tmp_path, "log", "code", "--json")
    assert "checkpoint.taken" in perdure(tmp_path, "log", "code")


def test_the_operator_asks_before_it_touches_production(tmp_path: Path):
    spoken = f"{EXAMPLES / 'cluster.py'}:agent"
    perdure(tmp_path, "run", spoken, "The shop is slow", "--run", "ops", code=3)
    cluster = json.loads((tmp_path / "cluster.json").read_text())
    assert cluster["staging/shop"]["replicas"] == 4
    assert cluster["prod/api"]["restarted_by"] == ""
    asked = json.loads(perdure(tmp_path, "log", "ops", "--kind", "approval.requested", "--json"))["body"]
    said = perdure(tmp_path, "approve", "ops", asked["approval"], "--resume")
    assert "the API was restarted" in said
    assert json.loads((tmp_path / "cluster.json").read_text())["prod/api"]["restarted_by"] == asked["key"]
    assert "kube-system" in perdure(tmp_path, "log", "ops", "--kind", "intention.refused")


def test_an_example_is_copied_and_runs_by_itself(tmp_path: Path):
    shutil.copy(EXAMPLES / "payables.py", tmp_path)
    program = (
        "import payables, perdure\nwith perdure.open('s') as s: print(s.start(payables.agent, 'Pay').wait())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=100
    )
    assert "All paid." in done.stdout
