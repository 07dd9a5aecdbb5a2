"""Durable turns against the peers: interleaved with the bare disk in one run, medians and ratios.

Every round measures the disk, ourselves and each peer once, so that a machine whose speed drifts drifts for
all; the figures are the medians over the rounds, and the ratios are medians of ratios within a round.
"""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers import measure_peer
from benchmarks.probes import two_fdatasync_ms
from benchmarks.turns import measure_disk, measure_turns

PAYLOAD_BYTES = 2048
MANY, MANY_TURNS = 32, 40
ALONE_TURNS = 200
PEERS = (
    ("langgraph_sqlite", "stock"),
    ("langgraph_sqlite", "delta"),
    ("dbos_sqlite", "wal"),
    ("eventsourcing_sqlite", "stock"),
)


def speed_figures(rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure `rounds` rounds; returns turn_ms, two_fdatasync_ms, x_langgraph_32 and the like, and the raw rounds."""
    measured = [_round(index, say) for index in range(rounds)]

    def median(of: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(of(each) for each in measured)

    def best(peer: str) -> Callable[[dict[str, Any]], float]:
        return lambda each: max(rate for name, rate in each["peers"].items() if name.startswith(peer))

    return {
        "turn_ms": median(lambda each: each["alone"]["turn_ms_median"]),
        "two_fdatasync_ms": median(lambda each: each["disk_ms"]),
        "turn_x_disk": median(lambda each: each["alone"]["turn_ms_median"] / each["disk_ms"]),
        "turn_cpu_ms": median(lambda each: each["many"]["turn_cpu_ms"]),
        "turn_cpu_ms_alone": median(lambda each: each["alone"]["turn_cpu_ms"]),
        "turns_per_s_32": median(lambda each: each["many"]["turns_per_s"]),
        "x_langgraph_32": median(lambda each: each["many"]["turns_per_s"] / best("langgraph")(each)),
        "x_dbos_32": median(lambda each: each["many"]["turns_per_s"] / best("dbos")(each)),
        "x_eventsourcing_32": median(lambda each: each["many"]["turns_per_s"] / best("eventsourcing")(each)),
        "rounds": measured,
    }


def _round(index: int, say: Callable[[str], None]) -> dict[str, Any]:
    say(f"round {index + 1}: the disk and perdure")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        disk = [two_fdatasync_ms(root, 300)]
        alone = measure_turns(root / "alone", runs=1, turns=ALONE_TURNS, payload_bytes=PAYLOAD_BYTES)
        disk.append(two_fdatasync_ms(root, 300))
        many = measure_turns(root / "many", runs=MANY, turns=MANY_TURNS, payload_bytes=PAYLOAD_BYTES)
        disk.append(two_fdatasync_ms(root, 300))
        rates: dict[str, float] = {}
        for peer, variant in PEERS:
            say(f"round {index + 1}: {peer} ({variant})")
            directory = root / f"{peer}-{variant}"
            directory.mkdir()
            found = measure_peer(
                peer,
                runs=MANY,
                turns=MANY_TURNS,
                payload_bytes=PAYLOAD_BYTES,
                directory=directory,
                variant=variant,
            )
            rates[f"{peer} {variant}"] = found["turns_per_s"]
    return {"disk_ms": statistics.median(disk), "alone": alone, "many": many, "peers": rates}


def disk_figures() -> dict[str, float]:
    """Bytes on disk for each turn of 2 KB new text, over 200 turns, and how the second hundred compares."""
    with tempfile.TemporaryDirectory() as place:
        half = measure_disk(Path(place) / "half", turns=100, payload_bytes=PAYLOAD_BYTES)
        whole = measure_disk(Path(place) / "whole", turns=200, payload_bytes=PAYLOAD_BYTES)
    return {
        "disk_bytes_per_turn": whole / 200,
        "disk_growth_100_200": (whole - half) / half,
    }
