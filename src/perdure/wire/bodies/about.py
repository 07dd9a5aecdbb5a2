"""What a call is about: the path, address or command in its arguments.

Known clients' tools say it under a dozen names; those of servers that nobody knows mostly use the same ones.
"""

import re
from collections.abc import Iterator
from typing import Final

from perdure.values.digest import Json
from perdure.values.limits import CALL_ABOUT_CHARACTERS_MAX, CALL_PATHS_MAX

_PATHS: Final = (
    "file_path",
    "filePath",
    "absolute_path",
    "notebook_path",
    "target_file",
    "relative_path",
    "path",
    "filename",
    "file",
    "dir_path",
    "directory",
)
_ADDRESSES: Final = ("url", "uri", "href")
_SEARCHES: Final = ("pattern", "query", "regex", "q", "search", "glob", "glob_pattern")
_COMMANDS: Final = ("command", "cmd", "script", "code", "input", "patch", "commands")
_REST: Final = ("name", "title", "description", "prompt", "id", "key", "question")

_SHELLS: Final = frozenset({"bash", "sh", "zsh", "/bin/bash", "/bin/sh", "/bin/zsh", "powershell", "pwsh"})
_PATCHED: Final = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)
_PARTED: Final = re.compile(r"[\s;|&<>()'\"`$={}\[\],*]+")
_FILE: Final = re.compile(r"(?=.*[A-Za-z])[~.]?[\w./@+-]*(?:/[\w.@+-]+|[\w@+-]\.[A-Za-z]\w{0,7})")


def about_of(arguments: Json) -> str:
    """Return what a call with ``arguments`` is about, in one line; empty where nothing says it."""
    found = next(iter(_said(arguments)), "")
    line = " ".join(found.split())
    return line if len(line) <= CALL_ABOUT_CHARACTERS_MAX else f"{line[: CALL_ABOUT_CHARACTERS_MAX - 1]}…"


def paths_of(arguments: Json) -> tuple[str, ...]:
    """Return the files that ``arguments`` name, those in a command among them."""
    named = list(_texts(arguments, _PATHS))
    for command in _commands(arguments):
        named += _patched(command) or _files(command)
    return tuple(dict.fromkeys(named))[:CALL_PATHS_MAX]


def _said(arguments: Json) -> Iterator[str]:
    """Yield what may say it, best first: a search is told with where it looks."""
    place = next(_texts(arguments, _PATHS), "")
    sought = next(_texts(arguments, _SEARCHES), "")
    if sought:
        yield f"{sought} in {place}" if place else sought
    if place:
        yield place
    yield from _texts(arguments, _ADDRESSES)
    for command in _commands(arguments):
        yield next(iter(_patched(command)), command)
    yield from _texts(arguments, _REST)


def _commands(arguments: Json) -> Iterator[str]:
    """Yield the commands in ``arguments``; a tool may take nothing else."""
    return _texts(arguments, _COMMANDS) if isinstance(arguments, dict) else _spoken(arguments)


def _patched(command: str) -> list[str]:
    """Return the files that a patch in the words of ``apply_patch`` changes."""
    return [match[1].strip() for match in _PATCHED.finditer(command)]


def _texts(arguments: Json, names: tuple[str, ...]) -> Iterator[str]:
    if isinstance(arguments, dict):
        for name in names:
            yield from _spoken(arguments.get(name))


def _spoken(value: Json) -> Iterator[str]:
    """Yield the text of ``value``; of a list of words, the command that they are."""
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, list):
        words = [word for word in value if isinstance(word, str)]
        if len(words) > 2 and words[0] in _SHELLS and words[1].startswith("-"):
            words = words[2:]
        if words:
            yield " ".join(words)


def _files(command: str) -> list[str]:
    """Return the words of a command that look like files: options, numbers and ``s/a/b/`` don't."""
    words = _PARTED.split(command[: CALL_ABOUT_CHARACTERS_MAX * CALL_PATHS_MAX])
    return [
        word
        for word in (word.rstrip(".:") for word in words)
        if word and word[0] != "-" and not re.match(r"s/|y/|https?:|/dev/", word) and _FILE.fullmatch(word)
    ]
