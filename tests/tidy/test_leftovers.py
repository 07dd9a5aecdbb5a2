"""Nothing is left over: no promise for later, no path of one machine, no mock, no checker silenced.

A line may opt out of one rule of ruff if it says why: a rule, a dash, a reason. Types have no such door.
"""

import ast
import re

from tests.tidy.tree import File, classes, code, documents, everything, functions, python, source

# The words are broken in two here so that this file does not complain about itself.
LATER = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X)\b")
MACHINE = re.compile(r"(?<![\w.:/>~-])/(?:(?:w[o]rk|f[a]rm|r[o]ot)(?![\w-])|(?:h[o]me|U[s]ers|t[m]p)/\w)")
SILENCED = re.compile(
    r"#\s*(?:type:\s*i[g]nore|pyright:\s*(?:i[g]nore|b[a]sic)|n[o]qa(?!: [A-Z]+[0-9]+ - \w))"
)
ASSERTING = {"raises", "warns", "fail", "run_state_machine_as_test"}
MOCKS = "unittest." + "mock"


def marked(files: list[File], pattern: re.Pattern[str], complaint: str) -> list[str]:
    """Return the lines that match ``pattern``."""
    return [
        f"{file.name}:{number} {complaint}: {line.strip()[:80]}"
        for file in files
        for number, line in enumerate(file.text.splitlines(), 1)
        if pattern.search(line)
    ]


def mocks(files: list[File]) -> list[str]:
    """Return the files that import mocks instead of a fake from ``perdure.testing``."""
    found: list[str] = []
    for file in files:
        for node in ast.walk(file.tree):
            match node:
                case ast.Import(names=names):
                    named = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module), names=names):
                    named = [f"{module}.{alias.name}" for alias in names]
                case _:
                    continue
            if any(f"{name}.".startswith(f"{MOCKS}.") for name in named):
                found.append(f"{file.name}:{node.lineno} imports mocks")
    return found


def stubs(files: list[File]) -> list[str]:
    """Return functions that have a name and no body, protocols and overloads aside."""
    found: list[str] = []
    for file in files:
        shapes = [
            node for node in classes(file) if any("Protocol" in ast.unparse(base) for base in node.bases)
        ]
        exempt = {id(part) for shape in shapes for part in ast.walk(shape)}
        for node in functions(file):
            marks = {ast.unparse(mark) for mark in node.decorator_list}
            if id(node) in exempt or marks & {"overload", "typing.overload"}:
                continue
            body = [
                ast.unparse(part)
                for part in node.body
                if ast.get_docstring(node) is None or part is not node.body[0]
            ]
            if len(body) == 1 and re.fullmatch(r"\.\.\.|raise NotImplementedError.*", body[0]):
                found.append(f"{file.name}:{node.lineno} {node.name} does nothing yet")
    return found


def has_check(test: ast.FunctionDef | ast.AsyncFunctionDef, checking: set[str]) -> bool:
    """Tell whether ``test`` asserts, expects an error, or calls something of its file that does."""
    for node in ast.walk(test):
        match node:
            case ast.Assert():
                return True
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if (
                name in checking or name in ASSERTING or re.match(r"_?(assert|check|expect)", name)
            ):
                return True
            case _:
                continue
    return False


def empty_tests(files: list[File]) -> list[str]:
    """Return the tests that can't fail for what they claim; a helper of any test file may do the asserting."""
    defined = [(file, node) for file in files for node in functions(file)]
    checking: set[str] = set()
    while more := {
        node.name for _, node in defined if node.name not in checking and has_check(node, checking)
    }:
        checking |= more
    return [
        f"{file.name}:{node.lineno} {node.name} asserts nothing"
        for file, node in defined
        if node.name.startswith("test_") and node.name not in checking
    ]


def test_nothing_is_promised_for_later():
    assert marked(everything(), LATER, "a promise") == []


def test_no_function_is_a_stub():
    assert stubs(source()) == []


def test_no_path_of_one_machine_is_in_the_project():
    assert marked(everything(), MACHINE, "a path of one machine") == []


def test_no_comment_silences_a_checker():
    assert marked(source(), SILENCED, "a silenced checker") == []


def test_nothing_is_mocked():
    assert mocks(code()) == []


def test_every_test_asserts_something():
    assert empty_tests(python("tests")) == []


def test_promises_paths_and_silencers_are_caught():
    later = File("src/a.py", "x = 1  # TO" + "DO later\ny = 2  # FIX" + "ME: now\n")
    path = File(
        "docs/a.md", "see /ro" + "ot/x and `/ho" + "me/me/x`, not https://x.y/ro" + "ot/x or ./wo" + "rk\n"
    )
    silent = File("src/a.py", "x = y  # type: ig" + "nore[attr]\nz = 1  # no" + "qa: E501\n")
    reasoned = File("src/a.py", "x = y  # no" + "qa: S311 - the seed is printed, nothing here is secret\n")
    assert len(marked([later], LATER, "a promise")) == 2
    assert len(marked([path], MACHINE, "a path")) == 1
    assert len(marked([silent], SILENCED, "silenced")) == 2
    assert marked([reasoned], SILENCED, "silenced") == []
    assert marked([File("a.py", "see https://x.y/ro" + "ot/x, ./wo" + "rk\n")], MACHINE, "a path") == []


def test_stubs_are_caught_and_protocols_and_overloads_are_not():
    text = (
        'def one():\n    """Say."""\n    raise NotImplementedError("soon")\ndef two(): ...\n'
        "class Port(Protocol):\n    def three(self): ...\n@overload\ndef four(x: int): ...\n"
        "def five(x):\n    if x:\n        raise NotImplementedError\n    return x\n"
    )
    assert stubs([File("src/a.py", text)]) == [
        "src/a.py:1 one does nothing yet",
        "src/a.py:4 two does nothing yet",
    ]


def test_mocks_are_caught_however_they_are_imported():
    lines = [f"import {MOCKS}", f"from {MOCKS} import patch", "from unittest import mo" + "ck"]
    assert len(mocks([File(f"tests/{number}.py", line) for number, line in enumerate(lines)])) == 3
    assert mocks([File("tests/a.py", "from unittest import TestCase\n")]) == []


def test_a_test_without_an_assertion_is_caught():
    body = (
        "def test_a():\n    x = 1\n"
        "def looks(x):\n    assert x\n"
        "def test_b():\n    looks(1)\n"
        "def test_c():\n    with pytest.raises(ValueError):\n        x()\n"
    )
    assert empty_tests([File("tests/test_x.py", body)]) == ["tests/test_x.py:1 test_a asserts nothing"]


def test_documents_are_among_what_is_searched():
    assert {file.name for file in documents()} <= {file.name for file in everything()}
