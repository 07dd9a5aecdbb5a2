"""The third scene: an agent of somebody else's works through a gateway, which is killed, and at last taken away.

    perdure demo window [--keep DIR] [--json]

The agent, its shell, the gateway and its log are real; the provider is a script that refuses what providers refuse,
signs what they sign, keeps a prompt cache and bills. The same work is done without perdure first, and every figure is
from the provider's side.
"""

import sys
from collections.abc import Sequence
from typing import Final

from perdure.demo.stage import INTERRUPTED, Play, staged

PLAY: Final = Play(
    name="perdure demo window",
    about="What a gateway does.",
    keeps="the repository and the log",
    module="perdure.demo.window_scene",
    needs=("aiohttp", "genai_prices"),
    missing="the gateway's parts aren't installed: pip install 'perdure[gateway]'",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it, and return whether it was as promised."""
    return staged(PLAY, arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
