"""Counts of tokens out of what providers report.

``input_tokens`` is all that was read, cached or not; the cached parts of it are told beside it.
"""

from perdure.log.events import Usage
from perdure.values.digest import Json


def count(shape: Json, *path: str) -> int:
    """Return the whole number at ``path`` of a JSON object; 0 where there is none."""
    value = shape
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def anthropic_usage(shape: Json) -> Usage:
    """Return the usage of a message; there, cached tokens are counted apart from the others."""
    read, written = count(shape, "cache_read_input_tokens"), count(shape, "cache_creation_input_tokens")
    return Usage(
        input_tokens=count(shape, "input_tokens") + read + written,
        output_tokens=count(shape, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


def chat_usage(shape: Json) -> Usage:
    """Return the usage of a chat completion."""
    return Usage(
        input_tokens=count(shape, "prompt_tokens"),
        output_tokens=count(shape, "completion_tokens"),
        cache_read_tokens=count(shape, "prompt_tokens_details", "cached_tokens"),
        cache_write_tokens=count(shape, "prompt_tokens_details", "cache_write_tokens"),
    )


def responses_usage(shape: Json) -> Usage:
    """Return the usage of a response."""
    return Usage(
        input_tokens=count(shape, "input_tokens"),
        output_tokens=count(shape, "output_tokens"),
        cache_read_tokens=count(shape, "input_tokens_details", "cached_tokens"),
        cache_write_tokens=count(shape, "input_tokens_details", "cache_write_tokens"),
    )
