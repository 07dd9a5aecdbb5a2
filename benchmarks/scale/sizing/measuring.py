"""Measures what a simulation is fed with: real workers on a real PostgreSQL, with models that think for two seconds."""

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import psutil
from prometheus_client.parser import text_string_to_metric_families

import perdure
from benchmarks.parts import say
from benchmarks.probes import machine
from benchmarks.scale.hands import ROOT, Looker
from benchmarks.scale.sitters import THINK_SECONDS
from benchmarks.scale.sizing.measured import Inputs, Seen, load, save
from benchmarks.scale.turns import MANY, OURS, SIZES, Spot, undisturbed
from benchmarks.scale.turns import measure as measured_turns
from tests.servers.postgres import Server

RUNS_EACH: Final = 12
TURNS: Final = 3
TURNS_LONG: Final = 12
MORE: Final = 3
"""What a turn takes is told by two fleets that differ in their runs' number alone, and what a worker takes while its runs
think is measured where they do nothing else."""
IDLE_SECONDS: Final = 20.0
SETTLE_SECONDS: Final = 3.0
"""Until what submitting and beginning took is over."""


class Probed:
    """A worker whose figures are read."""

    def __init__(self, dsn: str) -> None:
        """Start it; it serves when this returns."""
        began = time.perf_counter()
        words = [str(Path(sys.executable).parent / "perdure"), "worker", "--store", dsn, "--log-json"]
        words += [
            "--agents",
            "benchmarks.scale.sitters:AGENTS",
            "--concurrency",
            "64",
            "--listen",
            "127.0.0.1:0",
        ]
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [*words, "--json"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self._address: str = said["probes"]
        self.start_seconds: float = time.perf_counter() - began

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def figures(self) -> dict[str, float]:
        """Return its figures by their names, summed over what they are parted by."""
        found: dict[str, float] = {}
        with urllib.request.urlopen(f"http://{self._address}/metrics") as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    if not sample.name.endswith("_bucket"):
                        found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def probed(dsn: str, count: int) -> Generator[Sequence[Probed]]:
    """Workers that serve, until the block ends."""
    found: list[Probed] = []
    try:
        # One after the other: what has begun is ended also where the next one can't begin.
        found.extend(Probed(dsn) for _ in range(count))
        yield found
    finally:
        for each in found:
            each.end()


class Spent(NamedTuple):
    """What some turns took."""

    turns: int
    seconds: float
    client: float
    server: float
    wal: float
    stored: float
    events: float
    connections: float
    commits: float
    commit_seconds: float


def server_cpu(server: Server) -> float:
    """Seconds of CPU of the server and all that it has started."""
    whole = psutil.Process(server.pid)
    own = whole.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in whole.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def fleet(server: Server, count: int, turns: int = TURNS, each: int = RUNS_EACH) -> tuple[Seen, Spent]:
    """Drive runs that think with ``count`` workers."""
    dsn = server.database(f"plan_{count}_{time.monotonic_ns()}")
    runs = [f"run-{number}" for number in range(each * count)]
    with ExitStack() as stack:
        store, looker = stack.enter_context(perdure.open(dsn)), stack.enter_context(Looker(dsn))
        store.books.watch(-1, 0)
        own = _connections(looker)
        workers = stack.enter_context(probed(dsn, count))
        before = _stand(server, looker, workers)
        began = {run: time.perf_counter() for run in runs if store.submit("thinker", str(turns), run=run)}
        busiest = _connections(looker) - own
        ended: dict[str, float] = {}

        def all_ended() -> bool:
            for (run,) in looker.db.execute("SELECT name FROM runs WHERE status = 'finished'"):
                ended.setdefault(run, time.perf_counter())
            return len(ended) == len(runs)

        looker.until(all_ended, seconds=120, what="the end of all runs")
        spent = _since(before, _stand(server, looker, workers), len(runs) * (turns + 1))
    rate = statistics.mean(turns / (ended[run] - began[run]) for run in runs)
    return Seen(count, len(runs), rate), spent._replace(connections=busiest / count)


def _connections(looker: Looker) -> int:
    return int(looker.one("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'perdure%%'"))


def _stand(server: Server, looker: Looker, workers: Sequence[Probed]) -> Spent:
    figures = [each.figures() for each in workers]
    return Spent(
        0,
        time.perf_counter(),
        sum(each.cpu() for each in workers),
        server_cpu(server),
        int(looker.one("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")),
        int(
            looker.one(
                "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c WHERE relkind IN ('r', 't')"
            )
        ),
        int(looker.one("SELECT coalesce(sum(position), 0)::bigint FROM runs")),
        0.0,
        sum(each.get("perdure_commit_seconds_count", 0.0) for each in figures),
        sum(each.get("perdure_commit_seconds_sum", 0.0) for each in figures),
    )


def _since(before: Spent, after: Spent, turns: int) -> Spent:
    return Spent(turns, *(b - a for a, b in zip(before[1:], after[1:], strict=True)))


class Thinking(NamedTuple):
    """What a worker took whose runs all thought."""

    server_ms_per_s: float
    connections: float
    cold_start_seconds: float


def thinking(server: Server) -> Thinking:
    """Have one worker's runs think for longer than is looked at: whatever the server does for it then is its own."""
    dsn = server.database(f"thinking_{time.monotonic_ns()}")
    with Looker(dsn) as looker, probed(dsn, 1) as (worker,):
        with perdure.open(dsn) as store:
            for number in range(RUNS_EACH):
                store.submit("ponderer", "1", run=f"run-{number}")
        looker.until(
            lambda: looker.one("SELECT count(*) FROM runs WHERE process IS NOT NULL") == RUNS_EACH,
            seconds=120,
            what="all runs think",
        )
        time.sleep(SETTLE_SECONDS)
        before, began = _backends(looker), time.perf_counter()
        time.sleep(IDLE_SECONDS)
        after, seconds = _backends(looker), time.perf_counter() - began
        used = sum(spent - before.get(pid, 0.0) for pid, spent in after.items())
        return Thinking(used / seconds * 1000, len(after), worker.start_seconds)


def _backends(looker: Looker) -> dict[int, float]:
    """Return the server's processes that serve workers, and the seconds of CPU that each has used, to the microsecond."""
    rows = looker.db.execute("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'perdure%'")
    found: dict[int, float] = {}
    for (pid,) in rows:
        with suppress(OSError):
            used = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]
            found[pid] = int(used) / 1e9
    return found


