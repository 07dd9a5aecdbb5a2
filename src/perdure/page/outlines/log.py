"""Logs and the output of commands: what went wrong, and what was said over and over.

Invariant: every line that is shown has its number, so that what stands around it can be asked for.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

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


class LineKind(NamedTuple):
    """Lines that say the same but for numbers."""

    first: Numbered
    judged: str
    """its text without "0 errors" and the like"""
    numbers: list[int]


def log_outline(sheet: Lined, room: int, skipped: range) -> list[str]:
    """Return what counts among the lines of ``sheet`` in at most ``room`` characters.

    ``skipped`` are the numbers of the lines that aren't shown otherwise: only those are told of.
    """
    kinds = _kinds(line for line in sheet.lines if line.number in skipped and line.text.strip())
    wrong = [kind for kind in kinds if _WRONG.search(kind.judged) is not None]
    warned = [
        kind
        for kind in kinds
        if _WRONG.search(kind.judged) is None and _WARNING.search(kind.judged) is not None
    ]
    told: list[str] = []
    for title, found in (("what went wrong", wrong), ("warnings", warned)):
        part = _part(title, found, room * 2 // 3) if found else []
        told += part
        room -= sum(len(line) + 1 for line in part)
    for line in _repeated(kinds):
        room -= len(line) + 1
        if room < 0:
            break
        told.append(line)
    return told


def _kinds(lines: Iterable[Numbered]) -> list[LineKind]:
    """Return the lines by what they say, in order. "0 errors" says something else than "3 errors"."""
    kinds: dict[str, LineKind] = {}
    for line in lines:
        text = line.text.strip()
        judged = _HARMLESS.sub("", text) if "0 " in text or "no " in text.lower() else text
        meaning = _VARYING.sub("#", text) if judged is text else _VARYING.sub("#", judged) + " "
        kind = kinds.get(meaning)
        if kind is None:
            kinds[meaning] = LineKind(line, judged, [line.number])
        else:
            kind.numbers.append(line.number)
    return list(kinds.values())


def _part(title: str, found: Sequence[LineKind], room: int) -> list[str]:
    """Return one line of each kind."""
    shown: list[str] = []
    room -= 80
    for kind in found:
        times = f" ({len(kind.numbers)} times like this)" if len(kind.numbers) > 1 else ""
        words = f"{kind.first.number}: {kind.first.text.strip()[:_SHOWN]}{times}"
        room -= len(words) + 1
        if room < 0:
            break
        shown.append(words)
    if not shown:
        return []
    count = sum(len(kind.numbers) for kind in found)
    left = f", {len(shown)} of {len(found)} kinds shown" if len(shown) < len(found) else ""
    return [f"{title}: {count} {'line' if count == 1 else 'lines'}{left}", *shown]


def _repeated(kinds: Sequence[LineKind]) -> list[str]:
    """Return the lines that were said most often, each once."""
    often = [
        kind for kind in kinds if len(kind.numbers) >= _REPEATED_MIN and len(kind.first.text.strip()) > 3
    ]
    often.sort(key=lambda kind: (-len(kind.numbers), kind.first.number))
    return [
        f"{len(kind.numbers)} lines like {kind.first.number}: {kind.first.text.strip()[:_SHOWN]} "
        f"(the last is {kind.numbers[-1]})"
        for kind in often[:_REPEATED_SHOWN]
    ]
