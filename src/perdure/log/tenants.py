"""The port to tenants' limits: how many runs of one tenant the workers of a store drive at the same time."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class TenantFull(NamedTuple):
    """No place is free."""

    tenant: str
    concurrency: int
    driving: int


class TenantLimit(NamedTuple):
    """A tenant that has a limit, or has runs that are driven now."""

    name: str
    """empty: all tenants that have no limit of their own"""
    concurrency: int | None
    """None: as many as there are"""
    driving: int
    by: str
    """who said so; empty where the limit is the common one"""


class Tenants(Protocol):
    """Limits, and who has a place."""

    def take(self, run: str) -> TenantFull | None:
        """The run has a place, until it was acquired and given back; or no place is free. Raises ``UnknownRun``."""
        ...

    def set_limit(self, tenant: str, concurrency: int | None, by: str) -> None:
        """At most so many runs of ``tenant`` are driven at a time; None: none of its own any more."""
        ...

    def limits(self) -> Sequence[TenantLimit]:
        """Return the limits, and how much of them is taken."""
        ...

    def recall(self, now: int) -> int:
        """Runs that waited for a place which is free now are looked at again; return how many."""
        ...
