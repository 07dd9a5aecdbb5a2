"""The task engine finds work of which it heard nothing."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from procrastinate.jobs import Job, Notification
from procrastinate.manager import JobManager
from procrastinate.worker import Worker

from perdure.log.placing import Summons
from perdure.values.errors import Busy
from perdure.worker.engine import Again
from perdure.worker.engines import procrastinate
from perdure.worker.engines.procrastinate import ProcrastinateEngine, make_tables
from tests.servers.postgres import Server
from tests.worker.kit import PATIENCE_SECONDS, until

QUIETLY = """
INSERT INTO perdure_queue.procrastinate_jobs (queue_name, task_name, queueing_lock, args)
VALUES ('doer', 'look', 'r', '{"run": "r", "agent": "doer"}')
"""

LISTENING = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle' AND query LIKE 'LISTEN%procrastinate_queue_v1#doer%'
"""


def jobs_in(dsn: str) -> int:
    with psycopg.connect(dsn) as db:
        row = db.execute("SELECT count(*) FROM perdure_queue.procrastinate_jobs").fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


class Served:
    """An engine at work, and the runs that it was told to look at."""

    def __init__(self, dsn: str, *, ahead_ns: int = 0, again_ns: int = 0) -> None:
        """The engine's clock is ``ahead_ns`` ahead; a run that was looked at first wants it again after ``again_ns``."""
        self.engine = ProcrastinateEngine(
            dsn, ("doer",), concurrency=2, name="w", now=lambda: time.time_ns() + ahead_ns
        )
        self.looked: list[str] = []
        self._again = [Again(time.time_ns() + ahead_ns + again_ns)] if again_ns else []
        self._seen = asyncio.Event()

    async def _look(self, run: str) -> Again | None:
        self.looked.append(run)
        self._seen.set()
        return self._again.pop() if self._again else None

    async def until_seen(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._seen.wait()
        self._seen.clear()

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None]:
        await self.engine.prepare()
        serving = asyncio.create_task(self.engine.serve(self._look))
        try:
            yield
        finally:
            self.engine.stop()
            await serving
            await self.engine.close()


def listens(dsn: str) -> bool:
    with psycopg.connect(dsn) as db:
        return db.execute(LISTENING).fetchone() is not None


def insert_quietly(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("SET session_replication_role = replica")
        db.execute(QUIETLY)


def test_a_job_whose_notice_was_lost_is_fetched_when_its_run_is_asked_for_again(
    dsn: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(procrastinate, "ENGINE_POLL_SECONDS", 3600.0)

    async def served() -> list[str]:
        served = Served(dsn)
        async with served.at_work():
            assert await served.engine.ask(Summons("first", "doer"))
            await served.until_seen()
            await asyncio.to_thread(until, lambda: jobs_in(dsn) == 0, "the first job has ended")
            insert_quietly(dsn)
            await served.engine.ask(Summons("r", "doer"))
            await served.until_seen()
        return served.looked

    # Once more, if its job was found between the two and is done.
    assert asyncio.run(served())[:2] == ["first", "r"]


@pytest.mark.parametrize("is_heard", [False, True])
def test_a_job_that_is_told_of_while_the_engine_looks_is_fetched(
    dsn: str, monkeypatch: pytest.MonkeyPatch, *, is_heard: bool
):
    monkeypatch.setattr(procrastinate, "ENGINE_POLL_SECONDS", 3600.0)

    async def served() -> list[str]:
        is_looking, heard, let_go = asyncio.Event(), asyncio.Event(), asyncio.Event()
        fetch, hear = JobManager.fetch_job, Worker._handle_notification

        async def fetch_job(self: JobManager, queues: Iterable[str] | None, worker_id: int) -> Job | None:
            found = await fetch(self, queues, worker_id)
            if found is None:
                is_looking.set()
                await let_go.wait()
            return found

        async def handle_notification(self: Worker, *, channel: str, notification: Notification) -> None:
            await hear(self, channel=channel, notification=notification)
            heard.set()

        monkeypatch.setattr(JobManager, "fetch_job", fetch_job)
        monkeypatch.setattr(Worker, "_handle_notification", handle_notification)
        served = Served(dsn)
        async with served.at_work(), asyncio.timeout(PATIENCE_SECONDS):
            await is_looking.wait()
            if is_heard:
                await asyncio.to_thread(until, lambda: listens(dsn), "the engine listens")
                await served.engine.ask(Summons("r", "doer"))
                await heard.wait()
            else:
                insert_quietly(dsn)
                await served.engine.ask(Summons("r", "doer"))
            let_go.set()
            await served.until_seen()
        return served.looked

    assert asyncio.run(served()) == ["r"]


@pytest.mark.parametrize("ahead_ns", [0, 15_000_000, 150_000_000, 900_000_000])
def test_a_run_is_looked_at_when_it_is_due_though_our_clock_is_ahead_of_the_server_s(
    dsn: str, monkeypatch: pytest.MonkeyPatch, ahead_ns: int
):
    monkeypatch.setattr(procrastinate, "ENGINE_POLL_SECONDS", 3600.0)

    async def served() -> list[str]:
        served = Served(dsn, ahead_ns=ahead_ns, again_ns=2_000_000_000)
        async with served.at_work():
            await served.engine.ask(Summons("r", "doer"))
            await served.until_seen()
            await served.until_seen()
        return served.looked

    assert asyncio.run(served()) == ["r", "r"]


def test_a_job_that_no_standby_confirms_is_given_up_within_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(procrastinate, "ENGINE_ASK_SECONDS", 0.5)

    async def asked(dsn: str, run: str) -> None:
        engine = ProcrastinateEngine(dsn, ("doer",), concurrency=2, name="w")
        try:
            await engine.ask(Summons(run, "doer"))
        finally:
            await engine.close()

    with Server(tmp_path / "pg", {"synchronous_standby_names": "nobody"}) as lonely:
        local = f"{lonely.dsn()}?options=-c%20synchronous_commit%3Dlocal"
        make_tables(local)
        asyncio.run(asked(local, "one"))
        with pytest.raises(Busy, match="didn't say within"):
            asyncio.run(asked(lonely.dsn(), "two"))
