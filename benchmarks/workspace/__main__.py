"""`make bench-workspace`: what checkpoints cost, written into benchmarks/RESULTS.md; `--full` takes half an hour."""

import sys
import time

from benchmarks.evidence_core import say
from benchmarks.workspace.figures import FULL, QUICK, measure_cost
from benchmarks.workspace.page import write_section
from benchmarks.workspace.setup import restic_installed


def main() -> None:
    """Measure and write."""
    began = time.perf_counter()
    if why := restic_installed():
        say(why)
    full = "--full" in sys.argv[1:]
    cost = measure_cost(FULL if full else QUICK, say)
    print(write_section(cost, time.perf_counter() - began, full=full))


if __name__ == "__main__":
    main()
