"""The fourth scene: a client that perdure doesn't know, alone and wrapped, killed in the middle of its payments.

    perdure demo wrap [--keep DIR] [--json]

The client, its shell, its servers, the wrapper and its keeper are real processes; the provider is a script that refuses
what providers refuse. Every figure is from the servers' ledgers, the log, and what arrived at the provider.
"""

import sys
from collections.abc import Sequence
from typing import Final

from perdure.demo.stage import INTERRUPTED, Play, staged

PLAY: Final = Play(
    name="perdure demo wrap",
    about="Around an agent that you have.",
    keeps="the books, the ledgers and the log",
    module="perdure.demo.wrap_scene",
    needs=("aiohttp", "mcp"),
    missing="the parts of wrap aren't installed: pip install 'perdure[gateway,mcp]'",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it, and return whether it was as promised."""
    return staged(PLAY, arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
