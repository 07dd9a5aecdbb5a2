"""A store in memory: the port at its plainest, for tests, simulations and trying things out."""

from perdure.adapters.memory.store import MemoryStore

__all__ = ["MemoryStore"]
