"""What a preview claims of the lines that it holds, held against the text."""

import re

_HELD = re.compile(r"\[lines? (\d+)(?:-(\d+))?:\]")
_LEFT = re.compile(r"\[lines? (\d+)(?:-(\d+))? left out(?:; [^\]]*)?\]")
_TOLD = re.compile(r"(\d+): (.*)")


def false_claims(shown: str, text: str) -> list[str]:
    """Return what ``shown`` says of ``text`` and isn't so."""
    lines = text.split("\n")
    if text.endswith("\n"):
        del lines[-1]
    stands = shown.split("\n")
    false: list[str] = []
    told: set[int] = set()
    for place, line in enumerate(stands):
        held, left = _HELD.fullmatch(line), _LEFT.fullmatch(line)
        match = held or left
        if match is None:
            continue
        first, last = int(match[1]), int(match[2] or match[1])
        told |= set(range(first, last + 1))
        if held is not None and stands[place + 1 : place + 1 + last - first + 1] != lines[first - 1 : last]:
            false.append(f"lines {first}-{last} are not what stands there")
        if left is not None:
            false += _false_outline(stands[place + 1 :], lines)
    if "character" not in shown and told != set(range(1, len(lines) + 1)):
        false.append("some lines are neither held nor left out")
    return false


def _false_outline(outline: list[str], lines: list[str]) -> list[str]:
    """Return the lines of an outline whose numbers are those of other lines."""
    false: list[str] = []
    for each in outline:
        if _HELD.fullmatch(each) is not None:
            break
        match = _TOLD.fullmatch(each)
        if match is None:
            continue
        number, words = int(match[1]), re.sub(r" \(\d+ times like this\)$", "", match[2])
        if not 1 <= number <= len(lines) or words.strip() not in lines[number - 1]:
            false.append(f"line {number} doesn't read {words!r}")
    return false
