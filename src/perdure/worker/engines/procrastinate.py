"""Placement by procrastinate, whose tables lie in a schema of their own in the store's database.

Invariants:
- A job names a run and holds nothing else. It is deleted when it ends, however it ended.
- A run has at most one job that waits for now, and one that waits for a time (``queueing_lock``).
- No job holds a lock. A lock of a dead process, or of a job whose end could not be written, would keep a run from
  being taken over until the engine notices; that there is one writer is the lease's business.
- Cancelling a job cancels no drive.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, LiteralString, Protocol, cast

import procrastinate
import psycopg
from procrastinate import connector, exceptions, jobs
from procrastinate.schema import SchemaManager
from procrastinate.worker import Worker
from psycopg import conninfo

from perdure.log.placing import Summons
from perdure.values.digest import short_digest
from perdure.values.errors import Busy, EngineMissing
from perdure.values.limits import (
    ENGINE_ASK_SECONDS,
    ENGINE_BEAT_SECONDS,
    ENGINE_PAUSE_SECONDS_MAX,
    ENGINE_POLL_SECONDS,
    ENGINE_STALLED_SECONDS,
)
from perdure.worker.engine import Depth, Engine, Look
from perdure.worker.engines import EngineWish

SCHEMA: Final = "perdure_queue"
"""Where procrastinate's tables lie: beside the store's, and never mixed up with a user's own procrastinate."""

TASK: Final = "look"

_QUEUE_CHARACTERS_MAX: Final = 36
"""procrastinate notifies by ``procrastinate_queue_v1#NAME``, and PostgreSQL's channels end at 63 bytes."""

_CONNECTIONS_MAX: Final = 2
"""Beside the one that listens: jobs are fetched one by one, and what is said of them takes a millisecond."""

_PREPARING: Final = 0x50455251
_EXISTS: Final = """
SELECT to_regclass(%(jobs)s), to_regnamespace(%(schema)s), obj_description(to_regnamespace(%(schema)s), 'pg_namespace')
"""
_DEPTH: Final = """
SELECT count(*)::bigint AS waiting,
    COALESCE(extract(epoch FROM now() - min(e.at)), 0)::float8 AS oldest
FROM (SELECT id FROM procrastinate_jobs WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
    ORDER BY id LIMIT 10000) j
LEFT JOIN procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'
"""

_LATE_SECONDS: Final = (0.0, 0.02, 0.2, 1.0)
"""After it is time by our clock, which may be ahead of the server's by as much as half of an answer took: the server says what is due."""

_log: Final = logging.getLogger("perdure.worker.engine")


def queue_of(agent: str) -> str:
    """Return the queue of ``agent``: only workers that have it fetch from there."""
    if len(agent.encode()) <= _QUEUE_CHARACTERS_MAX:
        return agent
    return f"{agent[:20]}-{short_digest(agent.encode())[:12]}"


class _Notices(asyncio.Event):
    """That there may be jobs: forgotten before a look and not behind it, as the library would."""

    def clear(self) -> None:
        """What comes while jobs are looked for stays."""

    def forget(self) -> None:
        """Jobs are about to be looked for."""
        super().clear()


class _Fetcher(Worker):
    """A worker that looks again for what it was told of while it looked."""

    async def run(self) -> None:
        self._new_job_event: _Notices = _Notices()
        await super().run()

    async def _fetch_and_process_jobs(self) -> None:
        self._new_job_event.forget()
        await super()._fetch_and_process_jobs()

    def nudge(self) -> None:
        """It looks for jobs now."""
        self._new_job_event.set()


class _Channels:
    """Names that are listened to one by one, each time a connection begins to; ``then`` is called after the last."""

    def __init__(self, names: Sequence[str], then: Callable[[], None]) -> None:
        self._names: Sequence[str] = names
        self._then: Callable[[], None] = then

    def __iter__(self) -> Iterator[str]:
        yield from self._names
        self._then()


class _Listens(Protocol):
    async def listen_notify(self, on_notification: connector.Notify, channels: Iterable[str]) -> None: ...


