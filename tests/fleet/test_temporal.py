"""Runs are placed by a real Temporal server; whatever it forgets, delivers twice or late, each deed is done once."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from temporalio.client import Client

from perdure.assembly.store import Store
from perdure.log.placing import Summons
from perdure.worker.engine import Again
from perdure.worker.engines import EngineWish, engine_of
from tests.fleet.conftest import AGENTS
from tests.servers.temporal import Temporal
from tests.worker.kit import ROOT, Deeds, rested, told, until, workers

CONTINUED = "WorkflowType = 'perdure-run' AND ExecutionStatus = 'ContinuedAsNew'"


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    with Temporal(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest.fixture
def words(temporal: Temporal, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.address)
    return ("--engine", "temporal")


def test_a_run_is_driven_waits_for_a_person_and_is_woken_by_the_answer(
    dsn: str, store: Store, deeds: Deeds, words: tuple[str, ...]
):
    steps = told(
        ("ask_person", {"question": "how many?"}), ("send", {"what": "bill"}), ("send", {"what": "copy"})
    )
    with workers(1, dsn, deeds.path, *words, agents=f"{AGENTS}:billing") as (worker,):
        store.submit("billing", steps, run="march")
        rested(store, "march", "waiting")
        store.message("march", "three")
        rested(store, "march")
        worker.process.terminate()
        assert worker.ended() == 0
    assert len(deeds.lines("done", "bill")) == len(deeds.lines("done", "copy")) == 1


def test_a_worker_that_is_killed_in_mid_deed_is_followed_by_another_which_asks_a_person(
    dsn: str, store: Store, deeds: Deeds, words: tuple[str, ...]
):
    with workers(2, dsn, deeds.path, *words, agents=f"{AGENTS}:billing") as living:
        store.submit("billing", told(("send", {"what": "bill", "gate": "open"})), run="april")
        dead = deeds.begun("bill")
        os.kill(dead, signal.SIGKILL)
        state = rested(store, "april", "waiting")
        (doubt,) = state.world.open.values()
        assert deeds.lines("done", "bill") == []
        store.settle("april", doubt.key, "succeeded", result="sent bill", by="Ada")
        rested(store, "april")
        assert dead in {each.process.pid for each in living}
    assert len(deeds.lines("begin", "bill")) == 1


def test_a_server_that_is_killed_and_started_again_strands_no_run(
    dsn: str, store: Store, deeds: Deeds, temporal: Temporal, words: tuple[str, ...]
):
    with workers(1, dsn, deeds.path, *words, agents=f"{AGENTS}:billing"):
        store.submit("billing", told(("send", {"what": "bill", "gate": "open"})), run="may")
        deeds.begun("bill")
        temporal.kill()
        store.submit("billing", told(("send", {"what": "copy"})), run="june")
        deeds.open("open")
        rested(store, "may")
        temporal.start()
        rested(store, "june")
    assert len(deeds.lines("done", "bill")) == len(deeds.lines("done", "copy")) == 1


def test_without_a_server_a_worker_says_what_to_do(dsn: str, store: Store):
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "perdure.cli",
            "worker",
            "--store",
            dsn,
            "--agents",
            f"{AGENTS}:billing",
            "--engine",
            "temporal",
        ],
        cwd=ROOT,
        env={**os.environ, "TEMPORAL_ADDRESS": "127.0.0.1:1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode != 0
    assert "TEMPORAL_ADDRESS" in ended.stderr
    assert until(lambda: "Temporal at 127.0.0.1:1" in ended.stderr, "it names the server")


def test_a_flow_goes_on_as_a_new_one_before_its_history_is_long_and_forgets_no_ask(
    temporal: Temporal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.address)
    monkeypatch.setattr("perdure.worker.engines.temporal_flow.TEMPORAL_HISTORY_MAX", 12)
    wish = EngineWish("postgresql://nobody@nowhere/flows", ("billing",), 4, "me")

    async def looks() -> tuple[int, int]:
        engine = engine_of("temporal", wish)
        await engine.prepare()
        seen: asyncio.Queue[str] = asyncio.Queue()
        times = 0

        async def look(run: str) -> Again | None:
            nonlocal times
            times += 1
            seen.put_nowait(run)
            return Again(time.time_ns() + 50_000_000) if times % 2 else None

        serving = asyncio.create_task(engine.serve(look))
        for _ in range(8):
            await engine.ask(Summons("march", "billing"))
            assert await asyncio.wait_for(seen.get(), 60) == "march"
        client = await Client.connect(temporal.address)
        continued, open_flows = 0, 1
        # What Temporal counts it counts a moment late.
        for _ in range(1200):
            continued = (await client.count_workflows(CONTINUED)).count
            open_flows = (await engine.depth()).waiting
            if continued and not open_flows:
                break
            await asyncio.sleep(0.05)
        assert open_flows == 0
        engine.stop()
        await asyncio.wait_for(serving, 60)
        await engine.close()
        return times, continued

    times, continued = asyncio.run(looks())
    assert times >= 8
    assert continued > 0
