"""A fleet of ``perdure worker``: how throughput grows with it, how soon a dead one's runs go on, how soon one serves."""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import perdure
from benchmarks.parts import Figures
from benchmarks.scale.hands import Hand, Looker, hands
from tests.servers.postgres import Server

RUNS_EACH: Final = 12
TURNS: Final = 3
TAKEOVERS: Final = 3


def worker_figures(server: Server, say: Callable[[str], None]) -> Figures:
    """Measure scaling with a model that thinks for two seconds, takeovers after SIGKILL, and cold starts."""
    with tempfile.TemporaryDirectory(prefix="hands-") as place:
        root = Path(place)
        alone, four = (_throughput(server, root, count, say) for count in (1, 4))
        return {
            "turns_per_s_per_run_1_worker": alone,
            "turns_per_s_per_run_4_workers": four,
            "workers_4_over_1": four / alone,
            **_deaths(server, root, say),
        }


def _throughput(server: Server, place: Path, workers: int, say: Callable[[str], None]) -> float:
    """Turns a second of a run, from its submission to its end, in the mean over all runs."""
    dsn = server.database(f"fleet_{workers}_{time.monotonic_ns()}")
    runs = [f"run-{number}" for number in range(RUNS_EACH * workers)]
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    with perdure.open(dsn) as store, hands(dsn, place, workers), Looker(dsn) as looker:

        def all_ended() -> bool:
            now = time.perf_counter()
            for (run,) in looker.db.execute("SELECT name FROM runs WHERE status = 'finished'"):
                ended.setdefault(run, now)
            return len(ended) == len(runs)

        for run in runs:
            began[run] = time.perf_counter()
            store.submit("thinker", str(TURNS), run=run)
        looker.until(all_ended, seconds=90, what="the end of all runs")
    rate = statistics.mean(TURNS / (ended[run] - began[run]) for run in runs)
    say(f"    {workers} workers, {len(runs)} runs: {rate:.3f} turns/s of each run")
    return rate


def _deaths(server: Server, place: Path, say: Callable[[str], None]) -> Figures:
    dsn = server.database(f"deaths_{time.monotonic_ns()}")
    took: list[float] = []
    starts: list[float] = []
    with perdure.open(dsn) as store, Looker(dsn) as looker, ExitStack() as all_of_them:
        living = all_of_them.enter_context(Hand(dsn, place / "death-0.log"))
        starts.append(living.serving())
        for number in range(TAKEOVERS):
            run = f"run-{number}"
            store.submit("thinker", "5", run=run)
            looker.until(partial(_held, looker, run, living), what="a lease of the first worker")
            heir = all_of_them.enter_context(Hand(dsn, place / f"death-{number + 1}.log"))
            starts.append(heir.serving())
            took.append(_taken_over(looker, run, living))
            living = heir
            store.cancel(run)
            looker.until(partial(looker.rests, run, "cancelled"), what="the end of a run")
    say(f"    taken over after {', '.join(f'{each:.2f}' for each in took)} s")
    return {
        "takeover_s": statistics.median(took),
        "takeover_s_max": max(took),
        "cold_start_s": statistics.median(starts),
    }


def _taken_over(looker: Looker, run: str, hand: Hand) -> float:
    """Seconds from the SIGKILL of the process that drives ``run`` to the lease of another."""
    epoch = looker.epoch(run)
    killed = hand.kill()
    return looker.until(lambda: looker.epoch(run) > epoch, what="a lease of another worker") - killed


def _held(looker: Looker, run: str, hand: Hand) -> bool:
    """Whether that process drives the run."""
    process = looker.one("SELECT process FROM runs WHERE name = %s", run)
    return process is not None and process.split("/")[-2] == str(hand.pid)
