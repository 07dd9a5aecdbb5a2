"""A worker whose wall clock is off by the nanoseconds in a file, from moment to moment; the database's is right."""

import os
import time
from pathlib import Path

from perdure.worker import surveying
from tests.worker import agents

_right = time.time_ns
_FILE = Path(os.environ["PERDURE_TEST_CLOCK"])


def _wrong() -> int:
    return _right() + int(_FILE.read_text(encoding="utf-8") or 0)


time.time_ns = _wrong
surveying.SURVEYS = "PERDURE_TEST_BLIND" not in os.environ
doer = agents.doer