def _per_turn(short: Spent, many: Spent, figure: Callable[[Spent], float]) -> float:
    """Return what one turn took, by the difference of two fleets; it has its share of its run."""
    return max(figure(many) - figure(short), 0.0) / (many.turns - short.turns)


def measure_worker() -> Inputs:
    """Measure anew only what a worker takes whose runs all think, keep it, and return all."""
    with undisturbed() as server:
        found = thinking(server)
    inputs = msgspec.structs.replace(
        load(),
        worker_server_ms_per_s=round(found.server_ms_per_s, 2),
        connections_per_worker=found.connections,
    )
    save(inputs)
    return inputs


def measure(takeover_seconds: float = 0.6, tell: Callable[[str], None] = say) -> Inputs:
    """Measure all of it, keep it, and return it; a takeover was timed by ``benchmarks.scale.workers``."""
    with undisturbed() as server:
        tell("a worker whose runs all think")
        still = thinking(server)
        tell("one worker, then four, then one with more and with longer runs")
        (one, short), (four, _) = fleet(server, 1), fleet(server, 4)
        (_, many), (_, long) = fleet(server, 1, each=MORE * RUNS_EACH), fleet(server, 1, TURNS_LONG)
        tell("turns that never wait")
        busy = measured_turns(server, Spot(*OURS, MANY, SIZES[MANY]), syncs=True)
        alone = measured_turns(server, Spot(*OURS, 1, SIZES[1]))
    about = machine()

    server_ms = _per_turn(short, many, lambda each: each.server * 1000)
    client_ms = _per_turn(short, many, lambda each: each.client * 1000)
    wal, stored = (
        _per_turn(short, many, lambda each: each.wal),
        _per_turn(short, many, lambda each: each.stored),
    )
    more = long.turns - short.turns
    commit_ms = short.commit_seconds / max(short.commits, 1) * 1000
    each = TURNS / one.turns_per_s_per_run
    inputs = Inputs(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=f"{about['cpu']}, {about['cores']} cores, {about['filesystem']}",
        think_seconds=THINK_SECONDS,
        turns_per_run=TURNS,
        start_seconds=round(max(each - (TURNS + 1) * (THINK_SECONDS + 2 * commit_ms / 1000), 0.0), 3),
        client_ms_per_turn=round(client_ms, 3),
        server_ms_per_turn=round(max(server_ms, busy["server_cpu_ms_per_turn"]), 3),
        server_ms_per_turn_grouped=busy["server_cpu_ms_per_turn"],
        batches_per_group=MANY / 2,
        commits_per_turn=2.0,
        sync_ms=round(max(alone["turn_ms_median"] / 2 - alone["client_cpu_ms_per_turn"] / 2, 0.1), 3),
        wal_bytes_per_turn=round(wal),
        stored_bytes_per_turn=round(stored),
        events_per_turn=round((long.events - short.events) / more, 2),
        worker_server_ms_per_s=round(still.server_ms_per_s, 2),
        connections_per_worker=round(max(short.connections, still.connections), 1),
        takeover_seconds=takeover_seconds,
        cold_start_seconds=round(still.cold_start_seconds, 2),
        seen=(one, four),
    )
    save(inputs)
    return inputs
