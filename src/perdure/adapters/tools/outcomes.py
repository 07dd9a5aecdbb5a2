"""What a tool, a probe or a poll can say beside a plain result.

- A returned value: done. ``NotDone``: known not done. Any other exception: not known.
- ``Partial`` and ``Pending`` are returned by tools; ``Found``, ``Never`` and ``Unknown`` by probes.
"""

from typing import NamedTuple

from perdure.values.limits import PENDING_SECONDS_MAX, POLL_SECONDS


class NotDone(Exception):
    """Raise this where it is known that nothing was done, with the reason for the model."""

    def __init__(self, reason: str) -> None:
        """Hold the reason."""
        super().__init__(reason)
        self.reason: str = reason


class Unknown(Exception):
    """Whether it was done is not known: a tool raises it, a probe raises or returns it."""

    def __init__(self, why: str = "") -> None:
        """Hold why it isn't known."""
        super().__init__(why or "not known")
        self.why: str = why


class Partial(NamedTuple):
    """Return this where some was done and some wasn't; both are told to the model."""

    done: object
    undone: object


class Pending(NamedTuple):
    """Return this where the other side took it and still works: ``reference`` finds it again.

    The reference has to be JSON; it is kept in the log, and ``poll`` is asked with it, also
    after a restart, until it gives a result or ``give_up_seconds`` have passed.
    """

    reference: object
    poll_seconds: float = POLL_SECONDS
    give_up_seconds: float = PENDING_SECONDS_MAX


class Found(NamedTuple):
    """A probe says: it was done, and this is its result."""

    result: object = None


class Never(NamedTuple):
    """A probe says: it was not done. ``barred``: and it can't be done any more under this key."""

    barred: bool = False
