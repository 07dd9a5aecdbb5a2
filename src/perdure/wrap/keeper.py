"""``python -m perdure.wrap.keeper``: the process that holds the run of one wrapped session, from its start to its end.

A client waits for the first, and its user's prompt for the second, so both are short: nothing that loads is garbage yet,
and at the end all is on disk and closed, so that the interpreter needn't take itself apart.
"""

import gc
import os
import signal
import sys
from importlib import import_module
from typing import Final, NoReturn

SERVERS: Final = "--servers"
"""Says that there will be some: what they need is loaded while the wrapper is still busy with the client."""

_SWITCH_SECONDS: Final = 0.0005
"""As in a gateway of its own: the thread that writes the log gives the interpreter back, and takes it, for each row."""


def main() -> NoReturn:
    """Keep one session, and end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.disable()
    from perdure.wrap.custody import kept  # noqa: PLC0415 - loaded without looks for garbage, a fifth of the time

    if SERVERS in sys.argv:
        import_module("perdure.wrap.serving")
    code = kept()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
