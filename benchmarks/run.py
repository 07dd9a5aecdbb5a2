"""`make bench`: durable turns, long logs and bytes, written to benchmarks/RESULTS.md."""

import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.evidence_core import long_log, say
from benchmarks.probes import machine
from benchmarks.scale.page import HEADING as SCALE
from benchmarks.sections import section
from benchmarks.speed import MANY, MANY_TURNS, PAYLOAD_BYTES, disk_figures, speed_figures
from benchmarks.turns import measure_parts
from benchmarks.workspace.page import kept_section

ROUNDS = 3
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    """Measure and write the page."""
    began = time.perf_counter()
    speed = speed_figures(ROUNDS, say)
    say("bytes on disk")
    disk = disk_figures()
    say("a log of a million events")
    log = long_log()
    with tempfile.TemporaryDirectory() as place:
        parts = measure_parts(Path(place) / "parts")
    page = _page(speed, disk, log, parts, time.perf_counter() - began)
    # What others have measured stays as they wrote it.
    old = RESULTS.read_text()
    kept = (section(old, SCALE).rstrip() + "\n", kept_section(old))
    RESULTS.write_text("\n".join((page, *kept)).rstrip() + "\n")
    print(page)


def _page(
    speed: dict[str, Any],
    disk: dict[str, float],
    log: dict[str, Any],
    parts: dict[str, float],
    seconds: float,
) -> str:
    about = machine()
    rates: dict[str, list[float]] = {}
    for each in speed["rounds"]:
        rates.setdefault("perdure", []).append(each["many"]["turns_per_s"])
        for peer, rate in each["peers"].items():
            rates.setdefault(peer, []).append(rate)
    lines = [
        "# Results",
        "",
        (
            f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}, {seconds:.0f} s, on {about['cpu']}, {about['cores']} cores, "
            f"{about['kernel']}, {about['filesystem']}, Python {about['python']}. Medians of {ROUNDS} rounds, each round "
            "measuring the bare disk, perdure and every peer in turn. Shared machines are noisy: trust the ratios."
        ),
        "",
        "## A durable turn with one effect",
        "",
        f"Two durable commits a turn, {PAYLOAD_BYTES} bytes of new text, `synchronous=FULL` for all.",
        "",
        "| what | figure | goal |",
        "|---|---|---|",
        (
            f"| turn, one run | {speed['turn_ms']:.2f} ms | {2 * speed['two_fdatasync_ms'] + 0.5:.2f} ms: "
            "twice the disk and 0.5 ms |"
        ),
        f"| two appends with fdatasync | {speed['two_fdatasync_ms']:.2f} ms | |",
        f"| CPU per turn, {MANY} runs | {speed['turn_cpu_ms']:.2f} ms | |",
        f"| against LangGraph, {MANY} runs | {speed['x_langgraph_32']:.1f}x | 5x |",
        f"| against DBOS, {MANY} runs | {speed['x_dbos_32']:.1f}x | 5x |",
        f"| against eventsourcing, {MANY} runs | {speed['x_eventsourcing_32']:.1f}x | above 1x |",
        f"| bytes on disk per turn | {disk['disk_bytes_per_turn']:.0f} | {PAYLOAD_BYTES + 2048} |",
        f"| second hundred turns against the first | {disk['disk_growth_100_200']:.2f}x | 1x |",
        "",
        f"Turns per second, {MANY} runs of {MANY_TURNS} turns in one process:",
        "",
        "| | " + " | ".join(f"round {n + 1}" for n in range(ROUNDS)) + " |",
        "|---|" + "---|" * ROUNDS,
        *(f"| {name} | " + " | ".join(f"{rate:.0f}" for rate in each) + " |" for name, each in rates.items()),
        "",
        *_where_it_goes(parts),
        *_long_log(log),
    ]
    raw = json.dumps({**speed, **disk, **log, "machine": about}, default=str)
    return "\n".join((*lines, "The figures behind this page:", "", "```json", raw, "```", ""))


def _long_log(log: dict[str, Any]) -> list[str]:
    return [
        "## A log of a million events",
        "",
        f"Its state holds {log['at_pages']} pages and {log['at_receipts']} receipts.",
        "",
        "| what | figure | goal |",
        "|---|---|---|",
        f"| state at a random position | {log['at_ms']:.1f} ms (p95 {log['at_ms_p95']:.1f}) | 10 ms |",
        f"| … and every page and receipt read | {log['at_read_whole_ms']:.1f} ms | |",
        f"| bytes on disk per event, snapshots and index included | {log['disk_bytes_per_event']:.0f} | |",
        f"| verify, chain | {log['verify_chain_per_s']:,.0f} events/s | 300,000 |",
        f"| verify, decoded and projected | {log['verify_full_per_s']:,.0f} events/s | 60,000 |",
        f"| going on after SIGKILL at {log['resume_turns']} turns | {log['resume_s']:.2f} s | 0.3 s |",
        "",
    ]


def _where_it_goes(parts: dict[str, float]) -> list[str]:
    return [
        "Where the CPU of a turn goes, one run, milliseconds. What a goal above is missed by, is here: the disk is not it.",
        "",
        "| part | ms |",
        "|---|---|",
        *(f"| {label} | {ms:.2f} |" for label, ms in parts.items()),
        "",
    ]


if __name__ == "__main__":
    sys.exit(main())
