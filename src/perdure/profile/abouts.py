"""Which files a call is about, so that another call about the same file is known as such.

Invariants:
- Two spellings of one path are one path where the directory that they start from is known.
- A directory that is searched is no path that was read: a second search in it is not about the same thing.
"""

import posixpath
from typing import Final

from perdure.values.digest import Json
from perdure.wire.bodies.about import paths_of

_SEARCHES: Final = ("pattern", "query", "regex", "glob")


def files_of(arguments: Json, place: str = "") -> tuple[str, ...]:
    """Return the files that a call names, each once; ``place`` is where relative ones start."""
    named = arguments if isinstance(arguments, dict) else {}
    searches = any(name in named for name in _SEARCHES)
    starts = (named.get(name) for name in ("workdir", "cwd"))
    here = next((value for value in starts if isinstance(value, str) and value), place)
    paths = (path for path in paths_of(arguments) if not searches or "." in path.rpartition("/")[2])
    return tuple(dict.fromkeys(_normal(path, here) for path in paths))


def _normal(path: str, place: str) -> str:
    path, place = path.replace("\\", "/"), place.replace("\\", "/")
    rooted = path.startswith(("/", "~")) or path[1:2] == ":"
    return posixpath.normpath(path if rooted or not place else f"{place}/{path}")
