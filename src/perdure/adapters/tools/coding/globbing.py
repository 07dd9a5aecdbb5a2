"""Patterns of paths as models write them: the contract's globs, with braces for alternatives."""

import re
from collections.abc import Sequence

from perdure.adapters.tools.outcomes import NotDone
from perdure.contract.paths import BadGlob, Glob, glob_of

_BRACES = re.compile(r"\{([^{}]*)\}")
_ALTERNATIVES_MAX = 64
"""More than anyone writes; braces beside braces multiply."""


def globs_of(pattern: str, *, anywhere: bool) -> tuple[Glob, ...]:
    """Return ``pattern`` ready to match; raise ``NotDone`` if it can't be read.

    ``anywhere``: a pattern without a slash matches names in every directory.
    """
    if pattern.startswith("!"):
        raise NotDone(f"{pattern!r} begins with !; say what is wanted, not what isn't")
    texts = _alternatives(pattern.removeprefix("./"))
    if anywhere:
        texts = [text if "/" in text else f"**/{text}" for text in texts]
    try:
        return tuple(glob_of(text) for text in texts)
    except BadGlob as error:
        raise NotDone(f"the pattern {pattern!r} can't be used: {error}") from error


def matches(globs: Sequence[Glob], path: str) -> bool:
    """Tell whether one of them matches ``path``, which is relative to where the search begins."""
    return any(glob.plain.fullmatch(path) for glob in globs)


def _alternatives(pattern: str) -> list[str]:
    texts = [pattern]
    while any(_BRACES.search(text) for text in texts):
        texts = [each for text in texts for each in _opened(text)]
        if len(texts) > _ALTERNATIVES_MAX:
            raise NotDone(f"{pattern!r} has more than {_ALTERNATIVES_MAX} alternatives")
    return texts


def _opened(text: str) -> list[str]:
    """Return ``text`` with its first pair of braces written out."""
    found = _BRACES.search(text)
    if found is None:
        return [text]
    return [text[: found.start()] + each + text[found.end() :] for each in found[1].split(",")]
