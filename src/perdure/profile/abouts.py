"""What a call is about: its path, address or command, as far as its arguments say so.

Invariants:
- Two spellings of one path are one path where the directory that they start from is known.
- A directory that is searched is no path that was read: a second search in it is not about the same thing.
"""

import posixpath
import re
from typing import Final

from perdure.values.digest import Json

ABOUT_CHARACTERS_MAX: Final = 240
"""Kept of a command; a report shows less."""

PATHS_MAX: Final = 12
"""Taken from one command: one that names more is about a directory."""

_PATHS: Final = (
    "file_path",
    "notebook_path",
    "filePath",
    "absolute_path",
    "filename",
    "target_file",
    "path",
    "file",
)
_ELSE: Final = ("command", "cmd", "url", "uri", "pattern", "query", "skill", "description", "name", "prompt")
_SEARCHES: Final = ("pattern", "query", "glob", "regex")
_IN_COMMAND: Final = re.compile(
    r"(?<![\w./:@=-])(?:[A-Za-z]:)?(?:[\w.+@~-]*[/\\])*[\w.+@-]*\w\.[A-Za-z]\w{0,7}(?![\w/.(])"
)
_PATCHED: Final = re.compile(r"^\*\*\* (?:Update|Add|Delete) File: (.+)$", re.MULTILINE)


def about_of(arguments: dict[str, Json]) -> str:
    """Return the path, address or command that a call names; empty where it names none."""
    for name in (*_PATHS, *_ELSE):
        value = arguments.get(name)
        if isinstance(value, str) and value:
            return _cut(value)
        if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
            return _cut(" ".join(str(word) for word in value))
    return ""


def paths_of(arguments: dict[str, Json], place: str = "") -> tuple[str, ...]:
    """Return the files that a call is about, each once; ``place`` is where relative ones start."""
    searches = any(name in arguments for name in _SEARCHES)
    here = next((value for value in map(arguments.get, ("workdir", "cwd")) if isinstance(value, str)), place)
    found: dict[str, None] = {}
    for name in _PATHS:
        value = arguments.get(name)
        if isinstance(value, str) and value and not (searches and "." not in value.rpartition("/")[2]):
            found[_normal(value, here)] = None
    for text in _commands(arguments):
        for named in _IN_COMMAND.finditer(text[:20_000]):
            if len(found) < PATHS_MAX and ".." not in named[0]:
                found[_normal(named[0], here)] = None
        for patched in _PATCHED.finditer(text):
            found[_normal(patched[1].strip(), here)] = None
    return tuple(found)


def _commands(arguments: dict[str, Json]) -> list[str]:
    texts: list[str] = []
    for name in ("command", "cmd", "input", "patch", "script"):
        value = arguments.get(name)
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, list):
            texts.append(" ".join(word for word in value if isinstance(word, str)))
    return texts


def _normal(path: str, place: str) -> str:
    path, place = path.replace("\\", "/"), place.replace("\\", "/")
    rooted = path.startswith(("/", "~")) or path[1:2] == ":"
    return posixpath.normpath(path if rooted or not place else f"{place}/{path}")


def _cut(text: str) -> str:
    line = " ".join(text[: 4 * ABOUT_CHARACTERS_MAX].split())
    return line[:ABOUT_CHARACTERS_MAX]
