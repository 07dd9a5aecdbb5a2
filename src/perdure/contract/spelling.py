"""How a condition is spelled: which names it looks at, found without guessing at text in quotes.

``has(args.x)`` asks whether a declared variable is there, which CEL can ask of map entries only. It
is spelled ``has.args.x`` before CEL reads it: a variable of its own, as long as the call it replaces,
so that every column that CEL complains about is the author's.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<text>[rRbB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<gap>\s+|//[^\n]*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`\n]*`)
    |(?P<number>[0-9][0-9A-Za-z_.]*)
    |(?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Name(NamedTuple):
    """A dotted name, and where it stands in the text."""

    value: str
    """the name of the value that is looked at: without the method that is called on it"""
    start: int
    end: int
    asked: tuple[int, int] | None
    """the span of ``has(...)`` around it"""
    literal: str | None
    """the text of the literal that follows in square brackets"""


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def names_in(source: str) -> list[Name]:
    """Return the dotted names of a CEL expression in the order of the text."""
    tokens = _tokens(source)
    names: list[Name] = []
    at = 0
    while at < len(tokens):
        if tokens[at].kind != "name" or (at and tokens[at - 1].text == "."):
            at += 1
            continue
        last = at
        while _text(tokens, last + 1) == "." and last + 2 < len(tokens) and tokens[last + 2].kind == "name":
            last += 2
        names.append(_name(tokens, at, last))
        at = last + 1
    return names


def patterns_in(source: str) -> list[str]:
    """Return the literals that are given to ``.matches(...)`` as patterns."""
    tokens = _tokens(source)
    return [
        tokens[at + 2].text
        for at in range(len(tokens) - 3)
        if tokens[at].text == "matches"
        and tokens[at + 1].text == "("
        and tokens[at + 2].kind == "text"
        and tokens[at + 3].text == ")"
    ]


def respelled(source: str, known: Collection[str]) -> str:
    """Return ``source`` with ``has(args.x)`` as the variable ``has.args.x``, for every ``known`` name."""
    built, at = "", 0
    for name in names_in(source):
        if name.asked is None or name.value not in known:
            continue
        start, end = name.asked
        spelled = "has." + "".join(source[name.start : name.end].split())
        built += source[at:start] + spelled.ljust(end - start)
        at = end
    return built + source[at:]


def _tokens(source: str) -> list[_Token]:
    return [
        _Token(found.lastgroup or "", found[0], found.start())
        for found in _TOKEN.finditer(source)
        if found.lastgroup != "gap"
    ]


def _name(tokens: list[_Token], first: int, last: int) -> Name:
    final = tokens[last]
    called = _text(tokens, last + 1) == "("
    parts = [token.text.strip("`") for token in tokens[first : last + 1 : 2]]
    inside_has = (
        first >= 2
        and tokens[first - 1].text == "("
        and tokens[first - 2].text == "has"
        and (first < 3 or tokens[first - 3].text != ".")
        and _text(tokens, last + 1) == ")"
    )
    indexed = _text(tokens, last + 1) == "[" and last + 2 < len(tokens) and tokens[last + 2].kind == "text"
    return Name(
        ".".join(parts[:-1] if called else parts),
        tokens[first].start,
        final.start + len(final.text),
        (tokens[first - 2].start, tokens[last + 1].start + 1) if inside_has else None,
        literal=tokens[last + 2].text if indexed and _text(tokens, last + 3) == "]" else None,
    )


def _text(tokens: list[_Token], at: int) -> str:
    return tokens[at].text if at < len(tokens) else ""
