"""The checkout as text: which files there are, read once, named relative to its root."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CODE_FOLDERS = ("src", "tests", "benchmarks")
SKIPPED = {"__pycache__", "node_modules"}


class File(NamedTuple):
    """A file's name as people write it, and its text."""

    name: str
    text: str

    @property
    def room(self) -> str:
        """The room of ``src/perdure/<room>/...``; the file's own name if it stands outside of one."""
        parts = Path(self.name).parts
        return parts[2] if len(parts) > 3 else Path(self.name).stem

    @property
    def tree(self) -> ast.Module:
        """The file as Python; the same nodes each time."""
        return _parsed(self)


@cache
def _parsed(file: File) -> ast.Module:
    return ast.parse(file.text, file.name)


def _walk(folder: Path, pattern: str) -> Iterator[Path]:
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and not SKIPPED.intersection(path.relative_to(ROOT).parts):
            yield path


@cache
def read(path: Path) -> File:
    """Return the file; a second reading gives the same text."""
    return File(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


def python(*folders: str) -> list[File]:
    """Return every Python file below ``folders``."""
    return [read(path) for folder in folders for path in _walk(ROOT / folder, "*.py")]


def source() -> list[File]:
    """Return what is installed at a user's."""
    return python("src")


def code() -> list[File]:
    """Return all our Python."""
    return python(*CODE_FOLDERS)


def documents() -> list[File]:
    """Return all that we publish as prose."""
    return [read(path) for path in sorted(ROOT.glob("*.md"))] + [
        read(path) for folder in ("docs", "benchmarks", "examples") for path in _walk(ROOT / folder, "*.md")
    ]


def everything() -> list[File]:
    """Return every text file that a clone brings, but the locks and the licence."""
    plain = [ROOT / name for name in ("Makefile", "pyproject.toml", ".gitignore", ".ci/run")]
    others = [
        path
        for folder in (*CODE_FOLDERS, "docs", "examples")
        for path in _walk(ROOT / folder, "*")
        if path.suffix in {".yaml", ".yml", ".json", ".toml", ".txt", ".sh", ".sql", ".html", ".css", ".js"}
    ]
    return code() + documents() + python("examples") + [read(path) for path in plain + others]


def functions(file: File) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function and method of ``file``, nested ones as well."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def classes(file: File) -> Iterator[ast.ClassDef]:
    """Return every class of ``file``, nested ones as well."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ClassDef):
            yield node
