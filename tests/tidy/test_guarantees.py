"""Every guarantee names a test that exists, and so does every other mention of a test in the documents."""

import re

from tests.tidy.tree import ROOT, File, documents, functions, python, read

NAMED = re.compile(r"`?(tests/[\w/.-]+\.py)(?:::(\w+))?(?:::(\w+))?")


def names_of_tests(files: list[File]) -> dict[str, set[str]]:
    """Return the names of the tests of each file."""
    return {
        file.name: {node.name for node in functions(file) if node.name.startswith("test")} for file in files
    }


def lost_tests(documents: list[File], known: dict[str, set[str]]) -> list[str]:
    """Return the tests that a document names and nobody wrote."""
    wrong: list[str] = []
    for document in documents:
        for file, first, second in NAMED.findall(document.text):
            test = second or first
            if file not in known:
                wrong.append(f"{document.name} names {file}, which does not exist")
            elif test.startswith("test") and test not in known[file]:
                wrong.append(f"{document.name} names {file}::{test}, which does not exist")
    return wrong


def guarantees(page: File) -> list[tuple[str, str]]:
    """Return (guarantee, last column) of every row of the page's tables."""
    rows = [line.strip() for line in page.text.splitlines() if line.lstrip().startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in rows]
    is_rule = [all(re.fullmatch(r":?-+:?", cell) for cell in row) for row in cells]
    heads = {number - 1 for number, rule in enumerate(is_rule) if rule}
    return [
        (row[0], row[-1]) for number, row in enumerate(cells) if not is_rule[number] and number not in heads
    ]


def unproved(page: File) -> list[str]:
    """Return the guarantees whose last column names no test."""
    return [
        f"{page.name}: {what!r} names no test"
        for what, proof in guarantees(page)
        if not any(test for _, *tests in NAMED.findall(proof) for test in tests)
    ]


def test_every_guarantee_names_a_test():
    page = read(ROOT / "docs" / "guarantees.md")
    assert len(guarantees(page)) >= 10
    assert unproved(page) == []


def test_every_test_that_a_document_names_exists():
    assert lost_tests(documents(), names_of_tests(python("tests"))) == []


def test_a_guarantee_without_a_test_is_caught():
    page = File(
        "docs/guarantees.md",
        "| # | holds | proved by |\n|---|:--|---|\n| 1 | a | `tests/a.py::test_a` |\n| 2 | b | `tests/a.py` |\n",
    )
    assert unproved(page) == ["docs/guarantees.md: '2' names no test"]


def test_a_test_that_nobody_wrote_is_caught():
    known = names_of_tests([File("tests/a.py", "class TestA:\n    def test_a(self): ...\n")])
    page = File("docs/x.md", "`tests/a.py::test_a` `tests/a.py::TestA::test_b` and tests/b.py::test_a")
    assert lost_tests([page], known) == [
        "docs/x.md names tests/a.py::test_b, which does not exist",
        "docs/x.md names tests/b.py, which does not exist",
    ]


def test_the_sample_page_is_read_the_way_people_write_it():
    page = File("docs/g.md", "text\n\n| a | b |\n| - | - |\n| one \\| two | `tests/x.py::test_x` |\n")
    assert guarantees(page) == [("one \\| two", "`tests/x.py::test_x`")]
