"""Known secrets taken out of what is kept."""

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

from perdure.values.digest import Json

MARK: Final = "[secret]"


def _spellings(value: str) -> Iterator[str]:
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value, safe="", errors="replace")
    yield base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()


def scrub(text: str, values: Iterable[str]) -> str:
    """Return ``text`` with every spelling of ``values`` blotted out: plain, JSON, URL and base64."""
    spellings = {spelling for value in values if value for spelling in _spellings(value)}
    for spelling in sorted(spellings, key=lambda spelling: (-len(spelling), spelling)):
        text = text.replace(spelling, MARK)
    return text


def scrubbed(value: Json, values: Iterable[str]) -> Json:
    """Return the JSON ``value`` with ``values`` blotted out of every text and name in it."""
    known = tuple(values)
    if not known:
        return value
    match value:
        case str():
            return scrub(value, known)
        case list():
            return [scrubbed(item, known) for item in value]
        case dict():
            return {scrub(name, known): scrubbed(item, known) for name, item in value.items()}
        case _:
            return value
