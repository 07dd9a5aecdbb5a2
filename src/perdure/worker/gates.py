"""What may keep a worker from a run that wants to be driven."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from perdure.log.placing import Placed


class Elsewhere(NamedTuple):
    """Another worker was asked for the run, which may be looked at there at once."""


Gate = Callable[[Placed], Awaitable[str | Elsewhere | None]]
"""Tell why a worker may not drive this run now, in a sentence for people; None if it may.

The reason is kept beside the run and shown by `perdure worker ls`; the run is looked at again a little later.
"""


async def first_reason(gates: Sequence[Gate], placed: Placed) -> str | Elsewhere | None:
    """Return the first reason not to drive the run, if there is one."""
    for gate in gates:
        reason = await gate(placed)
        if reason:
            return reason
        if isinstance(reason, Elsewhere):
            return reason
    return None
