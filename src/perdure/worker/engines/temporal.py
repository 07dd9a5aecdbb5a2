"""Placement by Temporal: one small workflow per run, whose activity drives it with heartbeats.

Invariants:
- Temporal holds names and times, and nothing of what a run says or does.
- Workers of one database share a queue for workflows; looks go to a queue per agent, and per version of it.
- Cancelling an activity cancels no drive: whatever Temporal thinks of it, the run is given back in order.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from psycopg import conninfo
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure.log.placing import Summons
from perdure.values.digest import short_digest
from perdure.values.errors import Busy, EngineMissing
from perdure.values.limits import (
    ENGINE_PAUSE_SECONDS_MAX,
    TEMPORAL_BEAT_SECONDS_MAX,
    TEMPORAL_CONNECT_SECONDS,
    TEMPORAL_DECISION_SECONDS,
    TEMPORAL_STICKY_SECONDS,
)
from perdure.worker.engine import Depth, Engine, Look
from perdure.worker.engines import EngineWish
from perdure.worker.engines.temporal_flow import ACTIVITY, SIGNAL, WORKFLOW, RunFlow

_log = logging.getLogger(__name__)

_FAULTS: Final = (RPCError, TemporalError, RuntimeError, OSError)
"""What the client raises where the server is away: its core says most of it as ``RuntimeError``."""

_OPEN: Final = f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus = 'Running' AND TaskQueue = "


class TemporalEngine:
    """Asks for runs through a Temporal server, which ``TEMPORAL_ADDRESS`` and the like name."""

    def __init__(self, wish: EngineWish) -> None:
        """Serve the database that ``wish`` names; nothing is connected yet."""
        words = conninfo.conninfo_to_dict(wish.dsn)
        where = [str(words.get(key) or "") for key in ("host", "port", "dbname")]
        self._base: str = f"perdure-{short_digest(' '.join(where).encode())}"
        self._wish: EngineWish = wish
        self._client: Client | None = None
        self._workers: list[Worker] = []
        self._stopped: asyncio.Event = asyncio.Event()

    async def prepare(self) -> None:
        try:
            await self._connected()
        except Busy as error:
            raise EngineMissing(
                str(error), hint="start Temporal, or name it by TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE"
            ) from error

    async def serve(self, look: Look) -> None:
        pause = 0.1
        while not self._stopped.is_set():
            try:
                await self._serve(await self._connected(), look)
                pause = 0.1
            except (*_FAULTS, Busy) as error:
                _log.warning("Temporal can't be reached: %s", error)
            if not self._stopped.is_set():
                await asyncio.sleep(pause)
                pause = min(2 * pause, ENGINE_PAUSE_SECONDS_MAX)

    async def _serve(self, client: Client, look: Look) -> None:
        looked_at = _activity_of(look)
        flows = Worker(
            client,
            task_queue=self._base,
            workflows=[RunFlow],
            workflow_runner=UnsandboxedWorkflowRunner(),
            # A worker that died is not waited for: its flows are replayed elsewhere, which takes milliseconds.
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=TEMPORAL_STICKY_SECONDS),
            identity=self._wish.process,
        )
        looks = [
            Worker(
                client,
                task_queue=self._queue(agent),
                activities=[looked_at],
                max_concurrent_activities=2 * self._wish.concurrency,
                identity=self._wish.process,
            )
            for agent in self._wish.agents
        ]
        self._workers = [flows, *looks]
        running = [asyncio.create_task(each.run()) for each in self._workers]
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in running:
                task.cancel()
            ended = await asyncio.gather(*running, return_exceptions=True)
        for each in ended:
            if isinstance(each, Exception):
                raise each

    async def ask(self, call: Summons, *, at_ns: int | None = None) -> bool:
        client = await self._connected()
        queue = self._queue(call.agent)
        try:
            await client.start_workflow(
                WORKFLOW,
                args=[call.run, []],
                id=f"{self._base}/{call.run}",
                task_queue=self._base,
                task_timeout=timedelta(seconds=TEMPORAL_DECISION_SECONDS),
                start_signal=SIGNAL,
                start_signal_args=[queue, at_ns or 0],
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )
        except _FAULTS as error:
            raise Busy(f"Temporal can't be asked for {call.run}: {error}") from error
        return True

    async def depth(self) -> Depth:
        client = await self._connected()
        try:
            found = await client.count_workflows(f"{_OPEN}'{self._base}'")
        except _FAULTS as error:
            raise Busy(f"Temporal can't be asked: {error}") from error
        return Depth(found.count, 0.0)

    def stop(self) -> None:
        self._stopped.set()
        for worker in self._workers:
            task = asyncio.ensure_future(worker.shutdown())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def close(self) -> None:
        self._stopped.set()
        self._client = None

    def _queue(self, agent: str) -> str:
        return f"{self._base}:{agent}"

    async def _connected(self) -> Client:
        if self._client is None:
            words = ClientConfig.load_client_connect_config()
            words.setdefault("target_host", "localhost:7233")
            try:
                async with asyncio.timeout(TEMPORAL_CONNECT_SECONDS):
                    self._client = await Client.connect(**words)
            except (*_FAULTS, TimeoutError) as error:
                raise Busy(f"Temporal at {words.get('target_host')} can't be reached: {error}") from error
        return self._client


def _activity_of(look: Look) -> Callable[[str, str], Awaitable[int]]:
    @activity.defn(name=ACTIVITY)
    async def looked_at(run: str, queue: str) -> int:
        del queue
        drive = asyncio.ensure_future(look(run))
        while True:
            done, _ = await asyncio.wait({drive}, timeout=TEMPORAL_BEAT_SECONDS_MAX / 4)
            if done:
                again = drive.result()
                return again.at_ns if again is not None else 0
            activity.heartbeat()

    return looked_at


def made(wish: EngineWish) -> Engine:
    """Return the engine for one database of a store."""
    return TemporalEngine(wish)
