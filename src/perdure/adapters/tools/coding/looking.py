"""Paths by their names, and lines by what stands in them, as far as the reach lets a tool see.

What is out of reach is not shown, not counted and not opened; nothing tells it from what isn't there.
"""

import errno
import itertools
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from perdure.adapters.tools.coding.beneath import reached
from perdure.adapters.tools.coding.files import Seen, open_at, read_whole, walked
from perdure.adapters.tools.coding.globbing import globs_of, matches
from perdure.adapters.tools.coding.searching import found_in, ripgrep
from perdure.adapters.tools.coding.sight import Sight
from perdure.adapters.tools.coding.text import is_binary
from perdure.adapters.tools.coding.trophies import Hunt, Quarry, Trophies
from perdure.adapters.tools.outcomes import NotDone
from perdure.checkpoint.tree import PART_PREFIX
from perdure.values.limits import (
    EDIT_BYTES_MAX,
    PATHS_SHOWN_MAX,
    SEARCH_FILES_TOGETHER,
    SEARCH_SECONDS_MAX,
    WORKSPACE_FILES_MAX,
)

SKIPPED: Final = frozenset({
    ".git", ".hg", ".svn", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".tox", ".venv",
    "__pycache__", "node_modules", "venv",
})  # fmt: skip
"""Entered only where a call names them: made by tools, and larger than what people wrote."""


def paths_like(sight: Sight, base: str, pattern: str) -> str:
    """Return the paths below ``base`` that match, sorted, one a line; directories end in a slash."""
    globs = globs_of(pattern, anywhere=False)
    passed: set[str] = set()
    start, seen = _walk(sight, base, passed)
    found = sorted(
        f"{each.path}/" if each.kind == "dir" else each.path
        for each in seen
        if matches(globs, _within(start, each.path))
    )
    notes = _left_out(passed)
    more = len(found) - PATHS_SHOWN_MAX
    if more > 0:
        notes.insert(0, f"[{more} more; narrow the pattern]")
    return "\n".join([*found[:PATHS_SHOWN_MAX], *notes]) or "[nothing matches]"


def _walk(sight: Sight, base: str, passed: set[str]) -> tuple[str, Iterator[Seen]]:
    """Return where ``base`` really is, and all below it that may be seen."""
    root = sight.desk.root
    with reached(root, base) as spot:
        start = spot.path

    def seen() -> Iterator[Seen]:
        for count, each in enumerate(walked(root, start, SKIPPED, passed)):
            if count >= WORKSPACE_FILES_MAX:
                raise NotDone(
                    f"there are more than {WORKSPACE_FILES_MAX} files below {base!r}; narrow the path"
                )
            if not sight.hides(each.path) and not each.path.rpartition("/")[2].startswith(PART_PREFIX):
                yield each

    return start, seen()


def _within(start: str, path: str) -> str:
    return path if start == "." else path.removeprefix(f"{start}/")


def _left_out(passed: set[str]) -> list[str]:
    return [f"[not looked into: {', '.join(sorted(passed))}]"] if passed else []


def lines_like(sight: Sight, base: str, hunt: Hunt) -> str:
    """Return the lines that match in the file or the directory ``base``, in the order of their paths."""
    until = time.monotonic() + SEARCH_SECONDS_MAX
    program = ripgrep(sight.desk.root)
    passed: set[str] = set()
    trophies = Trophies(hunt)
    paths = iter(_candidates(sight, base, hunt.glob, passed))
    searched = False
    while not trophies.full:
        with ExitStack() as held:
            files = list(itertools.islice(_searchable(held, sight, paths, trophies), SEARCH_FILES_TOGETHER))
            if not files and searched:
                break
            lines: dict[int, list[int]] = {}
            for plain in (True, False):
                descriptors = [file.descriptor for file in files if file.plain == plain]
                if descriptors or not searched:  # at least once, to hear whether the pattern can be read
                    lines |= found_in(
                        hunt.query, descriptors, program=program if plain else None, until=until
                    )
                    searched = True
            for file in files:
                trophies.add(file, lines.get(file.descriptor, []))
    return trophies.text(_left_out(passed))


def _candidates(sight: Sight, base: str, glob: str, passed: set[str]) -> list[str]:
    """Return the files to search, sorted."""
    globs = globs_of(glob, anywhere=True) if glob else ()
    with reached(sight.desk.root, base) as spot:
        if not stat.S_ISDIR(os.stat(spot.name, dir_fd=spot.directory, follow_symlinks=False).st_mode):
            if sight.hides(spot.path):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return [spot.path]
    start, seen = _walk(sight, base, passed)
    return sorted(
        each.path
        for each in seen
        if each.kind == "file" and (not globs or matches(globs, _within(start, each.path)))
    )


def _searchable(held: ExitStack, sight: Sight, paths: Iterator[str], trophies: Trophies) -> Iterator[Quarry]:
    """Yield those of ``paths`` that are text of a size to be searched, open for as long as ``held`` is."""
    for path in paths:
        try:
            with reached(sight.desk.root, path) as spot:
                if spot.path != path:  # a link took its place, and leads elsewhere
                    continue
                descriptor = open_at(spot)
        except (OSError, NotDone):  # it went, or became another thing
            continue
        with ExitStack() as unless_searched:
            unless_searched.callback(os.close, descriptor)
            content = read_whole(descriptor, bytes_max=EDIT_BYTES_MAX)
            if content is None:
                trophies.too_large.append(path)
            elif not is_binary(content) and not sight.hides_content(path, content):
                held.push(unless_searched.pop_all())
                yield Quarry(path, descriptor, _is_plain(content))


def _is_plain(content: bytes) -> bool:
    """Tell whether it is UTF-8 with plain ends of lines: what ripgrep reads exactly as we do."""
    if b"\r" in content or content.startswith(b"\xef\xbb\xbf"):
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
