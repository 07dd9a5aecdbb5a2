"""Shards that break a promise, which the model must catch."""

from perdure.adapters.memory.roster import MemoryRoster


class Forgetful(MemoryRoster):
    """Places whatever its maker knows: nobody looks whether the lists agree."""

    def _agrees(self, known: frozenset[str]) -> bool:
        del known
        return True
