"""The guides are typed and run: every command, every agent, every snippet, and what is shown of their output."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks_of
from tests.docs.shell import typed, unlike
from tests.tidy.tree import ROOT

pytestmark = pytest.mark.timeout(300)  # a guide starts a dozen processes, and the machine may be busy

GUIDES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "how-to").glob("*.md"))


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_of_a_guide_ends_and_prints_as_it_says(guide: str, tmp_path: Path):
    blocks = blocks_of(guide)
    end = typed(blocks, tmp_path)
    assert end.code == 0, end.last
    assert unlike(blocks, end.printed) == [], end.last


@pytest.mark.parametrize("guide", GUIDES)
def test_every_snippet_of_a_guide_runs(guide: str, tmp_path: Path):
    for block in blocks_of(guide):
        if block.language == "python" and not block.file:
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", block.text],
                cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, f"under {block.heading!r}:\n{done.stderr}"
