"""Where a tenant lives, and which shard a run's name says.

Invariants:
- A tenant lives on one shard for ever, and with it its runs, their forks and their children.
- A new tenant is placed only after every shard knows all the shards that its maker knows. So of two makers with
  different lists either both look where the other has placed, or one of them is refused.
"""

import hashlib
from collections.abc import Iterable

from perdure.adapters.shards.reaching import Shards
from perdure.values.errors import StoreAway, WrongShards


def home_of(what: str, names: Iterable[str]) -> str:
    """Return the one of the shards ``names`` that ``what`` would be placed on; a new shard moves few others."""
    return max(names, key=lambda name: hashlib.sha256(f"{name}\0{what}".encode()).digest())


class Placing:
    """Finds and makes placements. What was found is remembered: it never changes."""

    def __init__(self, shards: Shards) -> None:
        """Place on ``shards``."""
        self._shards: Shards = shards
        self._found: dict[str, str] = {}

    def said_by(self, run: str) -> str | None:
        """Return the shard that the run's name says, if it says one."""
        before, dot, after = run.partition(".")
        return before if dot and after and before in self._shards.known else None

    def found(self, what: str) -> str | None:
        """Return the shard that ``what`` is on, or None.

        One that says so is enough. Raises ``StoreAway`` if none does and one is away, ``WrongShards`` for two.
        """
        if what in self._found:
            return self._found[what]
        here: set[str] = set()
        away: StoreAway | None = None
        for name in self._shards.names:
            try:
                where = self._shards.asked(name, lambda shard: shard.roster.placed(what))
            except StoreAway as error:
                away = error
                continue
            here |= {where} if where is not None else set()
        if len(here) > 1:
            raise WrongShards(
                f"{what.replace(':', ' ', 1)} is on shards {' and '.join(sorted(here))}",
                hint="move it to one of them with `perdure store copy --tenant`",
            )
        for where in here:
            self._found[what] = where
            return where
        if away is not None:
            raise away
        return None

    def of_tenant(self, tenant: str) -> str:
        """Return the shard that the tenant lives on; a new one is placed. Raises ``StoreAway``, ``WrongShards``."""
        return self._placed(f"tenant:{tenant}", None)

    def of_name(self, run: str, where: str) -> str:
        """A run whose name says no shard is on ``where``, unless it was placed before; return its shard."""
        return self._placed(f"run:{run}", where)

    def _placed(self, what: str, where: str | None) -> str:
        known = self._found.get(what)
        if known is not None:
            return known
        self._shards.agree()
        found = self.found(what)
        if found is not None:
            return found
        home = home_of(what, self._shards.names)
        placed = self._shards.reach(home).roster.place(what, where or home, self._shards.known)
        if placed is None:
            raise WrongShards(f"shard {home} was told of another shard just now")
        self._found[what] = placed
        return placed
