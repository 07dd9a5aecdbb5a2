"""Times as transcripts spell them."""

from datetime import datetime
from typing import Final

from perdure.values.digest import Json

NS: Final = 1_000_000_000
_EPOCH_MIN: Final = 1_000_000_000
"""A number below this many seconds since 1970 (2001) is no time of an agent's."""


def moment_of(value: Json) -> int:
    """Return the ns since the epoch that ``value`` names, as ISO text, seconds or milliseconds; 0 if it names none."""
    if isinstance(value, str):
        return _read(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > _EPOCH_MIN:
        return int(value * 1_000_000) if value > _EPOCH_MIN * 1_000 else int(value * NS)
    return 0


def _read(text: str) -> int:
    try:
        when = datetime.fromisoformat(text[:40])
    except ValueError:
        return 0
    try:
        return round(when.timestamp() * 1_000_000) * 1_000 if when.tzinfo is not None else 0
    except (OverflowError, ValueError, OSError):
        return 0
