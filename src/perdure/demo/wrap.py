"""The fourth scene: a client that perdure doesn't know, alone and wrapped, killed in the middle of its payments.

    perdure demo wrap [--keep DIR] [--json]

The client, its shell, its servers, the wrapper and its keeper are real processes; the provider is a script that refuses
what providers refuse. Every figure is from the servers' ledgers, the log, and what arrived at the provider.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TextIO, cast

import msgspec

from perdure.demo.wrap_seen import Seen

PROMISED, BROKEN, INTERRUPTED = 0, 4, 130
NEEDED: Final = ("aiohttp", "mcp")
"""Of the extras `gateway` and `mcp`. What needs them is imported only when they are there."""


class Chosen(argparse.Namespace):
    """What the command line says."""

    json: bool
    keep: Path | None


_Shown = Callable[[Path, TextIO], Seen | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it, and say whether it was as promised."""
    parser = argparse.ArgumentParser(prog="perdure demo wrap", description="Around an agent that you have.")
    parser.add_argument("--json", action="store_true", help="one line of figures on standard output")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the books, the ledgers and the log there"
    )
    chosen = parser.parse_args(arguments, namespace=Chosen())
    if not all(find_spec(name) for name in NEEDED):
        parser.error("the parts of wrap aren't installed: pip install 'perdure[gateway,mcp]'")
    with ExitStack() as stack:
        folder = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-demo-")))
        if chosen.keep and any(folder.glob("*")):
            parser.error(f"--keep: {folder} is not empty")
        folder.mkdir(parents=True, exist_ok=True)
        shown = cast("_Shown", import_module("perdure.demo.wrap_scene").shown)
        seen = shown(folder.absolute(), sys.stderr if chosen.json else sys.stdout)
    if chosen.json and seen is not None:
        print(msgspec.json.encode(seen).decode())
    return PROMISED if seen is not None and seen.promised else BROKEN


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
