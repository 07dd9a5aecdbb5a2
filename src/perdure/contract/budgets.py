"""Budgets and rates: counters with deterministic names, and what a call takes from them.

Invariants:
- A counter is named by whose it is, the budget's name and the number of its window since 1970 (UTC):
  ``tenant:acme:daily:20420``. Nobody has to set anything back when a day ends.
- What other runs take from too is ``shared``: the store checks the limit in the claim's own
  transaction, so runs side by side can't overdraw. ``figures.used`` only refuses earlier.
- What the model used (tokens, money) is known after the fact. A run's own total needs no counter. For
  other budgets a run's next effect takes what isn't yet counted, and a private counter remembers how
  much that was: the shared one lags by at most a turn of each run.
"""

import re
from typing import Final, NamedTuple

from perdure.contract.judgement import Figures, Refusal, Where
from perdure.contract.rules import Budget
from perdure.log.events import Reservation

UNBOUNDED: Final = 2**62
"""Limit of a counter that only counts; leaves room below what SQLite and PostgreSQL hold in a row."""

SECOND_NS: Final = 1_000_000_000
_SPANS: Final = {"never": 0, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([1-9][0-9]{0,8})\s*([smhd])")


class Purse(NamedTuple):
    """A budget made ready; ``span_ns`` 0 never starts anew."""

    budget: Budget
    span_ns: int


def span_of(text: str) -> int | None:
    """Return the nanoseconds of 'day', '90s', '7d', ... (0 for 'never'); None if it is no duration."""
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else _SPANS.get(text)
    return None if seconds is None else seconds * SECOND_NS


def counter_of(purse: Purse, where: Where, at: int) -> str:
    """Return the name of the counter that is open at ``at``."""
    budget = purse.budget
    window = at // purse.span_ns if purse.span_ns else 0
    return f"{budget.per}:{_owner(budget, where)}:{budget.name}:{window}"


def spent_counter(where: Where) -> str:
    """Return the counter that feeds ``Figures.spent``."""
    return f"lineage:{where.lineage}:spent"


def is_total(budget: Budget) -> bool:
    """Tell whether the run's own figures say all there is to know of it."""
    return budget.of in {"turns", "seconds"} or (
        budget.of in {"tokens", "cost"} and budget.per == "run" and budget.every == "never"
    )


def taken(
    purse: Purse, amount: int, figures: Figures, where: Where, *, claims: bool
) -> tuple[Reservation, ...] | Refusal:
    """Return what a call takes: itself, the ``amount`` it spends, or what the model used since.

    ``claims`` tells whether the store will see the reservation; a read has no claim to carry it.
    """
    budget = purse.budget
    if is_total(budget):
        return ()
    modelled = budget.of in {"tokens", "cost"}
    if modelled:
        amount = _uncounted(budget, figures, where) if claims else 0
    elif budget.of == "calls":
        amount = 1
    if not amount:
        return ()
    counter = counter_of(purse, where, figures.at)
    used = figures.used(counter)
    if used + amount > budget.max:
        return _overdrawn(purse, used, amount, figures.at)
    took = Reservation(counter, amount, budget.max, shared=budget.per != "run")
    return (took, Reservation(_counted(budget, where), amount, UNBOUNDED)) if modelled else (took,)


def exhausted(purse: Purse, figures: Figures, where: Where) -> Refusal | None:
    """Refuse to ask the model once its budget is used up."""
    budget = purse.budget
    if budget.of in {"calls", "spend"}:
        return None
    if is_total(budget):
        used = _total(budget, figures)
    else:
        used = figures.used(counter_of(purse, where, figures.at)) + _uncounted(budget, figures, where)
    if used < budget.max:
        return None
    return _overdrawn(purse, used, 0, figures.at)


def _uncounted(budget: Budget, figures: Figures, where: Where) -> int:
    return max(0, _total(budget, figures) - figures.used(_counted(budget, where)))


def _counted(budget: Budget, where: Where) -> str:
    """Name the private counter by lineage: a fork's figures hold its prefix, and so must this."""
    return f"lineage:{where.lineage}:{budget.name}:counted"


def _total(budget: Budget, figures: Figures) -> int:
    match budget.of:
        case "tokens":
            return figures.tokens
        case "cost":
            return figures.cost_microusd
        case "seconds":
            return figures.elapsed_ns // SECOND_NS
        case "turns":
            return figures.turns
        case "spend":
            return figures.spent
        case "calls":
            return sum(figures.calls.values())


def _owner(budget: Budget, where: Where) -> str:
    match budget.per:
        case "run":
            return where.run
        case "lineage":
            return where.lineage
        case "tenant":
            return where.tenant


def _overdrawn(purse: Purse, used: int, amount: int, at: int) -> Refusal:
    budget = purse.budget
    left = max(0, budget.max - used)
    every = "" if budget.every == "never" else f" every {budget.every}"
    unit = {"cost": " millionths of a dollar", "spend": ""}.get(budget.of, f" {budget.of}")
    asked = f"this takes {amount}, and " if amount else ""
    reason = (
        f"the budget {budget.name!r} allows {budget.max}{unit} per {budget.per}{every}: "
        f"{asked}{used} are used already"
    )
    if not purse.span_ns:
        hint = "it does not start anew: finish without this, or ask a person to raise it"
    elif amount > budget.max:
        hint = f"a single call of this size never fits: ask for at most {left}"
    else:
        wait = spelled_span(purse.span_ns - at % purse.span_ns)
        hint = f"try again in {wait}, when it starts anew"
        if budget.of == "spend" and left:
            hint += f", or ask for at most {left} now"
    return Refusal(f"budgets.{budget.name}", reason, hint)


def spelled_span(span_ns: int) -> str:
    """Return '2 h 13 min': the two largest units, rounded up."""
    seconds = -(-span_ns // SECOND_NS)
    if seconds < 60:
        return f"{seconds} s"
    minutes = -(-seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, left = divmod(hours, 24)
    return f"{days} d {left} h" if left else f"{days} d"
