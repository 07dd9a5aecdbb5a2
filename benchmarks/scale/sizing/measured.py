"""What a simulation is fed with: figures of one fleet that was measured, kept beside the results.

``python -m benchmarks.scale.plan --measure`` writes them, and so does ``make bench-scale``.
"""

from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).parents[1] / "measured.json"
PURPOSE: Final = "Written by `python -m benchmarks.scale.plan --measure`; read by the simulation."


class Seen(msgspec.Struct, frozen=True):
    """A fleet as it was measured: workers, and turns a second of each run in the mean."""

    workers: int
    runs: int
    turns_per_s_per_run: float


class Inputs(msgspec.Struct, frozen=True):
    """What one turn, one commit and one worker cost."""

    date: str
    machine: str
    think_seconds: float
    turns_per_run: int
    """what is decided of a run from its beginning to its end, in the measurement"""
    start_seconds: float
    """from a run's submission to the first question to its model, and from its last answer to its end"""
    client_ms_per_turn: float
    """with its share of what beginning, placing and ending a run of four turns takes: longer ones take less"""
    server_ms_per_turn: float
    """of CPU, where a commit holds one batch, as it is while models think"""
    server_ms_per_turn_grouped: float
    """the same with many runs that never wait"""
    batches_per_group: float
    """then: each run waits for one of two commits, so that about half of them share one"""
    commits_per_turn: float
    sync_ms: float
    """from the first round trip of a commit to its answer, less the CPU in it"""
    wal_bytes_per_turn: float
    stored_bytes_per_turn: float
    events_per_turn: float
    worker_server_ms_per_s: float
    """CPU that the database spends on a worker whose runs all think: signs of life, sweeps, the task engine, looks for changes"""
    connections_per_worker: float
    takeover_seconds: float
    cold_start_seconds: float
    seen: tuple[Seen, ...]
    about: str = PURPOSE


def load(path: Path = FILE) -> Inputs:
    """Return the figures."""
    return msgspec.json.decode(path.read_bytes(), type=Inputs)


def save(inputs: Inputs, path: Path = FILE) -> None:
    """Keep the figures, one a line."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(inputs), indent=1) + b"\n")
