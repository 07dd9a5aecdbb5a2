"""Logs and the output of commands: what went wrong, and what was said over and over.

Invariant: every line that is shown has its number, so that what stands around it can be asked for.
"""

import re
from collections.abc import Sequence
from typing import Final

from perdure.page.outlines.sheet import Lined, Numbered

_WRONG: Final = re.compile(
    r"\b(?:error|errors|exception|traceback|fatal|panic|panicked|critical|failed|failure|failures|denied|refused"
    r"|not found|no such|undefined|cannot|unable|abort|aborted|segmentation fault)\b"
    r"|[a-z](?:Error|Exception)\b|\bE[0-9]{3,5}\b|^(?:FAIL|E  )|\bFAILED\b",
    re.IGNORECASE,
)
_WARNING: Final = re.compile(r"\bwarn(?:ing|ings)?\b|\bdeprecat", re.IGNORECASE)
_HARMLESS: Final = re.compile(r"\b(?:0|no) (?:errors?|failures?|failed|warnings?|problems?)\b", re.IGNORECASE)
_VARYING: Final = re.compile(r"0x[0-9a-fA-F]+|[0-9a-f]{8,64}|[0-9]+")
"""What differs between lines that say the same: numbers, times, addresses, digests."""

_REPEATED_MIN: Final = 4
_REPEATED_SHOWN: Final = 6
_SHOWN: Final = 160
"""Characters of a line."""


def log_outline(sheet: Lined, room: int, skipped: range) -> list[str]:
    """Return what counts among the lines of ``sheet`` in at most ``room`` characters.

    ``skipped`` are the numbers of the lines that aren't shown otherwise: only those are told of.
    """
    hidden = [line for line in sheet.lines if line.number in skipped and line.text.strip()]
    wrong = [line for line in hidden if _is(line, _WRONG)]
    warned = [line for line in hidden if _is(line, _WARNING) and not _is(line, _WRONG)]
    repeated = _repeated(hidden)
    told: list[str] = []
    for title, found in (("what went wrong", wrong), ("warnings", warned)):
        if found:
            part = _part(title, found, room * 2 // 3)
            told += part
            room -= sum(len(line) + 1 for line in part)
    for line in repeated:
        room -= len(line) + 1
        if room < 0:
            break
        told.append(line)
    return told


def _is(line: Numbered, pattern: re.Pattern[str]) -> bool:
    return pattern.search(line.text) is not None and _HARMLESS.search(line.text) is None


def _part(title: str, found: Sequence[Numbered], room: int) -> list[str]:
    """Return the lines of one kind, those that say the same as one before only counted."""
    first: dict[str, Numbered] = {}
    again: dict[str, int] = {}
    for line in found:
        meaning = _VARYING.sub("#", line.text.strip())
        first.setdefault(meaning, line)
        again[meaning] = again.get(meaning, 0) + 1
    shown: list[str] = []
    room -= 80
    for meaning, line in first.items():
        times = f" ({again[meaning]} times like this)" if again[meaning] > 1 else ""
        words = f"{line.number}: {line.text.strip()[:_SHOWN]}{times}"
        room -= len(words) + 1
        if room < 0:
            break
        shown.append(words)
    if not shown:
        return []
    left = f", {len(shown)} of {len(first)} kinds shown" if len(shown) < len(first) else ""
    return [f"{title}: {len(found)} {'line' if len(found) == 1 else 'lines'}{left}", *shown]


def _repeated(hidden: Sequence[Numbered]) -> list[str]:
    """Return the lines that were said most often, each once."""
    count: dict[str, int] = {}
    first: dict[str, Numbered] = {}
    last: dict[str, int] = {}
    for line in hidden:
        meaning = _VARYING.sub("#", line.text.strip())
        count[meaning] = count.get(meaning, 0) + 1
        first.setdefault(meaning, line)
        last[meaning] = line.number
    often = sorted(
        (meaning for meaning in count if count[meaning] >= _REPEATED_MIN and len(meaning) > 3),
        key=lambda meaning: (-count[meaning], first[meaning].number),
    )
    return [
        f"{count[meaning]} lines like {first[meaning].number}: {first[meaning].text.strip()[:_SHOWN]} "
        f"(the last is {last[meaning]})"
        for meaning in often[:_REPEATED_SHOWN]
    ]
