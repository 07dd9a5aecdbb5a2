"""Durable turns on PostgreSQL against the peers: one server, equal units, equal durability, interleaved.

Every round measures perdure and each peer once, each in a process of its own on a new database of the same server, so
that a machine whose speed drifts drifts for all; figures are medians over the rounds, ratios medians of the ratios
within a round. Nothing is compared before ``comparable`` has found the units and the durability equal.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from benchmarks.parts import Figures
from benchmarks.peer_env import peer_python
from benchmarks.peers import PEER_SECONDS_MAX, PeerFailed, peer_environment
from tests.servers.postgres import Server

PAYLOAD_BYTES: Final = 2048
MANY: Final = 32
SIZES: Final = {1: 150, MANY: 40, 256: 6}
"""runs at once, and the turns that each takes"""
OURS: Final = ("perdure_postgres", "stock")
PEERS: Final = (
    ("dbos_postgres", "threads"),
    ("langgraph_postgres", "tasks"),
    ("langgraph_postgres", "threads-delta"),
)
"""Of each peer the quickest variants that were found; for LangGraph, that of its documentation, too."""

SYNCS_MIN: Final = 1.5
"""A turn waits for the disk twice: for the promise before the tool, and for the outcome. The server's count over some
turns of one run may be a little off, never so far that one wait looks like two."""

UNDISTURBED: Final = {"max_wal_size": "4GB", "checkpoint_timeout": "15min"}
"""No checkpoint falls into anybody's stretch; each begins with one."""


class Unequal(Exception):
    """What was measured can't be compared, and why."""


class Spot(NamedTuple):
    """One measurement to be made."""

    peer: str
    variant: str
    runs: int
    turns: int


@contextmanager
def undisturbed() -> Generator[Server]:
    """A PostgreSQL server for measuring: real, syncing, at its defaults but for checkpoints."""
    with (
        tempfile.TemporaryDirectory(prefix="scale-") as place,
        Server(Path(place) / "pg", UNDISTURBED) as server,
    ):
        yield server


def measure(server: Server, spot: Spot, *, syncs: bool = False) -> dict[str, Any]:
    """Measure one peer (or perdure) and return its report; see ``benchmarks/peers/postgres_meter.py``."""
    name = f"{spot.peer}_{spot.variant}_{spot.runs}_{os.urandom(4).hex()}".replace("-", "_")
    script = Path(__file__).parent.parent / "peers" / f"{spot.peer}.py"
    ours = spot.peer.startswith("perdure")
    python = sys.executable if ours else str(peer_python())
    words = [python, str(script), "--dsn", server.database(name), "--server", str(server.pid)]
    words += ["--runs", str(spot.runs), "--turns", str(spot.turns), "--variant", spot.variant]
    words += ["--payload-bytes", str(PAYLOAD_BYTES), *(["--syncs"] if syncs else [])]
    try:
        ended = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            env=peer_environment(),
            timeout=PEER_SECONDS_MAX,
        )
    finally:
        # What the server would still tidy in it, it would tidy and log while the next is measured.
        server.drop(name)
    if ended.returncode != 0 or not ended.stdout.strip():
        tail = "\n".join(ended.stderr.strip().splitlines()[-8:])
        raise PeerFailed(f"{spot.peer} ({spot.variant}) ended with {ended.returncode}\n{tail}")
    return msgspec.json.decode(ended.stdout.strip().splitlines()[-1], type=dict[str, Any])


def comparable(reports: Sequence[dict[str, Any]]) -> None:
    """Raise ``Unequal`` unless all did the same work and waited for the same disk as often as a turn needs."""
    found = unequal(reports)
    if found:
        raise Unequal("; ".join(found))


def unequal(reports: Sequence[dict[str, Any]]) -> list[str]:
    """Return all that keeps these reports from being compared, in words."""
    found = [
        f"{report['peer']} ({report['variant']}): {why}" for report in reports for why in _short_of(report)
    ]
    for same in ("runs", "turns", "payload_bytes"):
        values = {report[same] for report in reports}
        if len(values) > 1:
            found.append(f"{same} differ: {sorted(values)}")
    return found


