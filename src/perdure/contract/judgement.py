"""What a judge is told, and what it answers."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from perdure.log.events import Reservation


class Figures(NamedTuple):
    """What has happened so far, as the run's projection counts it."""

    turns: int
    calls: Mapping[str, int]
    """effects started in the lineage, by tool"""
    spent: int
    tokens: int
    cost_microusd: int
    elapsed_ns: int
    at: int
    """now, in nanoseconds since the epoch, from the driver's clock"""
    used: Callable[[str], int]
    """counter's name to what is used of it"""
    repeats: Callable[[str, str], int]
    """tool and digest of all arguments to how many equal calls in a row came immediately before"""


class Where(NamedTuple):
    """Whose intention it is."""

    run: str
    lineage: str
    tenant: str


class Refusal(NamedTuple):
    """It may not be done. ``reason`` and ``hint`` are written for a model to act on."""

    rule: str
    """which part of the contract refused: 'rules.small-payments', 'reach.write', 'budgets.daily'"""
    reason: str
    hint: str = ""


class ApprovalNeed(NamedTuple):
    """A person has to allow it."""

    why: str
    who: str
    expires_ns: int
    """how long the question stands"""


class Allowed(NamedTuple):
    """It may be done, once these are reserved and, where needed, a person has allowed it."""

    reservations: tuple[Reservation, ...]
    approval: ApprovalNeed | None
