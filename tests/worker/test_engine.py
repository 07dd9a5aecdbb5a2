"""The task engine finds work of which it heard nothing."""

import asyncio

import psycopg
import pytest

from perdure.log.placing import Summons
from perdure.worker.engine import Again
from perdure.worker.engines import procrastinate
from perdure.worker.engines.procrastinate import ProcrastinateEngine
from tests.worker.kit import PATIENCE_SECONDS, until

QUIETLY = """
INSERT INTO perdure_queue.procrastinate_jobs (queue_name, task_name, queueing_lock, args)
VALUES ('doer', 'look', 'r', '{"run": "r", "agent": "doer"}')
"""


def jobs_in(dsn: str) -> int:
    with psycopg.connect(dsn) as db:
        row = db.execute("SELECT count(*) FROM perdure_queue.procrastinate_jobs").fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


def test_a_job_whose_notice_was_lost_is_fetched_when_its_run_is_asked_for_again(
    dsn: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(procrastinate, "ENGINE_POLL_SECONDS", 3600.0)

    async def served() -> list[str]:
        looked: list[str] = []
        seen = asyncio.Event()

        async def look(run: str) -> Again | None:
            looked.append(run)
            seen.set()
            return None

        async def until_seen() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await seen.wait()
            seen.clear()

        engine = ProcrastinateEngine(dsn, ("doer",), concurrency=2, name="w")
        await engine.prepare()
        serving = asyncio.create_task(engine.serve(look))
        try:
            assert await engine.ask(Summons("first", "doer"))
            await until_seen()
            # Who looks for jobs has found no other beside the first, and waits.
            await asyncio.to_thread(until, lambda: jobs_in(dsn) == 0, "the first job has ended")
            with psycopg.connect(dsn, autocommit=True) as db:
                db.execute("SET session_replication_role = replica")
                db.execute(QUIETLY)
            await engine.ask(Summons("r", "doer"))
            await until_seen()
        finally:
            engine.stop()
            await serving
            await engine.close()
        return looked

    assert asyncio.run(served())[:2] == ["first", "r"]
