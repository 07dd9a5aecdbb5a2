"""``files``, ``blame``, ``export``: a run's files at any position, and why they are as they are."""

import stat
import sys
from pathlib import Path
from typing import Final

import click

from perdure.assembly.files.exporting import Exported, export_commit, export_tree
from perdure.assembly.files.history import Line, Origin, within
from perdure.assembly.stores.addresses import Address
from perdure.checkpoint.tree import Entry, decoded, spelled
from perdure.cli.drawing.ink import Tone, clean, count, inked, one_line, path_name, size
from perdure.cli.ending import FINISHED
from perdure.cli.options import example, json_option, run_argument, store_option
from perdure.cli.out import put
from perdure.cli.place import Place, opened
from perdure.values.digest import Json

SIGNS: Final[dict[str, str]] = {
    "dir": "d",
    "link": "l",
    "fifo": "p",
    "special": "s",
    "secret": "!",
    "left": "…",
}
TONES: Final[dict[str, Tone]] = {"dir": "head", "link": "model", "secret": "ask", "left": "quiet"}
ORIGIN_CHARACTERS: Final = 46
"""What stands before a line of a file: enough for a tool and what it did, little enough beside 80 columns of code."""


def at_option(command: click.decorators.FC) -> click.decorators.FC:
    """Add ``--at``."""
    return click.option(
        "--at", "position", metavar="N", type=click.IntRange(min=1), help="The position [default: the end]."
    )(command)


@click.command(epilog=example("perdure files code", "perdure files code src --at 18"))
@run_argument
@click.argument("folder", metavar="[PATH]", default="")
@at_option
@store_option
@json_option
def files(*, run: str, folder: str, position: int | None, store: Address | None, as_json: bool) -> int:
    """List the files of RUN as they were at a position: mode, size, and how they are kept.

    What a rule leaves out and what is declared secret is listed as such: neither can be put back.
    """
    prefix = within(folder)
    with opened(store) as place:
        history = place.store.files
        here = history.at(run, position)
        if prefix:
            history.entry(run, prefix, position)
        shown = (
            (path, entry)
            for path, entry in history.paths(run, position)
            if not prefix or path == prefix or path.startswith(f"{prefix}/")
        )
        if as_json:
            listed: list[Json] = [_shape(path, entry) for path, entry in shown]
            put({"run": run, "at": position, "tree": here.tree, "recorded": here.recorded, "files": listed})
            return FINISHED
        known = 0
        for path, entry in shown:
            known += entry.kind == "file"
            click.echo(_row(path, entry))
    click.echo(
        inked(f"{count(known, 'file')}, tree {here.tree[:12]}, recorded at {here.recorded}", "quiet"),
        err=True,
    )
    return FINISHED


def _row(path: str, entry: Entry) -> str:
    sign = SIGNS.get(entry.kind, "-")
    mode = f"{sign}{stat.filemode(entry.mode)[1:]}"
    amount = size(entry.size) if entry.kind in ("file", "secret") else ""
    aside = _aside(entry)
    name = inked(path_name(path), TONES.get(entry.kind, "plain"))
    return f"{inked(mode, 'quiet')} {amount:>10}  {name}{inked(aside, 'quiet')}"


def _aside(entry: Entry) -> str:
    match entry.kind:
        case "link":
            return f" -> {path_name(decoded(entry.content))}"
        case "hard":
            return f" = {path_name(decoded(entry.content))}"
        case "left":
            return f"  left out: {path_name(decoded(entry.content))}"
        case "secret":
            return "  secret: its digest is recorded, its content isn't"
        case "special":
            return "  socket or device: not recorded"
        case _:
            return ""


def _shape(path: str, entry: Entry) -> dict[str, Json]:
    text = entry.kind in ("link", "hard", "left")
    return {
        "path": spelled(path),
        "kind": entry.kind,
        "mode": f"{entry.mode:04o}",
        "size": entry.size,
        "content": spelled(decoded(entry.content)) if text else entry.content.hex(),
    }


