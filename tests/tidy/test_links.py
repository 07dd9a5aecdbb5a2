"""Every link and every path that a document shows leads to something in the checkout."""

import re
from pathlib import Path

from tests.tidy.tree import ROOT, File, documents

LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:src|tests|docs|benchmarks|examples)/[\w./-]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the name under which a heading can be linked to."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def broken_links(files: list[File], root: Path) -> list[str]:
    """Return links to files or headings that aren't there."""
    wrong: list[str] = []
    for file in files:
        for link in LINK.findall(file.text):
            if "://" in link or link.startswith("mailto:"):
                continue
            path, _, heading = link.partition("#")
            target = root / Path(file.name).parent / path if path else root / file.name
            if not target.exists():
                wrong.append(f"{file.name} links to {link}, which does not exist")
            elif heading and heading not in map(anchor, HEADING.findall(target.read_text(encoding="utf-8"))):
                wrong.append(f"{file.name} links to {link}, which has no such heading")
        wrong += [
            f"{file.name} speaks of {path}, which does not exist"
            for path in PATH.findall(file.text)
            if not (root / path).exists()
        ]
    return wrong


def test_every_link_and_path_in_the_documents_leads_somewhere():
    assert broken_links(documents(), ROOT) == []


def test_a_lost_file_heading_and_path_are_caught(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# One `word`, one meaning\n")
    text = (
        "[a](docs/a.md) [b](docs/b.md) [c](docs/a.md#one-word-one-meaning) [d](docs/a.md#two) [e](https://x.y) "
        "`src/gone.py` `docs/a.md`"
    )
    assert broken_links([File("README.md", text)], tmp_path) == [
        "README.md links to docs/b.md, which does not exist",
        "README.md links to docs/a.md#two, which has no such heading",
        "README.md speaks of src/gone.py, which does not exist",
    ]
