"""`make evidence-scale`: everything that a fleet on PostgreSQL must show, measured now; the last line is one JSON object.

Parts run one after the other, so that none disturbs another's figures; each says on stderr what it does. A part that
can't be measured leaves its keys null, says why, and the whole ends with an error: a figure is measured in this run
or not printed at all. `python -m benchmarks.evidence_scale turns parked` measures only the parts whose names hold
one of these words.
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.parts import Figures, Part, measured, say
from benchmarks.scale.turns import undisturbed

ROUNDS: Final = 3
ADDED: Final = ("failovers", "lost", "duplicates", "needless_stops", "broken_builds_caught")
"""What stories of failovers and chaos both count."""


def turns() -> Figures:
    """Durable turns beside DBOS and LangGraph."""
    from benchmarks.scale.turns import turn_figures

    with undisturbed() as server:
        found = turn_figures(server, ROUNDS, say)
    found.pop("turn_reports")
    return found


def careless() -> Figures:
    """A build of ours that doesn't wait for the disk: whether the meter of turns notices."""
    from benchmarks.scale.turns import unsynced_caught

    with undisturbed() as server:
        return {"unsynced_build_caught": unsynced_caught(server)}


def feed() -> Figures:
    """The feed under writers that commit out of order, beside two broken ones."""
    from benchmarks.scale.feed import measured as feed_measured

    with undisturbed() as server:
        return feed_measured(server, seconds=5)._asdict()


def parked() -> Figures:
    """Latency with a million parked runs there."""
    from benchmarks.scale.parked import parked_figures

    with undisturbed() as server:
        return parked_figures(server, say)


def workers() -> Figures:
    """A fleet that grows, and processes that die."""
    from benchmarks.scale.workers import worker_figures

    with undisturbed() as server:
        return worker_figures(server, say)


def faults() -> Figures:
    """Failovers told one by one, then a fleet under faults, and both with broken builds; what both count is added up."""
    from benchmarks.scale.chaos.figures import chaos_figures
    from benchmarks.scale.failover import failovers

    with tempfile.TemporaryDirectory(prefix="failover-") as place:
        told: Figures = dict(failovers(Path(place)))
    say(f"  failovers: {told}")
    found = chaos_figures(say=say)
    # Takeovers are timed by themselves as well, with nothing else going on.
    found["chaos_takeover_s"] = found.pop("takeover_s", None)
    return {**told, **found, **{name: told[name] + found[name] for name in ADDED if name in found}}


def histories() -> Figures:
    """What concurrent clients saw of one store, explained by one writer for each run, or not."""
    from benchmarks.scale.history.recording import history_figures

    return history_figures()


PARTS: tuple[Part, ...] = (
    (
        "turns on PostgreSQL, beside DBOS and LangGraph",
        turns,
        ("x_dbos_32", "x_langgraph_32", "turn_ms_p99", "wal_bytes_per_turn", "syncs_per_turn"),
    ),
    ("turns of a build that doesn't wait for the disk", careless, ("unsynced_build_caught",)),
    ("the feed of all runs", feed, ("feed_missed", "feed_lag")),
    (
        "a million parked runs",
        parked,
        ("parked_runs", "claim_ms_parked", "claim_ms_empty", "wake_ms_parked", "wake_ms_empty"),
    ),
    (
        "workers, one and four, killed and started",
        workers,
        ("workers_4_over_1", "takeover_s", "cold_start_s"),
    ),
    ("histories of concurrent writers", histories, ("history_unexplained", "history_broken_caught")),
    (
        "failovers and chaos",
        faults,
        (
            "async_promotion_detected",
            "workers",
            "runs",
            "faults",
            "faults_in_flight",
            "failovers",
            "lost",
            "duplicates",
            "stranded",
            "needless_stops",
            "stale_writes_accepted",
            "broken_builds_caught",
        ),
    ),
)


def main() -> None:
    """Measure everything, or what is named, and print it."""
    asked = sys.argv[1:]
    measured([part for part in PARTS if not asked or any(word in part[0] for word in asked)])


if __name__ == "__main__":
    main()
