"""What differs between the files of two positions: a list, or a patch."""

import difflib
from collections.abc import Iterator
from typing import Final

import click

from perdure.assembly.files.history import FileHistory
from perdure.checkpoint.compare import PathDifference, renames
from perdure.checkpoint.tree import Entry, spelled
from perdure.cli.drawing.ink import Tone, clean, count, inked, path_name
from perdure.values.digest import Json
from perdure.values.errors import BadInput

SIGNS: Final[dict[str, tuple[str, Tone]]] = {
    "created": ("+", "good"),
    "changed": ("~", "doubt"),
    "deleted": ("-", "bad"),
}
TONES: Final[dict[str, Tone]] = {"+": "good", "-": "bad", "@": "head"}
PATCH_BYTES_MAX: Final = 1 << 20
"""A file that is compared line by line; a larger one is named and not shown."""
BAR_CHARACTERS: Final = 40
"""The longest bar of a statistic: what a terminal of 80 columns has room for beside a path."""


def shapes(found: tuple[PathDifference, ...]) -> list[Json]:
    """Return the differences as programs are shown them."""
    return [{"path": spelled(each.path), "change": each.change} for each in found]


def say_list(found: tuple[PathDifference, ...]) -> None:
    """Print a line for each path that differs."""
    for each in found:
        sign, tone = SIGNS[each.change]
        click.echo(f"  {inked(sign, tone, bold=True)} {path_name(each.path)}{inked(_aside(each), 'quiet')}")
    for moved in renames(found):
        click.echo(inked(f"  {path_name(moved.before)} seems to be {path_name(moved.after)} now", "quiet"))


def say_stat(history: FileHistory, found: tuple[PathDifference, ...]) -> None:
    """Print how many lines of each file came and went, with bars."""
    rows = [(path_name(each.path), *_counted(history, each)) for each in found if not _is_dir(each)]
    width = max((len(path) for path, _, _ in rows), default=0)
    most = max((added + gone for _, added, gone in rows), default=0)
    for path, added, gone in rows:
        plus, minus = _bar(added, most), _bar(gone, most)
        bar = inked("+" * plus, "good") + inked("-" * minus, "bad")
        click.echo(f"  {path.ljust(width)}  {added + gone:>5} {bar}")
    lines = sum(row[1] for row in rows), sum(row[2] for row in rows)
    words = f"{count(len(rows), 'file')}, {lines[0]:,} lines more, {lines[1]:,} less"
    click.echo(inked(f"  {words}", "quiet"))


def say_patch(history: FileHistory, found: tuple[PathDifference, ...]) -> None:
    """Print what differs as a unified diff."""
    for each in found:
        for line in patch(history, each):
            click.echo(inked(clean(line), TONES.get(line[:1], "plain")))


def patch(history: FileHistory, each: PathDifference) -> Iterator[str]:
    """Yield the lines of a unified diff of one path; words in brackets where it has no lines."""
    path = path_name(each.path)
    before, after = _text(history, each.path, each.before), _text(history, each.path, each.after)
    if before is None or after is None or before == after:
        yield f"({path}: {each.change}{_aside(each)})"
        return
    old = f"a/{path}" if each.before is not None else "/dev/null"
    new = f"b/{path}" if each.after is not None else "/dev/null"
    yield from difflib.unified_diff(before, after, old, new, lineterm="")
    if _mode_changed(each):
        yield f"({path}:{_aside(each)})"


def _text(history: FileHistory, path: str, entry: Entry | None) -> list[str] | None:
    """Return the lines of ``entry``; none of what isn't there, None where it has no lines."""
    if entry is None:
        return []
    if entry.kind not in ("file", "link") or entry.size > PATCH_BYTES_MAX:
        return None
    try:
        return b"".join(history.bytes_of(path, entry)).decode().splitlines()
    except (UnicodeDecodeError, BadInput):
        return None


def _counted(history: FileHistory, each: PathDifference) -> tuple[int, int]:
    # The first two lines name the files; what begins with a bracket is no line of a file.
    lines = [*patch(history, each)][2:]
    return sum(line.startswith("+") for line in lines), sum(line.startswith("-") for line in lines)


def _bar(number: int, most: int) -> int:
    return number if most <= BAR_CHARACTERS else -(-number * BAR_CHARACTERS // most)


def _is_dir(each: PathDifference) -> bool:
    return all(entry is None or entry.kind == "dir" for entry in (each.before, each.after))


def _mode_changed(each: PathDifference) -> bool:
    return each.before is not None and each.after is not None and each.before.mode != each.after.mode


def _aside(each: PathDifference) -> str:
    before, after = each.before, each.after
    if before is None or after is None:
        kind = (before or after or Entry(b"", "file")).kind
        return "" if kind == "file" else f"  {kind}"
    if before.kind != after.kind:
        return f"  {before.kind} -> {after.kind}"
    if before.mode != after.mode:
        return f"  mode {before.mode:04o} -> {after.mode:04o}"
    if before.owner != after.owner:
        return f"  owner {before.owner} -> {after.owner}"
    return "" if before.content != after.content or before.kind == "dir" else "  attributes"
