"""The peers of perdure, measured in their own environment: one call runs one script and returns its report.

Each script takes `--dir --runs --turns --seconds --payload-bytes --variant` and prints one line of JSON. A
peer's first variant is how its documentation uses it; the others are the fastest that we found for it at the
same durability, so that no ratio rests on a setting that its users could have changed.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from benchmarks.peer_env import peer_python

VARIANTS = MappingProxyType(
    {
        "langgraph_sqlite": ("stock", "delta"),
        "dbos_sqlite": ("stock", "wal"),
        "eventsourcing_sqlite": ("stock",),
    }
)
PEER_SECONDS_MAX = 600  # LangGraph takes a minute for 2,000 turns of 2 KB; past this, something hangs
SYNCS_ONLY = ("-f", "-qq", "-e", "trace=fsync,fdatasync", "-o")
TRACED_TURNS = (20, 70)
TRACED_SECONDS_MAX = 60  # strace makes a peer some three times slower


class PeerFailed(Exception):
    """A peer's script ended without a report; the message holds the end of what it said."""


def measure_peer(
    name: str,
    *,
    runs: int = 1,
    turns: int | None = None,
    seconds: float | None = None,
    payload_bytes: int = 2048,
    directory: Path,
    variant: str = "stock",
) -> dict[str, Any]:
    """Measure turns with one effect until each run took `turns` or `seconds` are over, whichever is first.

    With `turns` alone all of them are taken; with neither, three seconds are measured. The peer's files lie in
    a new directory under `directory`, which is gone afterwards. The report holds:

    - `peer`, `version`, `variant`, `concurrency`, `python`, `runs`, `payload_bytes`: what was measured;
    - `turns` of each run, on average, in `seconds` of wall-clock time, and so `turns_per_s` over all runs;
    - `turn_ms_median`: a turn as its run felt it; at many runs it holds the wait for the others;
    - `turn_cpu_ms`: CPU of the whole process, over all its threads;
    - `disk_bytes`, `disk_bytes_per_turn`: what these turns added to the store;
    - `durable_commits_per_turn`: counted in turns before the timed ones;
    - `durability`: `synchronous` (2 is FULL, a sync at each commit), `journal_mode`, `connections`, `sqlite`,
      as SQLite answered on the connections that the peer used.
    """
    told = {
        "runs": runs,
        "turns": turns,
        "seconds": seconds,
        "payload-bytes": payload_bytes,
        "variant": variant,
    }
    said = _run(name, told, directory)
    return msgspec.json.decode(said.splitlines()[-1], type=dict[str, Any])


def syncs_per_turn(name: str, *, variant: str = "stock", directory: Path) -> float | None:
    """How often one turn really asks the disk to sync, counted by strace; None where it isn't installed."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    counts: list[int] = []
    for turns in TRACED_TURNS:
        with tempfile.NamedTemporaryFile("r", prefix="syncs-") as calls:
            watch = [strace, *SYNCS_ONLY, calls.name]
            told = {"turns": turns, "seconds": TRACED_SECONDS_MAX, "variant": variant}
            _run(name, told, directory, under=watch)
            counts.append(sum("sync(" in line for line in calls))
    return (counts[1] - counts[0]) / (TRACED_TURNS[1] - TRACED_TURNS[0])


def _run(name: str, told: Mapping[str, object], directory: Path, *, under: Sequence[str] = ()) -> str:
    script = Path(__file__).with_name(f"{name}.py")
    if name not in VARIANTS:
        raise ValueError(f"no such peer: {name}; there are {', '.join(VARIANTS)}")
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=directory) as home:
        words = [
            word for key, value in told.items() if value is not None for word in (f"--{key}", str(value))
        ]
        command = [*under, str(peer_python()), str(script), "--dir", home, *words]
        try:
            ended = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                env=peer_environment(),
                timeout=PEER_SECONDS_MAX,
            )
        except subprocess.TimeoutExpired as late:
            raise PeerFailed(f"{name} was still running after {late.timeout:.0f} s") from late
    if ended.returncode != 0 or not ended.stdout.strip():
        tail = "\n".join(ended.stderr.strip().splitlines()[-8:])
        raise PeerFailed(f"{name} ended with {ended.returncode}\n{tail}")
    return ended.stdout.strip()


def peer_environment() -> dict[str, str]:
    """The caller's environment without what would bend a peer: another Python path, tracing, a cloud account."""
    bends = ("PYTHON", "LANGSMITH", "LANGCHAIN", "LANGGRAPH", "DBOS", "OTEL", "VIRTUAL_ENV")
    return {key: value for key, value in os.environ.items() if not key.startswith(bends)}
