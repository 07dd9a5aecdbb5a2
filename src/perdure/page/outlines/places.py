"""Texts that name files: what a search found, by file; and what a change does to each."""

import re
from typing import Final, NamedTuple

from perdure.page.outlines.sheet import Lined

_MATCH: Final = re.compile(r"((?:/|\.{0,2}[\w@+-])[^:\s]{0,250}):([0-9]{1,9})[:-]")
_PATH: Final = re.compile(r"/|\.[A-Za-z]|^[A-Z][a-z]+file$")
_FILE: Final = re.compile(r"diff --git a/(.{1,300}?) b/|--- (?:a/)?(\S{1,300})")
_SHARE: Final = 0.6
"""Of the lines that name a file and a line before a text is taken for the result of a search."""

_SAMPLED: Final = 100
"""Lines that tell whether it is worth looking at all."""

_NUMBERS_SHOWN: Final = 8


class Changes(NamedTuple):
    """What a patch does to one file."""

    number: int
    """of the line at which it begins"""
    path: str
    added: int = 0
    removed: int = 0


def matches_outline(sheet: Lined, room: int) -> list[str]:
    """Return the files in which a search found something, with the numbers of the lines; nothing if it was none."""
    sample = sheet.lines[:_SAMPLED]
    if sum(_MATCH.match(line.text) is not None for line in sample) < _SHARE * len(sample) / 2:
        return []
    found: dict[str, list[str]] = {}
    matched = 0
    for line in sheet.lines:
        match = _MATCH.match(line.text)
        if match is not None and _PATH.search(match[1]) is not None:
            matched += 1
            found.setdefault(match[1], []).append(match[2])
    if matched < 5 or matched < _SHARE * len(sheet.lines):
        return []
    told = [f"matches by file: {matched} lines in {len(found)} files"]
    for path, numbers in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        more = f" and {len(numbers) - _NUMBERS_SHOWN} more" if len(numbers) > _NUMBERS_SHOWN else ""
        told.append(f"{path}: lines {', '.join(numbers[:_NUMBERS_SHOWN])}{more}")
    return _fitting(told, room)


def patch_outline(sheet: Lined, room: int) -> list[str]:
    """Return the files that a patch changes and by how many lines; nothing where it is none."""
    if not any(text.startswith("@@") for _, text in sheet.lines):
        return []
    changed: list[Changes] = []
    hunks = 0
    for number, text in sheet.lines:
        match = _FILE.match(text)
        if match is not None and (match[1] or not text.startswith("--- ") or not _named(changed, match[2])):
            changed.append(Changes(number, match[1] or match[2]))
        elif text.startswith("@@"):
            hunks += 1
        elif changed and text[:1] == "+" and not text.startswith("+++"):
            changed[-1] = changed[-1]._replace(added=changed[-1].added + 1)
        elif changed and text[:1] == "-" and not text.startswith("---"):
            changed[-1] = changed[-1]._replace(removed=changed[-1].removed + 1)
    if not changed or not hunks:
        return []
    told = [f"a patch of {len(changed)} files, {hunks} hunks"]
    told += [f"{each.path} +{each.added} -{each.removed} from line {each.number}" for each in changed]
    return _fitting(told, room)


def _named(changed: list[Changes], path: str) -> bool:
    """Whether the header of that file came right before: `diff --git` names it, and then `---`."""
    return bool(changed) and (changed[-1].path == path or path == "/dev/null")


def _fitting(told: list[str], room: int) -> list[str]:
    shown: list[str] = []
    room -= 40
    for line in told:
        room -= len(line) + 1
        if room < 0:
            return [*shown, f"... and {len(told) - len(shown)} more"]
        shown.append(line)
    return shown
