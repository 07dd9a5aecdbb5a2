"""A prompt as OpenAI's cache sees it: text, in steps of 128 tokens."""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from perdure.testing.upstream.question import Unit, without_marks
from perdure.values.digest import Json

CHARACTERS: Final = 4
STEP: Final = 128


def pieces(values: Sequence[Json]) -> tuple[Unit, ...]:
    """Return what is sent, cut into steps; the last one is as long as what is left."""
    text = b"\n".join(msgspec.json.encode(without_marks(v), order="deterministic") for v in values)
    size = STEP * CHARACTERS
    return tuple(
        Unit(
            digest=hashlib.sha256(text[start : start + size]).hexdigest(),
            tokens=max(1, len(text[start : start + size]) // CHARACTERS),
        )
        for start in range(0, len(text), size)
    )
