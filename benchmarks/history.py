"""Long logs: the state at a random position, verification, and going on after a kill.

The log of a million events is written through the store itself (sealed, chained, checked, durable), with the
snapshots that a driver would have taken; only the deciding is left out, since it is measured elsewhere. Its
state holds 2,000 pages that keep moving and 5,000 receipts, beside the conversation of a run of that length.
"""

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from perdure.adapters.holders import this_holder
from perdure.adapters.sqlite import SqliteStore
from perdure.assembly.inspect import Inspector
from perdure.driver.books import read_state
from perdure.log import events as e
from perdure.log.envelope import GENESIS, Event, Stored, seal
from perdure.log.port import Batch, NewRun
from perdure.projection.evolve import evolve
from perdure.projection.snapshot import Freezer
from perdure.projection.state import State
from perdure.values.digest import name_of
from perdure.values.limits import SNAPSHOT_EVENTS

RUN = "long"
PAGES, RECEIPTS, PER_TURN = 2_000, 5_000, 7
START_NS = 1_760_000_000_000_000_000


def _page(turn: int) -> e.PageAdmitted:
    content = e.Content(16_384, None, name_of("blob", turn) + "0" * 24)
    return e.PageAdmitted(f"p{turn}", content, 4096, "whole")


def _bodies(events: int) -> Iterator[e.Body]:
    """Bodies of a long run: turns with one effect each and page moves between them."""
    yield e.RunOpened("bench", "d" * 64, "c" * 64, RUN, "default", 1)
    yield e.LeaseAcquired("driver")
    chance, turn, made = random.Random(7), 0, 2
    every = max(1, events // PER_TURN // RECEIPTS)
    while made < events:
        turn += 1
        deed = turn % every == 0 and turn // every <= RECEIPTS
        key, call = name_of("key", turn), f"call_{turn}"
        page = _page(turn) if turn <= PAGES else None
        yield e.ModelRequested(turn, 1, 2 * turn)
        yield e.ModelReplied(
            turn, e.Content(900, None, name_of("reply", turn) + "0" * 24), e.Usage(9000, 200, 8000)
        )
        yield e.IntentionProposed(call, "work", 0, name_of("arguments", turn) + "0" * 24, {"n": turn})
        effect = "idempotent" if deed else "read"
        yield e.EffectStarted(
            key, call, "work", effect, name_of("stem", turn), 1, 1, "a" * 64, what=f"n={turn}"
        )
        yield e.EffectSettled(key, "succeeded", e.Content(1000, None, name_of("result", turn) + "0" * 24))
        yield page or e.PageEvicted(f"p{chance.randrange(PAGES) + 1}")
        yield e.PageFaulted(f"p{chance.randrange(min(turn, PAGES)) + 1}")
        made += PER_TURN


def build(directory: Path, events: int) -> dict[str, Any]:
    """Write the log with its snapshots; return how large it became."""
    store = SqliteStore(directory)
    store.create(NewRun(RUN, RUN, "default", START_NS))
    lease = store.acquire(RUN, this_holder("bench"))
    freezer, state, head, batch, frozen = Freezer(), State(), GENESIS, list[Stored](), 0
    snapshot_bytes = 0
    for position, body in enumerate(_bodies(events), 1):
        if position > events:
            break
        event = Event(RUN, position, START_NS + position * 1_000_000, lease.epoch, max(0, position - 1), body)
        stored = seal(event, head)
        head, state = stored.digest, evolve(state, event)
        batch.append(stored)
        if position - frozen >= SNAPSHOT_EVENTS or position == events:
            store.append(Batch(RUN, position - len(batch), lease.epoch, batch)).result()
            batch, frozen = [], position
            snapshot = freezer.freeze(state, head)
            snapshot_bytes += len(snapshot.manifest) + sum(len(content) for _, content in snapshot.chunks)
            store.save(RUN, position, snapshot.manifest, snapshot.chunks)
    store.release(RUN, lease.epoch)
    store.close()
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return {"disk_bytes_per_event": size / events, "snapshot_bytes_raw_per_event": snapshot_bytes / events}


def measure_at(directory: Path, events: int, rounds: int = 200) -> dict[str, float]:
    """The time from a position to its whole state, at random positions in the log's last half."""
    store, state = SqliteStore(directory), State()
    chance, took, whole = random.Random(11), list[float](), list[float]()
    for _ in range(rounds):
        position = chance.randrange(events // 2, events) + 1
        began = time.perf_counter()
        state = read_state(store, RUN, position).state
        took.append(time.perf_counter() - began)
        assert state.position == position
    for _ in range(rounds // 4):
        position = chance.randrange(events // 2, events) + 1
        began = time.perf_counter()
        state = read_state(store, RUN, position).state
        _read_all(state)
        whole.append(time.perf_counter() - began)
    pages, receipts = len(state.live.pages), len(state.world.receipts)
    assert pages == PAGES
    store.close()
    took.sort()
    return {
        "at_ms": statistics.median(took) * 1000,
        "at_ms_p95": took[int(len(took) * 0.95)] * 1000,
        "at_read_whole_ms": statistics.median(whole) * 1000,
        "at_pages": pages,
        "at_receipts": receipts,
    }


def _read_all(state: State) -> None:
    """Read every page and receipt, which a state else reads when it is asked."""
    assert [*state.live.pages.values(), *state.world.receipts.values(), *state.world.open.values()]


def measure_verify(directory: Path) -> dict[str, float]:
    """Events per second: the chain alone, and everything (decoded, projected, in place)."""
    store = SqliteStore(directory)
    inspector = Inspector(store)
    rates: dict[str, float] = {}
    for name, chain_only in (("verify_chain_per_s", True), ("verify_full_per_s", False)):
        began = time.perf_counter()
        verdict = inspector.verify_stream(RUN, chain_only=chain_only)
        assert verdict.ok, verdict.wrong
        rates[name] = verdict.events / (time.perf_counter() - began)
    store.close()
    return rates


RESUMED = """
import sys, time
from pathlib import Path
import perdure
from benchmarks.turns import agent_of
with perdure.open(sys.argv[1]) as store:
    marks = []
    agent = agent_of(int(sys.argv[3]), 2048, marks, first=int(sys.argv[4]))
    agent.rules()
    began, cpu = time.perf_counter(), time.process_time()
    run = store.resume(agent, "long") if sys.argv[2] == "resume" else store.start(agent, "go", run="long")
    print("begun", flush=True)
    run.wait()
    print(marks[0] - began, flush=True)
"""


def measure_resume(directory: Path, turns: int = 2_000) -> dict[str, float]:
    """Seconds from asking to go on until the model is asked again, at `turns` turns after a SIGKILL.

    Everything that it takes is in it but the interpreter's start and the imports: the lease, the proof of
    death, the fold, the whole conversation as a prompt, and the durable events before the question.
    """
    started = _process(directory, "start", turns * 10, 0)
    watch = SqliteStore(directory)
    while not (rows := watch.rows(RUN)) or rows[0].position < turns * 6:
        time.sleep(0.05)
    started.send_signal(signal.SIGKILL)
    started.wait()
    done = len(
        [entry for entry in read_state(watch, RUN).state.live.entries.values() if hasattr(entry, "number")]
    )
    watch.close()
    went_on = _process(directory, "resume", 1, done)
    out, _ = went_on.communicate(timeout=120)
    return {"resume_s": float(out.split()[-1]), "resume_turns": done}


def _process(directory: Path, verb: str, turns: int, first: int) -> "subprocess.Popen[str]":
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-c", RESUMED, str(directory), verb, str(turns), str(first)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
