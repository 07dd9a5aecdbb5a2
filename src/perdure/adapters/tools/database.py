"""What a transactional tool writes to, and how a doubt about it is resolved by reading."""

from collections.abc import Callable
from typing import Protocol

from perdure.adapters.tools.context import Transaction
from perdure.adapters.tools.outcomes import Found, Never
from perdure.values.digest import Json


class Database(Protocol):
    """A database that commits what a tool writes together with the outcome, or neither."""

    def perform(self, key: str, send: int, time_limit: float, body: Callable[[Transaction], Json]) -> Json:
        """Run ``body`` in one transaction, settle (``key``, ``send``) in the same, and return its result.

        Raises ``NotDone`` if nothing was committed, and ``Unknown`` where that can't be told.
        """
        ...

    def resolve(self, key: str, sends: int) -> Found | Never:
        """Return the result of whichever of the first ``sends`` sends was committed.

        Where none was, all of them are barred first: a sender that still runs can't commit.
        """
        ...