def show_file(place: Place, run: str, path: str, position: int | None, *, as_json: bool) -> int:
    """Write the file's bytes to standard output as they are, or what is known of it."""
    history = place.store.files
    if as_json:
        put({"run": run, "at": position, **_shape(path, history.entry(run, path, position))})
        return FINISHED
    out = sys.stdout.buffer
    for piece in history.content(run, path, position):
        out.write(piece)
    out.flush()
    return FINISHED


@click.command(epilog=example("perdure blame code src/greet.py", "perdure blame code src/greet.py --at 40"))
@run_argument
@click.argument("path", metavar="FILE")
@at_option
@store_option
@json_option
def blame(*, run: str, path: str, position: int | None, store: Address | None, as_json: bool) -> int:
    """Say of each line of FILE why it is there: position, turn, tool, and the reply that it came from.

    Lines that were there when the run began are marked so, and so are those that nobody's tool has written.
    """
    with opened(store) as place:
        lines = place.store.files.blame(run, path, position)
    if as_json:
        put({"run": run, "path": path, "at": position, "lines": [_line_shape(line) for line in lines]})
        return FINISHED
    width = len(str(len(lines)))
    before = ""
    for line in lines:
        words = _origin_words(line.origin)
        # An origin is said once for a block of lines: the eye finds where one ends.
        shown = words if words != before else ""
        before = words
        tone: Tone = (
            "quiet"
            if line.origin.by in ("start", "put back")
            else "doubt"
            if line.origin.by == "unknown"
            else "model"
        )
        number = inked(str(line.number).rjust(width), "quiet")
        click.echo(
            f"{inked(one_line(shown, ORIGIN_CHARACTERS).ljust(ORIGIN_CHARACTERS), tone)} {number} {clean(line.text)}"
        )
    return FINISHED


def _origin_words(origin: Origin) -> str:
    match origin.by:
        case "start":
            return "from before the run"
        case "put back":
            return f"{origin.position}  put back"
        case "unknown":
            return f"{origin.position}  by nobody's tool"
        case "client":
            return f"{origin.position}  turn {origin.turn}: the client"
        case "several":
            return f"{origin.position}  several actions at once"
        case _:
            turn = f"turn {origin.turn}, reply {origin.replied}: " if origin.turn else ""
            return f"{origin.position}  {turn}{origin.tool} {origin.what}".rstrip()


def _line_shape(line: Line) -> dict[str, Json]:
    told = line.origin
    return {
        "line": line.number,
        "text": line.text,
        "by": told.by,
        "position": told.position,
        "turn": told.turn,
        "intention": told.proposed,
        "reply": told.replied,
        "tool": told.tool,
        "what": told.what,
        "key": told.key,
    }


@click.command(
    epilog=example(
        "perdure export code ./as-it-was --at 18",
        "perdure export code state.tar --at 18",
        "perdure export code ./elsewhere.git --git",
    )
)
@run_argument
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path))
@at_option
@click.option("--git", "as_commit", is_flag=True, help="TARGET is a git repository of its own: add a commit.")
@store_option
@json_option
def export(
    *, run: str, target: Path, position: int | None, as_commit: bool, store: Address | None, as_json: bool
) -> int:
    """Write the files of RUN at a position elsewhere: a new directory, a .tar file, or a git commit.

    The workspace, and any repository in it, stay as they are.
    """
    with opened(store) as place:
        here = place.store.files.at(run, position)
        state = place.store.state(run, position)
        words = f"{run} at {state.position}"
        books = place.store.books
        done = (
            export_commit(
                books, here.tree, target, branch=run, words=words, at=state.at, workspace=Path(state.root)
            )
            if as_commit
            else export_tree(books, here.tree, target)
        )
    if as_json:
        put({"run": run, "at": position, "tree": here.tree, "target": str(target), **_exported(done)})
        return FINISHED
    click.echo(
        f"{inked('✓', 'good', bold=True)} {words} is in {target}{f' as commit {done.commit[:12]}' if done.commit else ''}"
    )
    for note in done.notes:
        click.echo(f"  {inked('!', 'doubt')} {clean(note)}")
    return FINISHED


def _exported(done: Exported) -> dict[str, Json]:
    return {"commit": done.commit or None, "notes": list(done.notes)}
