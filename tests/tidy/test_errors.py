"""Every error has a code that is its own, a hint, and a page in ``docs/errors``."""

import ast
import re
from pathlib import Path

from perdure.values import errors
from tests.tidy.tree import ROOT, File, classes, read, source

CODE = re.compile(r"P\d{3}")
PAGES = ROOT / "docs" / "errors"


def coded(base: type[Exception]) -> list[type[Exception]]:
    """Return ``base`` and all below it that carry a code of their own."""
    mine = [base] if "code" in vars(base) else []
    return mine + [found for child in base.__subclasses__() for found in coded(child)]


def shared_codes(found: list[type[Exception]]) -> list[str]:
    """Return codes that two errors share, or that don't have the shape of one."""
    seen: dict[str, str] = {}
    wrong: list[str] = []
    for error in found:
        code = str(vars(error)["code"])
        if not CODE.fullmatch(code):
            wrong.append(f"{error.__name__}: {code!r} is no code")
        if code in seen:
            wrong.append(f"{error.__name__} has the code {code} of {seen[code]}")
        seen[code] = error.__name__
    return wrong


def faulty_pages(found: list[type[Exception]], pages: list[File]) -> list[str]:
    """Return errors without a page, pages without an error, and pages that name neither."""
    names = {str(vars(error)["code"]): error.__name__ for error in found}
    texts = {Path(page.name).stem: page.text for page in pages if CODE.fullmatch(Path(page.name).stem)}
    wrong = [
        f"docs/errors/{code}.md is missing ({names[code]})" for code in sorted(names.keys() - texts.keys())
    ]
    wrong += [f"docs/errors/{code}.md speaks of no error" for code in sorted(texts.keys() - names.keys())]
    for code in sorted(names.keys() & texts.keys()):
        if not texts[code].startswith(f"# {code}"):
            wrong.append(f"docs/errors/{code}.md must open with '# {code}'")
        if names[code] not in texts[code]:
            wrong.append(f"docs/errors/{code}.md does not name {names[code]}")
    return wrong


def strays(files: list[File]) -> list[str]:
    """Return codes that are given out anywhere but in the one file of errors."""
    return [
        f"{file.name}:{part.lineno} {node.name} gives itself a code: errors live in perdure.values.errors"
        for file in files
        if file.name != "src/perdure/values/errors.py"
        for node in classes(file)
        for part in node.body
        if isinstance(part, ast.Assign | ast.AnnAssign)
        and isinstance(part.value, ast.Constant)
        and CODE.fullmatch(str(part.value.value))
    ]


def test_no_two_errors_share_a_code():
    found = coded(errors.PerdureError)
    assert len(found) > 10
    assert shared_codes(found) == []


def test_every_error_tells_what_to_do_next():
    silent = [
        error for error in coded(errors.PerdureError) if not getattr(error("what is wrong"), "hint", "")
    ]
    assert silent == []


def test_every_error_has_a_page_and_every_page_an_error():
    pages = [read(path) for path in sorted(PAGES.glob("*.md"))]
    assert faulty_pages(coded(errors.PerdureError), pages) == []


def test_errors_are_defined_in_one_file():
    assert strays(source()) == []


def test_a_code_given_twice_and_a_shapeless_one_are_caught():
    first = type("First", (Exception,), {"code": "P900"})
    second = type("Second", (Exception,), {"code": "P900"})
    third = type("Third", (Exception,), {"code": "oops"})
    assert shared_codes([first, second, third]) == [
        "Second has the code P900 of First",
        "Third: 'oops' is no code",
    ]


def test_a_missing_an_orphaned_and_an_empty_page_are_caught():
    first = type("First", (Exception,), {"code": "P900"})
    second = type("Second", (Exception,), {"code": "P901"})
    pages = [File("docs/errors/P901.md", "nothing\n"), File("docs/errors/P902.md", "# P902\n")]
    assert faulty_pages([first, second], pages) == [
        "docs/errors/P900.md is missing (First)",
        "docs/errors/P902.md speaks of no error",
        "docs/errors/P901.md must open with '# P901'",
        "docs/errors/P901.md does not name Second",
    ]


def test_an_error_with_a_code_in_another_room_is_caught():
    broken = File("src/perdure/log/a.py", 'class Lost(Exception):\n    code: ClassVar[str] = "P999"\n')
    assert len(strays([broken])) == 1
