"""``perdure`` on a machine whose clock is ahead: a pause of minutes, seen in no time.

    python -m perdure.demo.window_clock SECONDS gateway ...

Only the clock differs. What runs is the command line as it is.
"""

import runpy
import sys
import time


def main() -> None:
    """Set the clock ahead, and go on as ``python -m perdure.cli``."""
    ahead = int(sys.argv.pop(1)) * 1_000_000_000
    told = time.time_ns

    def later() -> int:
        return told() + ahead

    time.time_ns = later
    runpy.run_module("perdure.cli", run_name="__main__")


if __name__ == "__main__":
    main()
