"""The tools themselves: what the model is told of them, and what it is answered.

Invariants:
- Each path is judged where it arrives, after symbolic links, by the desk; the contract has judged its text.
- What raises ``NotDone`` has changed nothing.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Final

import msgspec

from perdure.adapters.tools.coding.beneath import Spot, reached
from perdure.adapters.tools.coding.editing import edited
from perdure.adapters.tools.coding.files import Written, content_of, opened, present, replaced
from perdure.adapters.tools.coding.looking import lines_like, paths_like
from perdure.adapters.tools.coding.reading import excerpt
from perdure.adapters.tools.coding.searching import Query
from perdure.adapters.tools.coding.shelling import shell
from perdure.adapters.tools.coding.sight import Sight
from perdure.adapters.tools.coding.text import written
from perdure.adapters.tools.coding.trophies import Hunt
from perdure.adapters.tools.context import Context
from perdure.adapters.tools.desk import Desk
from perdure.adapters.tools.outcomes import NotDone
from perdure.adapters.tools.tool import AnyTool, declare
from perdure.values.limits import (
    CONTEXT_LINES_MAX,
    EDIT_BYTES_MAX,
    MATCHES_SHOWN_MAX,
    READ_LINES,
    SHELL_SECONDS_MAX,
)

_FROM_ONE: Final = msgspec.Meta(ge=1)
_AFTERWARDS_SECONDS: Final = 60.0
"""For the shell to end what a command has started, and to look at what it changed."""


def make_tools(*, confined: bool) -> tuple[AnyTool, ...]:
    """Return the coding tools. ``confined``: the shell has no network and writes in the workspace only.

    Where it isn't, nothing knows what a command did, and the shell counts as ``once``.
    """
    return (
        declare(read, effect="read", reads=("path",), keeps=("read",)),
        declare(write, effect="workspace", writes=("path",), keeps=("write",)),
        declare(edit, effect="workspace", reads=("path",), writes=("path",), keeps=("read", "write")),
        declare(glob, effect="read", keeps=("read",)),
        declare(grep, effect="read", keeps=("read",)),
        declare(
            shell,
            effect="workspace" if confined else "once",
            keeps=("read", "write", "hosts"),
            timeout=SHELL_SECONDS_MAX + _AFTERWARDS_SECONDS,
        ),
    )


def read(
    ctx: Context,
    path: str,
    offset: Annotated[int, _FROM_ONE] = 1,
    limit: Annotated[int, _FROM_ONE] = READ_LINES,
) -> str:
    """Read a text file. Each line comes as its number, a tab, and its text.

    What is left out is said in brackets at the end: lines before and after, the rest of very long lines.

    Args:
        path: the file, from the workspace on: src/app.py
        offset: the first line to read, from 1
        limit: how many lines to read
    """
    desk, sight = _desk(ctx, "read")
    with _told(path), reached(desk.root, path) as spot:
        sight.judge(spot.path)
        with opened(spot) as descriptor:
            sight.judge_content(spot.path, descriptor)
            return excerpt(descriptor, path, offset=offset, limit=limit)


def write(ctx: Context, path: str, content: str) -> str:
    """Write a text file: make it, or replace all of it. Directories that it needs are made.

    To change a part of a file, use edit.

    Args:
        path: the file, from the workspace on: src/app.py
        content: the whole of what shall be in it
    """
    desk, sight = _desk(ctx, "write")
    stored = written(content, name="content")
    if len(stored) > EDIT_BYTES_MAX:
        raise NotDone(f"content has {len(stored)} bytes, and {EDIT_BYTES_MAX} is the most; write it in parts")
    with _told(path), reached(desk.root, path, make=sight.judge_writing) as spot:
        sight.judge_writing(spot.path)
        if _holds(spot, stored):
            return f"{spot.path} is so already"
        became = replaced(spot, stored)
        _note(ctx, desk, spot)
        lines = content.count("\n") + (not content.endswith("\n") and bool(content))
        what = "new" if became.new else "replaced"
        return f"{spot.path}: {what}, {lines} lines, {len(stored)} bytes{_others(became)}"


def edit(ctx: Context, path: str, old: str, new: str, *, all: bool = False) -> str:  # noqa: A002 - the model's word
    """Replace a piece of a text file by another. The piece has to stand there exactly once, unless all is set.

    Copy the piece as read shows it, with its white space but without the line number and the tab. Ends of lines
    (LF or CRLF) stay as the file has them.

    Args:
        path: the file, from the workspace on: src/app.py
        old: the piece as it stands in the file, with enough around it to be the only one
        new: what shall stand there instead
        all: replace it everywhere in the file
    """
    desk, sight = _desk(ctx, "edit")
    with _told(path), reached(desk.root, path) as spot:
        sight.judge(spot.path)
        sight.judge_writing(spot.path)
        content, seen = content_of(spot, bytes_max=EDIT_BYTES_MAX)
        if sight.hides_content(spot.path, content):
            raise NotDone(f"{path!r} holds a secret, and is changed by nobody here")
        change = edited(content, path, old, new, everywhere=all)
        became = replaced(spot, change.content, seen=seen)
        _note(ctx, desk, spot)
        where = ", ".join(str(line) for line in change.lines[:20])
        more = f" and {len(change.lines) - 20} more" if len(change.lines) > 20 else ""
        places = "1 place" if len(change.lines) == 1 else f"{len(change.lines)} places"
        return f"{spot.path}: {places} replaced, line {where}{more}{_others(became)}"


def glob(ctx: Context, pattern: str, path: str = ".") -> str:
    """Find files and directories by their names; one path a line, sorted, directories with a slash at the end.

    ``*`` and ``?`` stay within one directory, ``**`` stands for any number of directories, ``{a,b}`` for one of
    them: ``*`` lists a directory, ``**/*.py`` finds all Python files, ``src/**/test_*.{ts,tsx}`` some tests.

    Args:
        pattern: what the path has to be, as seen from ``path``
        path: the directory to look in
    """
    _, sight = _desk(ctx, "glob")
    with _told(path):
        return paths_like(sight, path, pattern)


def grep(
    ctx: Context,
    pattern: str,
    path: str = ".",
    glob: str = "",
    *,
    ignore_case: bool = False,
    context: Annotated[int, msgspec.Meta(ge=0, le=CONTEXT_LINES_MAX)] = 0,
    names_only: bool = False,
    limit: Annotated[int, msgspec.Meta(ge=1, le=10 * MATCHES_SHOWN_MAX)] = MATCHES_SHOWN_MAX,
) -> str:
    r"""Find lines by a regular expression, in one file or in all files below a directory.

    Each match comes as ``path:line:text``. The pattern is matched within a line; signs like ``( [ . *`` need a
    backslash where they are meant as such; ``\w``, ``\d``, ``\b`` and ignore_case go by ASCII.

    Args:
        pattern: the regular expression, as Python has it
        path: the file or directory to search
        glob: search only files like this, for example *.py or src/**/*.ts
        ignore_case: take large and small letters for the same
        context: lines to show before and after each match
        names_only: show only the paths of files with a match
        limit: how many matches to show
    """
    _, sight = _desk(ctx, "grep")
    hunt = Hunt(Query(pattern, ignore_case, limit + 1), glob, context, names_only, limit)
    with _told(path):
        return lines_like(sight, path, hunt)


def _desk(ctx: Context, tool: str) -> tuple[Desk, Sight]:
    if ctx.desk is None:
        raise NotDone("there is no workspace: the agent was declared without one")
    return ctx.desk, Sight(ctx.desk, tool)


@contextmanager
def _told(path: str) -> Generator[None]:
    """Say what the operating system refused in words about ``path``: nothing was changed."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotDone(f"there is no {path!r}") from error
    except NotADirectoryError as error:
        raise NotDone(f"a part of {path!r} is no directory") from error
    except (OSError, UnicodeEncodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it holds half of a surrogate pair"
        raise NotDone(f"{path!r} can't be used: {said}") from error


def _holds(spot: Spot, stored: bytes) -> bool:
    found = present(spot)
    if found is None or found.st_size != len(stored):
        return False
    return content_of(spot, bytes_max=EDIT_BYTES_MAX)[0] == stored


def _note(ctx: Context, desk: Desk, spot: Spot) -> None:
    for path in (*spot.made, spot.path):
        desk.noted(path, ctx.key)


def _others(became: Written) -> str:
    if became.names < 2:
        return ""
    return f"; it had {became.names} names (hard links), and under the others the old content stays"
