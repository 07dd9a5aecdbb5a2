"""How a scene with parts of its own is shown: where it is kept, what it needs, and how it ends."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TextIO, cast

import msgspec

PROMISED: Final = 0
BROKEN: Final = 4
INTERRUPTED: Final = 130


class Figures(Protocol):
    """What came of a scene."""

    promised: bool


class Play(NamedTuple):
    """One scene."""

    name: str
    """of the command that shows it"""
    about: str
    keeps: str
    """what ``--keep`` keeps"""
    module: str
    """where ``shown`` is; it is imported only when what it needs is there"""
    needs: tuple[str, ...]
    missing: str
    """what is said where it isn't"""


class Chosen(argparse.Namespace):
    """What the command line says."""

    json: bool
    keep: Path | None


_Shown = Callable[[Path, TextIO], Figures | None]


def staged(play: Play, arguments: Sequence[str] | None = None) -> int:
    """Show the scene, and return whether it was as promised."""
    parser = argparse.ArgumentParser(prog=play.name, description=play.about)
    parser.add_argument("--json", action="store_true", help="one line of figures on standard output")
    parser.add_argument("--keep", type=Path, metavar="DIR", help=f"keep {play.keeps} there")
    chosen = parser.parse_args(arguments, namespace=Chosen())
    if not all(find_spec(name) for name in play.needs):
        parser.error(play.missing)
    with ExitStack() as stack:
        folder = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-demo-")))
        if chosen.keep and any(folder.glob("*")):
            parser.error(f"--keep: {folder} is not empty")
        folder.mkdir(parents=True, exist_ok=True)
        shown = cast("_Shown", import_module(play.module).shown)
        seen = shown(folder.absolute(), sys.stderr if chosen.json else sys.stdout)
    if chosen.json and seen is not None:
        print(msgspec.json.encode(seen).decode())
    return PROMISED if seen is not None and seen.promised else BROKEN
