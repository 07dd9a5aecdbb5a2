"""How many characters make a token, by model: from what providers counted, starting at what was measured before."""

from typing import Final

from perdure.page.density import characters_per_token

_LEAST: Final = 1.2
_MOST: Final = 8.0
"""Outside of these a count says something else: a picture, or a provider that counts otherwise."""

_COUNTS_FROM: Final = 2_000
"""Tokens of a request from which its ratio is that of its text, not of its frame."""

_WEIGHT: Final = 0.3
"""Of the newest request in the estimate."""


class Measure:
    """What is known of each model's tokens."""

    def __init__(self) -> None:
        """Know what was measured before."""
        self._known: dict[str, float] = {}

    def characters_per_token(self, model: str) -> float:
        """Return the estimate for ``model``."""
        known = self._known.get(model)
        return characters_per_token(model) if known is None else known

    def tokens(self, model: str, characters: int) -> int:
        """Return about how many tokens ``characters`` are."""
        return round(characters / self.characters_per_token(model))

    def learn(self, model: str, characters: int, tokens: int) -> None:
        """Take in that the provider counted ``tokens`` for a request of so many characters."""
        if tokens < _COUNTS_FROM:
            return
        ratio = characters / tokens
        if _LEAST <= ratio <= _MOST:
            before = self._known.get(model)
            self._known[model] = ratio if before is None else before + _WEIGHT * (ratio - before)
