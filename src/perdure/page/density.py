"""How many characters make a token, by model, before its provider has counted any."""

from typing import Final

_FAMILIES: Final = (
    *((f"claude-{kind}-5", 2.25) for kind in ("opus", "sonnet", "haiku", "fable", "mythos")),
    ("claude-", 2.9),
    *((family, 4.0) for family in ("gpt-", "o1", "o3", "o4", "codex")),
)
"""By the beginning of a name, first match first. Measured on tool output; Claude 5 makes more tokens of the same text."""

_ELSE: Final = 3.5


def characters_per_token(model: str) -> float:
    """Return how many characters of a tool's output make a token of ``model``."""
    name = model.rpartition("/")[2].lower()
    return next((ratio for family, ratio in _FAMILIES if name.startswith(family)), _ELSE)
