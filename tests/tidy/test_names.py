"""One word, one meaning: no empty words in names, and no noun defined in two rooms."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.tidy.tree import File, classes, functions, source

EMPTY_WORDS = {"manager", "helper", "helpers", "util", "utils", "misc", "common", "data", "info"}
EMPTY_VERBS = {"handle", "process", "manage"}
OF_A_NOUN = {"of", "in"}
"""Behind them the word is a noun: ``handle_of`` gives the handle of a page."""
SURFACES = {"cli", "console", "demo", "gateway", "integrations", "mcp", "worker", "wrap"}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words(name: str) -> list[str]:
    """Return the words that ``name`` is made of, in small letters."""
    return [word.lower() for word in WORD.findall(name)]


def empty_names(files: list[File]) -> list[str]:
    """Return names that say nothing about the thing they name."""
    found: list[str] = []
    for file in files:
        module = Path(file.name).parent.name if file.name.endswith("__init__.py") else Path(file.name).stem
        if EMPTY_WORDS.intersection(words(module)):
            found.append(f"{file.name}: name the file after what is in it")
        found += [
            f"{file.name}:{node.lineno} class {node.name}: name the thing"
            for node in classes(file)
            if EMPTY_WORDS.intersection(words(node.name))
        ]
        found += [
            f"{file.name}:{node.lineno} def {node.name}: say what becomes true"
            for node in functions(file)
            if EMPTY_VERBS.intersection(words(node.name)[:1])
            and not OF_A_NOUN.intersection(words(node.name)[1:2])
        ]
    return found


def nouns_in_two_rooms(files: list[File]) -> list[str]:
    """Return public classes whose name is taken in another room: one of the two has to be renamed.

    The surfaces have words of their own: what they print, and the bank in the demo.
    """
    rooms: dict[str, set[str]] = defaultdict(set)
    for file in files:
        if file.room in SURFACES:
            continue
        for node in file.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                rooms[node.name].add(file.room)
    return [
        f"{name} is a noun of {' and '.join(sorted(where))}"
        for name, where in rooms.items()
        if len(where) > 1
    ]


def test_every_name_says_something():
    assert empty_names(source()) == []


def test_every_noun_has_one_room():
    assert nouns_in_two_rooms(source()) == []


def test_empty_names_are_caught():
    broken = [
        File("src/perdure/log/utils.py", "x = 1\n"),
        File("src/perdure/log/a.py", "class RunManager:\n    pass\n"),
        File("src/perdure/log/b.py", "def handle_event(): ...\n"),
    ]
    assert len(empty_names(broken)) == 3
    assert (
        empty_names(
            [File("src/perdure/log/c.py", "class Holder: ...\ndef handled(): ...\ndef handle_of(): ...\n")]
        )
        == []
    )


def test_a_noun_defined_in_two_rooms_is_caught():
    broken = [
        File("src/perdure/log/a.py", "class Batch: ...\n"),
        File("src/perdure/effect/a.py", "class Batch: ...\n"),
    ]
    assert nouns_in_two_rooms(broken) == ["Batch is a noun of effect and log"]