def _short_of(report: dict[str, Any]) -> Generator[str]:
    for counted in ("replies", "effects"):
        if report[counted] != report["turns"]:
            yield f"{report[counted]} {counted} in {report['turns']} turns"
    held = report["durability"]
    if held["changed"] or {held[key] for key in ("fsync", "synchronous_commit", "full_page_writes")} != {
        "on"
    }:
        yield f"not at full durability: {held}"
    if held.get("syncs_per_turn", SYNCS_MIN) < SYNCS_MIN:
        yield f"a turn waits for the disk {held['syncs_per_turn']} times, and has to twice: before its effect and after it"
    if report["wal_bytes_per_turn"] < report["payload_bytes"] / 2:
        yield f"{report['wal_bytes_per_turn']} bytes of log can't hold a turn's text"


def turn_figures(server: Server, rounds: int, say: Callable[[str], None]) -> Figures:
    """Measure ``rounds`` rounds at 32 runs, and one each at 1 and 256; return the figures and the raw reports."""
    reports: dict[int, list[dict[str, dict[str, Any]]]] = {runs: [] for runs in SIZES}
    for number in range(rounds):
        for runs, turns in SIZES.items():
            if runs == MANY or number == 0:
                say(f"  round {number + 1}: {runs} runs")
                reports[runs].append(_round(server, runs, turns, syncs=(runs, number) == (MANY, 0), say=say))
    return {**_many(reports[MANY]), **_others(reports), "turn_reports": reports}


def _round(
    server: Server, runs: int, turns: int, *, syncs: bool, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    # Beyond some runs LangGraph's documented variant only waits for itself.
    peers = PEERS if runs <= MANY else tuple(each for each in PEERS if each[1] != "tasks")
    for peer, variant in (OURS, *peers):
        report = measure(server, Spot(peer, variant, runs, turns), syncs=syncs)
        found[f"{peer} {variant}"] = report
        say(f"    {peer} {variant}: {report['turns_per_s']:.0f} turns/s, p99 {report['turn_ms_p99']:.0f} ms")
    comparable(list(found.values()))
    return found


def _many(rounds: Sequence[dict[str, dict[str, Any]]]) -> Figures:
    ours = [each[" ".join(OURS)] for each in rounds]

    def frugal(peer: str) -> float:
        key = "client_cpu_ms_per_turn"
        return statistics.median(
            min(report[key] for name, report in each.items() if name.startswith(peer)) / own[key]
            for own, each in zip(ours, rounds, strict=True)
        )

    def ratio(peer: str) -> float:
        return statistics.median(
            own["turns_per_s"]
            / max(report["turns_per_s"] for name, report in each.items() if name.startswith(peer))
            for own, each in zip(ours, rounds, strict=True)
        )

    documented = statistics.median(
        own["turns_per_s"] / each["langgraph_postgres tasks"]["turns_per_s"]
        for own, each in zip(ours, rounds, strict=True)
    )
    names = ("turn_ms_p99", "client_cpu_ms_per_turn", "server_cpu_ms_per_turn", "wal_bytes_per_turn")
    return {
        "x_dbos_32": ratio("dbos"),
        "x_langgraph_32": ratio("langgraph"),
        "x_langgraph_documented_32": documented,
        "x_dbos_32_cpu": frugal("dbos"),
        "x_langgraph_32_cpu": frugal("langgraph"),
        **{name: statistics.median(report[name] for report in ours) for name in names},
        "syncs_per_turn": ours[0]["durability"].get("syncs_per_turn"),
        "durability": ours[0]["durability"],
    }


def _others(reports: dict[int, list[dict[str, dict[str, Any]]]]) -> Figures:
    figures: Figures = {}
    for runs, rounds in reports.items():
        for name in rounds[0]:
            short = name.split("_", maxsplit=1)[0] + ("_stock" if name.endswith(" tasks") else "")
            figures[f"turns_per_s_{runs}_{short}"] = statistics.median(
                each[name]["turns_per_s"] for each in rounds
            )
    return figures


def unsynced_caught(server: Server) -> bool:
    """Whether a build of ours that doesn't wait for the disk is found out, and its figures refused."""
    report = measure(server, Spot("perdure_postgres", "careless", 1, 20), syncs=True)
    try:
        comparable([report])
    except Unequal:
        return True
    return False
