"""The third scene: an agent of somebody else's works through a gateway, which is killed, and at last taken away.

    perdure demo window [--keep DIR] [--json]

The agent, its shell, the gateway and its log are real; the provider is a script that refuses what providers refuse,
signs what they sign, keeps a prompt cache and bills. The same work is done without perdure first, and every figure is
from the provider's side.
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

from perdure.demo.window_seen import Seen

PROMISED, BROKEN, INTERRUPTED = 0, 4, 130
NEEDED: Final = ("aiohttp", "genai_prices")
"""The extra `gateway`. What needs it is imported only when it is there."""


class Chosen(argparse.Namespace):
    """What the command line says."""

    json: bool
    keep: Path | None


_Shown = Callable[[Path, TextIO], Seen | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it, and say whether it was as promised."""
    parser = argparse.ArgumentParser(prog="perdure demo window", description="What a gateway does.")
    parser.add_argument("--json", action="store_true", help="one line of figures on standard output")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the repository and the log there")
    chosen = parser.parse_args(arguments, namespace=Chosen())
    if not all(find_spec(name) for name in NEEDED):
        parser.error("the gateway's parts aren't installed: pip install 'perdure[gateway]'")
    with ExitStack() as stack:
        folder = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-demo-")))
        if chosen.keep and any(folder.glob("*")):
            parser.error(f"--keep: {folder} is not empty")
        folder.mkdir(parents=True, exist_ok=True)
        shown = cast("_Shown", import_module("perdure.demo.window_scene").shown)
        seen = shown(folder.absolute(), sys.stderr if chosen.json else sys.stdout)
    if chosen.json and seen is not None:
        print(msgspec.json.encode(seen).decode())
    return PROMISED if seen is not None and seen.promised else BROKEN


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
