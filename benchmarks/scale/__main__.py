"""`make bench-scale`: turns, parked runs and workers on PostgreSQL, written into benchmarks/RESULTS.md."""

import sys
import time

from benchmarks.evidence_scale import ROUNDS, feed, parked, workers
from benchmarks.parts import say
from benchmarks.scale.page import write_section
from benchmarks.scale.sizing.measuring import measure
from benchmarks.scale.turns import MANY, SIZES, turn_figures, undisturbed
from benchmarks.turns import Timed, measure_parts
from perdure.adapters.postgres.writing.group import Group
from perdure.adapters.postgres.writing.writer import Writer

IN_POSTGRES: tuple[Timed, ...] = (
    (Group, "look", "first round trip (locks, reads)"),
    (Group, "judge", "judging batches"),
    (Group, "write", "second round trip (writes, commit, notice)"),
    (Group, "answer", "answering"),
    (Writer, "enqueue", "compressing and queueing"),
)


def main() -> None:
    """Measure and write the section."""
    began = time.perf_counter()
    with undisturbed() as server:
        say("turns")
        figures = turn_figures(server, ROUNDS, say)
        say("parts of a turn")
        parts = measure_parts(
            server.database("parts"), runs=MANY, turns=SIZES[MANY], parts_of_store=IN_POSTGRES
        )
    for part in (feed, parked, workers):
        say(part.__name__)
        figures |= part()
    say("what plans are made from")
    measure(figures["takeover_s"])
    print(write_section(figures, parts, time.perf_counter() - began))


if __name__ == "__main__":
    sys.exit(main())
