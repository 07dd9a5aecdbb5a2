"""The README is tried as a new user would: install it, see the demo, copy the agent, run it, kill it, resume it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import Block, blocks_of
from tests.docs.shell import typed, unlike
from tests.tidy.tree import ROOT

pytestmark = pytest.mark.timeout(300)

SETTING_UP = ("See it", "Install")
FINDS = "import perdure, perdure.demo.code, perdure.demo.wrap; print(perdure.__file__)"
ATTEMPTS_MAX = 3
"""The reader's kill comes within the two seconds of a payment, or a busy shell types it late."""


def parts() -> tuple[list[Block], list[Block]]:
    """Return the blocks that set perdure up, and those that use it."""
    blocks = blocks_of("README.md")
    first = [block for block in blocks if block.heading in SETTING_UP]
    return first, [block for block in blocks if block not in first]


def copy_of_the_checkout(folder: Path) -> Path:
    """Return a copy of what a clone brings, as far as installing and the demo need it."""
    for name in (
        "Makefile",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "requirements-runtime.lock",
        "requirements.lock",
    ):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_agent_in_the_readme_is_the_example_byte_for_byte():
    (shown,) = [block for block in blocks_of("README.md") if block.file]
    assert shown.file == "payables.py"
    assert shown.text == (ROOT / "examples" / "payables.py").read_text(encoding="utf-8")


def test_the_agent_in_the_readme_fits_on_a_screen():
    lines = (ROOT / "examples" / "payables.py").read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if line.strip() and not line.lstrip().startswith('"""')]
    assert len(code) <= 25


def test_the_agent_that_was_killed_pays_each_invoice_once(tmp_path: Path):
    _, using = parts()
    said = ""
    for attempt in range(ATTEMPTS_MAX):
        folder = tmp_path / f"{attempt}"
        folder.mkdir()
        end = typed(using, folder)
        assert end.code == 0, end.last
        paid = [line.split(",")[0] for line in (folder / "bank.csv").read_text().splitlines()]
        assert paid == ["INV-1", "INV-2", "INV-3"]
        said = end.last
        if unlike(using, end.printed) == []:
            return
    pytest.fail(said)


@pytest.mark.timeout(900)
def test_a_fresh_checkout_shows_the_demo_and_installs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``make demo`` builds its own environment from the lock; ``pip install .`` then goes into that one.

    The scenes that ``tests/demo`` plays as well are only found to be complete here.
    """
    monkeypatch.setenv("SCENES", "window")
    setting_up, _ = parts()
    assert [block.text for block in setting_up if block.language == "sh"] == [
        "make demo\n",
        "pip install .\n",
    ]
    checkout = copy_of_the_checkout(tmp_path)
    end = typed(setting_up, checkout, path=checkout / ".venv" / "bin", seconds=850)
    assert end.code == 0, end.last
    assert "12 of 12 invoices paid once, 0 paid twice, 0 lost" in end.printed[0]
    assert "What the provider bills for these" in end.printed[0]
    installed = subprocess.run(
        [checkout / ".venv" / "bin" / "python", "-P", "-c", FINDS],
        cwd=os.path.sep, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert Path(installed.stdout.strip()).is_relative_to(checkout / ".venv")
    assert sys.prefix not in installed.stdout
