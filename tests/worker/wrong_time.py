"""A worker whose wall clock is off by the nanoseconds in a file, from moment to moment; the database's is right.

Broken builds: ``PERDURE_TEST_OWN`` goes by its own clock, ``PERDURE_TEST_BLIND`` doesn't even compare it.
"""

import os
import time
from pathlib import Path

from perdure.worker import surveying
from perdure.worker.clocks import FleetClock
from tests.worker import agents

_right = time.time_ns
_FILE = Path(os.environ["PERDURE_TEST_CLOCK"])


def _wrong() -> int:
    return _right() + int(_FILE.read_text(encoding="utf-8") or 0)


time.time_ns = _wrong
surveying.SURVEYS = "PERDURE_TEST_BLIND" not in os.environ
if not surveying.SURVEYS or "PERDURE_TEST_OWN" in os.environ:
    # A build that goes by its own clock.
    setattr(FleetClock, "told", lambda *_, **__: None)  # noqa: B010
doer = agents.doer
