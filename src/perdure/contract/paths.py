"""Which paths may be touched: paths brought to one spelling, globs that match the whole of it.

Invariants:
- What can't be read in one way only is refused, never guessed: a tool may read it the other way.
- Relative globs match paths within the workspace, absolute globs match absolute paths; a relative
  path that climbs out of the workspace matches nothing.
- A glob with ``!`` forbids in every spelling that some file system takes for the same file (case,
  composed letters, invisible letters, trailing dots), and no other glob brings it back.

The check is textual: it knows nothing of symbolic links. The sandbox holds those.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple

PATH_CHARACTERS_MAX: Final = 4096
"""PATH_MAX of Linux; a longer one opens nothing and only costs time to match."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|[A-Za-z]:")
_CONTROL: Final = frozenset({"Cc", "Cs"})
_CLASS = re.compile(r"\[(!?)(\]?[^\]]*)\]")


class Unclear(NamedTuple):
    """It has no single meaning; ``why`` ends the sentence 'it ...'."""

    why: str


class BadGlob(ValueError):
    """A glob that could not match what its author means; the message says why and what to write."""


class Glob(NamedTuple):
    """One compiled glob."""

    text: str
    forbids: bool
    plain: re.Pattern[str]
    folded: re.Pattern[str]


def resolved(path: str) -> str | Unclear:
    """Return the one spelling of ``path``: '.', 'a/b' within the workspace, or '/a/b'."""
    if not path or len(path) > PATH_CHARACTERS_MAX:
        return Unclear("is empty" if not path else "is longer than a path can be")
    plain = path.isascii()
    if not path.isprintable() if plain else any(unicodedata.category(letter) in _CONTROL for letter in path):
        return Unclear("has control characters")
    if "\\" in path:
        return Unclear("has a backslash; write / between folders")
    if path.startswith("~"):
        return Unclear("begins with ~; write the whole path")
    if _SCHEME.match(path):
        return Unclear("looks like a URL or a drive; write a plain path")
    absolute = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not kept and not absolute:
                return Unclear("leads out of the workspace")
            del kept[-1:]
        elif part not in {"", "."}:
            kept.append(part)
    spelled = "/".join(kept) if plain else unicodedata.normalize("NFC", "/".join(kept))
    return f"/{spelled}" if absolute else spelled or "."


def glob_of(text: str) -> Glob:
    """Return the compiled form of one line of a reach; raise ``BadGlob``."""
    forbids = text.startswith("!")
    body = text[1:] if forbids else text
    _check(body)
    body = unicodedata.normalize("NFC", body)
    return Glob(text, forbids, re.compile(_pattern(body)), re.compile(_pattern(folded(body))))


def folded(path: str) -> str:
    """Return what a careless file system may take ``path`` for."""
    if path.isascii():
        parts = path.lower().split("/")
    else:
        seen = "".join(letter for letter in path if unicodedata.category(letter) != "Cf")
        parts = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold()).split("/")
    return "/".join(part.rstrip(" .") or part for part in parts)


def let_through(globs: Sequence[Glob], path: str) -> bool:
    """Tell whether a resolved path is allowed by one glob and forbidden by none."""
    where = "" if path == "." else path
    careless = folded(where)
    if any(g.forbids and (g.plain.fullmatch(where) or g.folded.fullmatch(careless)) for g in globs):
        return False
    return any(not g.forbids and g.plain.fullmatch(where) for g in globs)


def _check(body: str) -> None:
    if not body:
        raise BadGlob("it is empty; write ** for everything")
    if "\\" in body:
        raise BadGlob("it has a backslash; write / between folders, and [*] for a plain star")
    if body.startswith("~"):
        raise BadGlob("~ is not expanded; write the whole path")
    if "{" in body or "}" in body:
        raise BadGlob("braces are no alternatives here; write one glob for each")
    if body.endswith("/"):
        raise BadGlob(f"it ends in a slash and would match nothing; write {body}** for all within")
    for part in body.removeprefix("/").split("/"):
        if part in {"", ".", ".."}:
            raise BadGlob(f"its part {part!r} never stands in a resolved path; leave it out")
        if "**" in part and part != "**":
            raise BadGlob("** must stand alone between slashes; write **/*.py, say")
        rest = _CLASS.sub("", part)
        if "[" in rest or "]" in rest:
            raise BadGlob("a [ has no ]; close it, or write [[] for a plain one")


def _pattern(body: str) -> str:
    """Return the regular expression of a checked glob; ``a/**`` matches ``a`` as well."""
    absolute = body.startswith("/")
    # two in a row say no more than one
    steps = body.removeprefix("/").split("/")
    parts = [
        part for part, before in zip(steps, ["", *steps], strict=False) if (part, before) != ("**", "**")
    ]
    if parts == ["**"]:
        return "/.*" if absolute else "(?!/).*"
    built = "/" if absolute else "(?!/)"
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part != "**":
            built += _segment(part) + ("" if last else "/")
        elif last:
            built = built.removesuffix("/") + "(?:/[^/]+)*"
        else:
            built += "(?:[^/]+/)*"
    return built


def _segment(part: str) -> str:
    if part == "*":
        return "[^/]+"
    built, at = "", 0
    while at < len(part):
        letter = part[at]
        bracket = _CLASS.match(part, at) if letter == "[" else None
        if bracket:
            inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", bracket[2])
            built += f"(?!/)[{'^' if bracket[1] else ''}{inside}]"
            at = bracket.end()
            continue
        built += {"*": "[^/]*", "?": "[^/]"}.get(letter) or re.escape(letter)
        at += 1
    return built
