"""The workflow that stands for one run in Temporal: it asks workers to look at the run, and remembers timers.

Invariants:
- It decides nothing about the run: it may ask twice, late or after the run has ended, and the lease sees to the rest.
- Each time that somebody asks, a look begins at once, also while another is under way: that one may be of a dead worker.
- Where nothing is asked it ends; the next who asks begins it anew. So a run at rest costs Temporal nothing.
"""

import asyncio
from datetime import timedelta
from typing import Final, cast

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from perdure.values.limits import (
    ENGINE_PAUSE_SECONDS_MAX,
    TEMPORAL_BEAT_SECONDS_MAX,
    TEMPORAL_HISTORY_MAX,
    TEMPORAL_LOOKS_MAX,
    TEMPORAL_QUEUE_SECONDS,
)

WORKFLOW: Final = "perdure-run"
ACTIVITY: Final = "perdure-look"
SIGNAL: Final = "asked"

_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    maximum_interval=timedelta(seconds=ENGINE_PAUSE_SECONDS_MAX),
)


@workflow.defn(name=WORKFLOW)
class RunFlow:
    """Looks at one run, as often as somebody asks."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self._asked: list[tuple[str, int]] = []
        """(task queue, not before this time in ns or 0), not begun yet"""
        self._looks: set[asyncio.Task[None]] = set()

    @workflow.signal(name=SIGNAL)
    def asked(self, queue: str, at_ns: int) -> None:
        """Somebody wants the run to be looked at, at once or at that time."""
        if (queue, at_ns) not in self._asked:
            self._asked.append((queue, at_ns))

    @workflow.run
    async def run(self, run: str, asked: list[tuple[str, int]]) -> None:
        """Look until nothing is asked."""
        self._asked = [(queue, at) for queue, at in asked] + self._asked
        while self._asked or self._looks:
            if self._is_long():
                # What is under way here goes on without us; whoever looks anew finds the run held.
                for look in self._looks:
                    look.cancel()
                workflow.continue_as_new(args=[run, self._asked])
            self._begin(run)
            await self._something()

    def _is_long(self) -> bool:
        here = workflow.info()
        return here.is_continue_as_new_suggested() or here.get_current_history_length() > TEMPORAL_HISTORY_MAX

    def _begin(self, run: str) -> None:
        now = workflow.time_ns()
        for queue, at in sorted(self._asked, key=lambda each: each[1]):
            if at <= now and len(self._looks) < TEMPORAL_LOOKS_MAX:
                self._asked.remove((queue, at))
                look = asyncio.create_task(self._look(run, queue))
                self._looks.add(look)
                look.add_done_callback(self._looks.discard)

    async def _something(self) -> None:
        """Return when there is something to do: an ask, a time that has come, or the end of a look."""
        seen, looks = tuple(self._asked), len(self._looks)
        dues = [at for _, at in self._asked]
        wait = (
            max(0.0, (min(dues) - workflow.time_ns()) / 1e9) if dues and looks < TEMPORAL_LOOKS_MAX else None
        )
        try:
            await workflow.wait_condition(
                lambda: tuple(self._asked) != seen or len(self._looks) != looks,
                timeout=None if wait is None else timedelta(seconds=wait),
            )
        except TimeoutError:
            return

    async def _look(self, run: str, queue: str) -> None:
        try:
            again = cast(
                "int",
                await workflow.execute_activity(
                    ACTIVITY,
                    args=[run, queue],
                    task_queue=queue,
                    result_type=int,
                    schedule_to_start_timeout=timedelta(seconds=TEMPORAL_QUEUE_SECONDS),
                    start_to_close_timeout=timedelta(days=365),
                    heartbeat_timeout=timedelta(seconds=TEMPORAL_BEAT_SECONDS_MAX),
                    retry_policy=_RETRY,
                ),
            )
        except ActivityError:
            # Nobody serves the queue now, or the look was let go of: a worker that comes asks by itself.
            return
        if again and (queue, again) not in self._asked:
            self._asked.append((queue, again))
