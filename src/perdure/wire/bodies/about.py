"""What a call is about: the path, address or command in its arguments; and the files that it names.

Known clients' tools say it under a dozen names; those of servers that nobody knows mostly use the same ones.
"""

import re
from collections.abc import Iterator
from typing import Final

from perdure.values.digest import Json
from perdure.values.limits import CALL_ABOUT_CHARACTERS_MAX, CALL_PATHS_MAX

_FILES: Final = (
    "file_path",
    "filePath",
    "absolute_path",
    "notebook_path",
    "target_file",
    "relative_path",
    "path",
    "filename",
    "file",
)
_PLACES: Final = (*_FILES, "dir_path", "directory")
_ADDRESSES: Final = ("url", "uri", "href")
_SEARCHES: Final = ("pattern", "query", "regex", "q", "search", "glob", "glob_pattern")
_COMMANDS: Final = ("command", "cmd", "script", "code", "input", "patch", "commands")
_REST: Final = ("name", "title", "description", "prompt", "id", "key", "question")
"""What says it where nothing better does; after these, any text."""

_SHELLS: Final = frozenset({"bash", "sh", "zsh", "/bin/bash", "/bin/sh", "/bin/zsh", "powershell", "pwsh"})
_PATCHED: Final = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)
_PARTED: Final = re.compile(r"[\s;|&<>()'\"`$={}\[\],*]+")
_GONE_TO: Final = re.compile(r"\b(?:cd|pushd|git\s+-C)\s+(?:'[^']*'|\"[^\"]*\"|[^\s;|&]+)")
_FILE: Final = re.compile(r"[\w~.@+-][\w/.@+-]*")
_ENDING: Final = re.compile(r"[^/.]\.[A-Za-z]\w{0,9}$")
_BARE: Final = re.compile(
    "bash|c|cc|cfg|conf|cpp|cs|css|csv|ex|exs|go|gradle|h|hpp|html|ini|ipynb|java|js|json|jsonl|jsx|kt|lock|lua|m|md"
    "|mdx|mjs|mk|php|pl|proto|ps1|py|pyi|rb|rs|rst|scala|sh|sql|svelte|swift|toml|ts|tsv|tsx|txt|vue|xml|yaml|yml|zig"
)
"""Endings of files that are known as such without a directory in front: ``json.load`` is none."""

_WHOLE: Final = frozenset({"Dockerfile", "Gemfile", "LICENSE", "Makefile", "Procfile", "README", "Rakefile"})


def about_of(arguments: Json) -> str:
    """Return what a call with ``arguments`` is about, in one line; empty where nothing says it."""
    found = next(iter(_said(arguments)), "")
    line = " ".join(found.split())
    return line if len(line) <= CALL_ABOUT_CHARACTERS_MAX else f"{line[: CALL_ABOUT_CHARACTERS_MAX - 1]}…"


def paths_of(arguments: Json) -> tuple[str, ...]:
    """Return the files that ``arguments`` name, those in a command among them.

    A directory that a command works in, or that is searched, is not what the call reads.
    """
    searches = any(_texts(arguments, _SEARCHES))
    named = [path for path in _texts(arguments, _FILES) if not searches or _ENDING.search(path)]
    for command in _commands(arguments):
        named += _patched(command) or _files(command)
    return tuple(dict.fromkeys(named))[:CALL_PATHS_MAX]


def _said(arguments: Json) -> Iterator[str]:
    """Yield what may say it, best first: a search is told with where it looks."""
    place = next(_texts(arguments, _PLACES), "")
    sought = next(_texts(arguments, _SEARCHES), "")
    if sought:
        yield f"{sought} in {place}" if place else sought
    if place:
        yield place
    yield from _texts(arguments, _ADDRESSES)
    for command in _commands(arguments):
        yield next(iter(_patched(command)), command)
    yield from _texts(arguments, _REST)
    if isinstance(arguments, dict):
        yield from (value for value in arguments.values() if isinstance(value, str) and value.strip())


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
    """Return the words of a command that are files as far as their spelling tells."""
    words = _PARTED.split(_GONE_TO.sub(" ", command[: CALL_ABOUT_CHARACTERS_MAX * CALL_PATHS_MAX]))
    trimmed = (word.rstrip(".:/").removeprefix("./") for word in words)
    return [word for word in trimmed if _is_file(word)]


def _is_file(word: str) -> bool:
    if not word or word[0] == "-" or not _FILE.fullmatch(word) or word.startswith(("s/", "y/", "/dev/")):
        return False
    folder, _, name = word.rpartition("/")
    if name in _WHOLE:
        return True
    ending = name.rpartition(".")[2] if _ENDING.search(name) else ""
    return bool(ending) and (bool(folder) or _BARE.fullmatch(ending) is not None)
