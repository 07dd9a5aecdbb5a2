"""``perdure`` with one fault of the wrapper's in it, for the harness to catch: ``python broken.py FAULT WORDS...``."""

import os
import signal
import sys
from collections.abc import Callable

from perdure.cli import main
from perdure.wrap import foreground, leash


def own_group() -> None:
    """The client stands in a group of its own, as one started by a careless wrapper does: Ctrl-C passes it by."""
    tied = leash.death_tie

    def tie() -> Callable[[int], None]:
        inner = tied()

        def apart(parent: int) -> None:
            os.setpgid(0, 0)
            inner(parent)

        return apart

    leash.death_tie = tie


def own_interrupt() -> None:
    """Ctrl-C ends the wrapper, whatever its client makes of it."""
    entered = foreground.Signals.__enter__

    def enter(self: foreground.Signals) -> foreground.Signals:
        made = entered(self)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        return made

    foreground.Signals.__enter__ = enter


FAULTS = {"own-group": own_group, "own-interrupt": own_interrupt}

if __name__ == "__main__":
    fault, *rest = sys.argv[1:]
    FAULTS[fault]()
    sys.argv = ["perdure", *rest]
    sys.exit(main())
