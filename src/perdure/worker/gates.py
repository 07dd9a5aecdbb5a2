"""What may keep a worker from a run that wants to be driven."""

from collections.abc import Awaitable, Callable

from perdure.log.placing import Placed

Gate = Callable[[Placed], Awaitable[str | None]]
"""Tell why a worker may not drive this run now, in a sentence for people; None if it may.

The reason is kept beside the run and shown by `perdure worker ls`; the run is looked at again a little later.
"""


async def first_reason(gates: "tuple[Gate, ...]", placed: Placed) -> str | None:
    """Return the first reason not to drive the run, if there is one."""
    for gate in gates:
        reason = await gate(placed)
        if reason:
            return reason
    return None