class _Connector(procrastinate.PsycopgConnector):
    """A connector that says when it has begun to listen: of what was asked for before, nobody tells it."""

    listening: Callable[[], None] | None = None

    async def listen_notify(self, on_notification: connector.Notify, channels: Iterable[str]) -> None:
        heard = channels if self.listening is None else _Channels(tuple(channels), self.listening)
        await cast("_Listens", super()).listen_notify(on_notification, heard)


class _Asked(Protocol):
    async def execute_query_one_async(self, query: LiteralString) -> Mapping[str, object]: ...


class ProcrastinateEngine:
    """Jobs in one database of the store."""

    def __init__(
        self,
        dsn: str,
        agents: Sequence[str],
        *,
        concurrency: int,
        name: str,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        """Serve runs of ``agents`` of the store at ``dsn``, looking at most at so many at once, when ``now`` says it is time."""
        self._now: Callable[[], int] = now
        self._dsn: str = dsn
        self._concurrency: int = concurrency
        self._name: str = name
        self._queues: list[str] = [queue_of(agent) for agent in agents]
        self._connector: _Connector = _Connector(
            conninfo=dsn,
            kwargs={
                # What the address says stays said: a role to take, an endpoint to be led to.
                "options": f"{_options_of(dsn)} -c search_path={SCHEMA} -c statement_timeout=10000".strip(),
                "application_name": "perdure worker engine",
            },
            min_size=1,
            max_size=_CONNECTIONS_MAX,
            timeout=10.0,
        )
        self._connector.listening = self._nudge
        self._app: procrastinate.App = procrastinate.App(connector=self._connector)
        self._worker: _Fetcher | None = None
        self._stopped: bool = False
        self._opened: bool = False
        self._opening: asyncio.Lock = asyncio.Lock()

    async def prepare(self) -> None:
        await asyncio.to_thread(make_tables, self._dsn)

    async def serve(self, look: Look) -> None:
        @self._app.task(name=TASK)
        async def looked_at(run: str, agent: str) -> None:
            again = await look(run)
            if again is not None:
                await self.ask(Summons(run, agent), at_ns=again.at_ns)
                wait = max(again.at_ns - self._now(), 0) / 1e9
                for late in _LATE_SECONDS:
                    asyncio.get_running_loop().call_later(wait + late, self._nudge)

        pause = 0.1
        while not self._stopped:
            try:
                await self._open()
                self._worker = self._made()
                pruning = asyncio.create_task(self._prune())
                try:
                    await self._worker.run()
                finally:
                    pruning.cancel()
                pause = 0.1
            except (exceptions.ProcrastinateException, psycopg.Error, OSError) as error:
                _log.warning("the engine can't be reached: %s", error)
            if not self._stopped:
                await asyncio.sleep(pause)
                pause = min(2 * pause, ENGINE_PAUSE_SECONDS_MAX)

    def _made(self) -> _Fetcher:
        return _Fetcher(
            app=self._app,
            queues=self._queues,
            name=self._name,
            concurrency=self._concurrency,
            fetch_job_polling_interval=ENGINE_POLL_SECONDS,
            abort_job_polling_interval=3600.0,
            shutdown_graceful_timeout=0.0,
            delete_jobs=jobs.DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
            update_heartbeat_interval=ENGINE_BEAT_SECONDS,
            stalled_worker_timeout=ENGINE_STALLED_SECONDS,
        )

    async def _prune(self) -> None:
        """Jobs whose worker has gone away are deleted: the sweep finds their runs sooner than they would."""
        manager = self._app.job_manager
        while True:
            await asyncio.sleep(ENGINE_STALLED_SECONDS)
            try:
                for job in await manager.get_stalled_jobs(seconds_since_heartbeat=ENGINE_STALLED_SECONDS):
                    await manager.finish_job(job, jobs.Status.ABORTED, delete_job=True)
                await manager.prune_stalled_workers(ENGINE_STALLED_SECONDS)
            except exceptions.ProcrastinateException as error:
                _log.debug("stalled jobs can't be deleted: %s", error)

    async def ask(self, call: Summons, *, at_ns: int | None = None) -> bool:
        await self._open()
        options = self._app.configure_task(
            TASK,
            queue=queue_of(call.agent),
            queueing_lock=_lock_of(call, at_ns),
            schedule_at=None if at_ns is None else datetime.fromtimestamp(at_ns / 1e9, UTC),
            priority=_priority_of(call, at_ns),
        )
        try:
            async with asyncio.timeout(ENGINE_ASK_SECONDS):
                await options.defer_async(run=call.run, agent=call.agent)
        except exceptions.AlreadyEnqueued:
            # Its notice came while jobs were looked for, or never did.
            if at_ns is None:
                self._nudge()
            return False
        except TimeoutError as error:
            # Its statements are bounded, and its commit is not: a synchronous standby may be away.
            raise Busy(
                f"the engine didn't say within {ENGINE_ASK_SECONDS:.0f} s that {call.run} is asked for"
            ) from error
        except (exceptions.ProcrastinateException, psycopg.Error, OSError) as error:
            raise Busy(f"the engine can't be asked for {call.run}: {error}") from error
        return True

    async def depth(self) -> Depth:
        await self._open()
        try:
            row = await cast("_Asked", self._connector).execute_query_one_async(_DEPTH)
        except (exceptions.ProcrastinateException, psycopg.Error, OSError) as error:
            raise Busy(f"the engine can't be asked: {error}") from error
        return Depth(int(cast("int", row["waiting"])), float(cast("float", row["oldest"])))

    def _nudge(self) -> None:
        if self._worker is not None:
            self._worker.nudge()

    def stop(self) -> None:
        self._stopped = True
        if self._worker is not None:
            self._worker.stop()

    async def close(self) -> None:
        self.stop()
        if self._opened:
            self._opened = False
            await self._app.close_async()

    async def _open(self) -> None:
        async with self._opening:
            if self._opened:
                return
            try:
                await self._app.open_async()
            except (exceptions.ProcrastinateException, psycopg.Error, OSError) as error:
                raise Busy(f"the engine's database can't be reached: {error}") from error
            self._opened = True


def _options_of(dsn: str) -> str:
    return str(conninfo.conninfo_to_dict(dsn).get("options") or "")


def _lock_of(call: Summons, at_ns: int | None) -> str:
    """Return the name under which at most one job waits: a run that lost its process doesn't wait behind its old job."""
    if at_ns is not None:
        return f"{call.run}@"
    return f"{call.run}!" if call.broken_off else call.run


def _priority_of(call: Summons, at_ns: int | None) -> int:
    """Return what is fetched first, the highest: effects under way, then what is to be done now, then times."""
    if at_ns is not None:
        return 0
    return 2 if call.broken_off else 1


def made(wish: EngineWish) -> Engine:
    """Return the engine for one database of a store."""
    return ProcrastinateEngine(
        wish.dsn, wish.agents, concurrency=wish.concurrency, name=wish.process, now=wish.now
    )


def make_tables(dsn: str) -> None:
    """The tables of procrastinate are there, and at least as new as this library wants them."""
    try:
        with psycopg.connect(dsn, autocommit=False, connect_timeout=10) as db:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_PREPARING,))
            row = db.execute(_EXISTS, {"jobs": f"{SCHEMA}.procrastinate_jobs", "schema": SCHEMA}).fetchone()
            there, room, newest = cast("tuple[str | None, str | None, str | None]", row)
            steps = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
            if there is not None and newest is not None and newest >= steps[-1].name:
                return
            if room is None:
                # ``IF NOT EXISTS`` would ask for a right that whoever was given an empty schema doesn't need.
                db.execute(f"CREATE SCHEMA {SCHEMA}")
            db.execute(f"SET LOCAL search_path TO {SCHEMA}")
            if there is None:
                db.execute(SchemaManager.get_schema())
            else:
                for step in steps:
                    if newest is None or step.name > newest:
                        db.execute(cast("LiteralString", step.read_text(encoding="utf-8")))
            db.execute(cast("LiteralString", f"COMMENT ON SCHEMA {SCHEMA} IS '{steps[-1].name}'"))
    except psycopg.errors.InsufficientPrivilege as error:
        raise EngineMissing(
            f"procrastinate's tables aren't in schema {SCHEMA}, and can't be made: {error}",
            hint="let the store's owner run `perdure store migrate --worker ROLE` with this role's name",
        ) from error
    except psycopg.Error as error:
        raise Busy(f"the engine's tables can't be looked at: {error}") from error
