"""How a command ends: its exit code, and what is said of an error. No traceback for errors of ours."""

import os
import sys
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Final, NamedTuple, TextIO, cast

import click

from perdure.cli.drawing.ink import clean, inked
from perdure.values import errors

FINISHED: Final = 0
WRONG_USE: Final = 2
WAITING: Final = 3
FAILED: Final = 4
HELD: Final = 5
STOPPED: Final = 130
"""What shells say of a process that Ctrl-C ended."""


class Complaint(NamedTuple):
    """An error as people and programs are told of it."""

    code: str
    message: str
    hint: str
    exit_code: int


def ended(work: Callable[[], object], *, as_json: bool) -> int:
    """Return the exit code of ``work``; an error is told on stderr, or as JSON on stdout."""
    _make_writable()
    try:
        code = work()
    except click.ClickException as error:
        return _tell(_misuse(error), as_json=as_json)
    except errors.PerdureError as error:
        if os.environ.get("PERDURE_TRACE"):
            traceback.print_exc()
        return _tell(complaint_of(error), as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return STOPPED
    return code if isinstance(code, int) else FINISHED


def complaint_of(error: errors.PerdureError) -> Complaint:
    """Return ``error`` as it is told."""
    return Complaint(error.code, str(error), error.hint, _exit_code(error))


def _exit_code(error: errors.PerdureError) -> int:
    match error:
        case errors.Held() | errors.Fenced():
            return HELD
        case errors.FixTheCall():
            return WRONG_USE
        case errors.AskSomeone():
            return WAITING
        case _:
            return FAILED


def _misuse(error: click.ClickException) -> Complaint:
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "perdure"
    return Complaint(errors.BadInput.code, error.format_message(), f"see `{path} --help`", WRONG_USE)


def _tell(complaint: Complaint, *, as_json: bool) -> int:
    if as_json:
        import msgspec  # noqa: PLC0415 - help doesn't need it

        said = {"code": complaint.code, "message": complaint.message, "hint": complaint.hint}
        click.echo(msgspec.json.encode({"error": said}))
    click.echo(f"{inked('perdure:', 'bad', bold=True)} {clean(complaint.message)}", err=True)
    click.echo(f"  {inked('try', 'model')}   {clean(complaint.hint)}", err=True)
    page = f"docs/errors/{complaint.code}.md"
    click.echo(inked(f"  {complaint.code}  {page}", "quiet"), err=True)
    return complaint.exit_code


def _make_writable() -> None:
    """Output that is closed goes nowhere, and a character that can't be shown becomes '?': no crash."""
    for name in ("stdout", "stderr"):
        stream = cast("TextIO | None", getattr(sys, name))
        if stream is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
            setattr(sys, name, nowhere)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
