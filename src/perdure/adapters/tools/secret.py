"""Secrets that tools ask for by name, and their removal from what is kept.

Invariants:
- A value is resolved when it is asked for, and never shown by ``repr``.
- What was given to a tool is known afterwards, so that its results and errors can be scrubbed of it.
"""

from collections.abc import Callable, Iterator, Mapping

from perdure.wire.scrub import scrub, scrubbed

__all__ = ["SecretSource", "Secrets", "no_secrets", "scrub", "scrubbed"]

SecretSource = Callable[[str], str]
"""Returns the value of a name, or raises ``KeyError``."""


def no_secrets(name: str) -> str:
    """Refuse every name: the agent was given no source of secrets."""
    raise KeyError(f"no secret {name!r}: the agent was given no source of secrets")


class Secrets(Mapping[str, str]):
    """Secrets by name. Iterating shows only the names that were asked for."""

    __slots__: tuple[str, ...] = ("_given", "_source")

    def __init__(self, source: SecretSource = no_secrets) -> None:
        """Ask ``source`` whenever a name is asked for the first time."""
        self._source: SecretSource = source
        self._given: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Return the value of ``name``; raise ``KeyError`` where there is none."""
        if name not in self._given:
            self._given[name] = self._source(name)
        return self._given[name]

    def __contains__(self, name: object) -> bool:
        """Tell whether ``name`` has a value."""
        if not isinstance(name, str):
            return False
        try:
            self[name]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        """Yield the names that were asked for."""
        return iter(tuple(self._given))

    def __len__(self) -> int:
        """Return how many names were asked for."""
        return len(self._given)

    def __repr__(self) -> str:
        """Show names, never values."""
        return f"Secrets({', '.join(sorted(self._given))})"

    def secret_values(self) -> tuple[str, ...]:
        """Return the values that were given out, for ``scrub``."""
        return tuple(self._given.values())
