"""A function's docstring as descriptions: of the tool, and of its parameters from an ``Args:`` section."""

import inspect
import itertools
import re
from typing import NamedTuple

_ARGS = re.compile(r"(?:Args|Arguments|Parameters):\s*")
_SECTION = re.compile(r"(?:Returns?|Yields?|Raises|Examples?|Notes?|Warnings?|See Also|References):.*")
_ENTRY = re.compile(r"\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?\s*:\s*(?P<text>.*)")


class Described(NamedTuple):
    """What a docstring says."""

    summary: str
    """all of it but the sections"""
    parameters: dict[str, str]


def described(function: object) -> Described:
    """Return what the docstring of ``function`` says; nothing where it has none."""
    lines = (inspect.getdoc(function) or "").splitlines()
    starts = [
        number for number, line in enumerate(lines) if _ARGS.fullmatch(line) or _SECTION.fullmatch(line)
    ]
    summary = "\n".join(lines[: starts[0]] if starts else lines).strip()
    parameters: dict[str, str] = {}
    for start, end in itertools.pairwise([*starts, len(lines)]):
        if _ARGS.fullmatch(lines[start]):
            parameters |= _entries(lines[start + 1 : end])
    return Described(summary, parameters)


def _entries(lines: list[str]) -> dict[str, str]:
    """Return the text of each parameter; a deeper line goes on with the one above it."""
    found: dict[str, str] = {}
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    outer = min(indents, default=0)
    name = ""
    for line in lines:
        text = line.strip()
        entry = _ENTRY.fullmatch(text)
        if entry and len(line) - len(line.lstrip()) == outer:
            name = entry["name"]
            found[name] = entry["text"]
        elif text and name:
            found[name] = f"{found[name]} {text}".strip()
    return found
