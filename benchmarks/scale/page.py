"""The section on PostgreSQL of benchmarks/RESULTS.md, written from a measurement."""

import os
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.parts import Figures
from benchmarks.probes import machine
from benchmarks.scale.turns import MANY, OURS, PAYLOAD_BYTES, SIZES
from benchmarks.sections import replaced

HEADING: Final = "## PostgreSQL"
RESULTS: Final = Path(__file__).parents[1] / "RESULTS.md"
GOAL: Final = 5.0

_DURABLE: Final = """\
A turn is the same for all: the model's reply and with it the promise of the effect durable before the tool starts, the
tool's outcome durable before the model is asked again; model and tool cost nothing. One PostgreSQL server, `fsync` and
`synchronous_commit` on; how often one turn of one run waits for the disk is the server's own count of syncs.

- perdure: two commits. The reply, what was decided on it, the claim of the effect's key and its promise; then the
  outcome, the claim's end and the next request. Each event is chained by digest, written by the one holder of a lease.
- DBOS: two steps, each of whose outputs is committed before the next begins. That a step begins is not written, so
  after a crash the tool runs again.
- LangGraph (`durability="sync"`): a node's writes and the checkpoint after it, twice: four commits. `tasks` keeps
  messages as the documentation does and writes the whole list each time; `threads-delta` is its DeltaChannel (beta).
"""

_COLUMNS: Final = (
    ("turns/s", "turns_per_s", 0),
    ("p50", "turn_ms_median", 1),
    ("p99", "turn_ms_p99", 1),
    ("client CPU", "client_cpu_ms_per_turn", 2),
    ("server CPU", "server_cpu_ms_per_turn", 2),
    ("WAL bytes", "wal_bytes_per_turn", 0),
)


def write_section(figures: Figures, parts: dict[str, float], seconds: float) -> str:
    """Put the section in place of the old one; return it."""
    text = section_of(figures, parts, seconds)
    RESULTS.write_text(replaced(RESULTS.read_text(), HEADING, text))
    return text


def section_of(figures: Figures, parts: dict[str, float], seconds: float) -> str:
    """Return the section."""
    about = machine()
    lines = [
        HEADING,
        "",
        (
            f"Written by `make bench-scale` on {datetime.now(UTC):%Y-%m-%d}, {seconds:.0f} s, on {about['cpu']}, {about['cores']} "
            f"cores that client and server share, {about['kernel']}, {about['filesystem']}, Python {about['python']}, PostgreSQL "
            f"{figures['durability']['server_version']}. {PAYLOAD_BYTES} bytes of new text a turn. Medians; each round measures "
            "perdure and every peer in turn, each in one process. "
            f"At the end {os.getloadavg()[0]:.0f} processes wanted the cores: beyond 2, others disturbed all of this."
        ),
        "",
        _DURABLE,
        *_goals(figures),
        *(line for runs in SIZES for line in _table(runs, figures["turn_reports"][runs])),
        *_profile(parts),
    ]
    return "\n".join(lines)


def _goals(figures: Figures) -> list[str]:
    def met(ratio: float) -> str:
        return "met" if ratio >= GOAL else "not met"

    rows = [
        (
            f"turns/s against DBOS, {MANY} runs",
            f"{figures['x_dbos_32']:.1f}x",
            f"5x: {met(figures['x_dbos_32'])}",
        ),
        (
            f"turns/s against LangGraph's quickest, {MANY} runs",
            f"{figures['x_langgraph_32']:.1f}x",
            f"5x: {met(figures['x_langgraph_32'])}",
        ),
        (
            f"turns/s against LangGraph as documented, {MANY} runs",
            f"{figures['x_langgraph_documented_32']:.1f}x",
            "",
        ),
        ("client CPU of a turn against DBOS", f"{figures['x_dbos_32_cpu']:.1f}x", ""),
        ("client CPU of a turn against LangGraph's quickest", f"{figures['x_langgraph_32_cpu']:.1f}x", ""),
        (
            "throughput per run, 4 workers against 1, a model of 2 s",
            f"{figures['workers_4_over_1']:.2f}",
            "0.9",
        ),
        ("a killed worker's run is leased again", f"{figures['takeover_s']:.2f} s", ""),
        ("cold start of a worker", f"{figures['cold_start_s']:.2f} s", ""),
        (
            f"post to lease, {figures['parked_runs']:,} parked runs there (none there)",
            f"{figures['claim_ms_parked']:.0f} ms ({figures['claim_ms_empty']:.0f})",
            "",
        ),
        (
            "due time to lease, the same",
            f"{figures['wake_ms_parked']:.0f} ms ({figures['wake_ms_empty']:.0f})",
            "",
        ),
        (
            "tables with them, MB",
            ", ".join(f"{name} {size}" for name, size in figures["parked_table_mb"].items()),
            "",
        ),
        (
            "feed: batches missed; lag in the median",
            f"{figures['feed_missed']}; {figures['feed_lag']:.2f} s",
            "0",
        ),
    ]
    return ["| what | figure | goal |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows), ""]


def _table(runs: int, rounds: Sequence[dict[str, dict[str, Any]]]) -> list[str]:
    turns = SIZES[runs]
    lines = [
        f"{runs} run{'s' * (runs > 1)} of {turns} turns, milliseconds and bytes a turn:",
        "",
        "| | " + " | ".join(name for name, _, _ in _COLUMNS) + " | waits for the disk |",
        "|---|" + "---|" * (len(_COLUMNS) + 1),
    ]
    for name in rounds[0]:
        cells = [
            f"{statistics.median(each[name][key] for each in rounds):.{digits}f}"
            for _, key, digits in _COLUMNS
        ]
        syncs = next(
            (held for each in rounds if (held := each[name]["durability"].get("syncs_per_turn"))), ""
        )
        shown = "perdure" if name == " ".join(OURS) else name.replace("_postgres", "")
        lines.append(f"| {shown} | {' | '.join(cells)} | {syncs} |")
    return [*lines, ""]


def _profile(parts: dict[str, float]) -> list[str]:
    return [
        f"Where the client's CPU of a turn goes, {MANY} runs, milliseconds:",
        "",
        "| part | ms |",
        "|---|---|",
        *(f"| {label} | {ms:.2f} |" for label, ms in parts.items()),
        "",
    ]
