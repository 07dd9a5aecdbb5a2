"""Names by which a message in a file and a message in a request are known to be the same."""

from collections.abc import Sequence
from typing import Final

from perdure.values.digest import Json
from perdure.wire.bodies.digests import cache_digest, merged_digest, merged_parts
from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.request import RequestBody

_SAID: Final = "said "


def names_of(api: Api, message: Json) -> frozenset[str]:
    """Return the names of a message as a file has it."""
    said = merged_digest(merged_parts(api, message))
    return frozenset((cache_digest(message), *((_said(said),) if said else ())))


def answered_name(calls: Sequence[str]) -> frozenset[str]:
    """Return the name of a message that answers these calls."""
    return frozenset((f"answers {' '.join(sorted(calls))}",)) if calls else frozenset()


def names_in(read: RequestBody) -> dict[int, frozenset[str]]:
    """Return the names that the messages of a request have besides their digests, by their places."""
    found = {
        place: frozenset((_said(merged_digest(item.merged)),))
        for place, item in enumerate(read.items)
        if item.merged
    }
    answers: dict[int, list[str]] = {}
    for result in read.results:
        answers.setdefault(result.place, []).append(result.call)
    return found | {place: answered_name(calls) for place, calls in answers.items()}


def is_said(name: str) -> bool:
    """Tell whether it is the name of something that the model said."""
    return name.startswith(_SAID)


def _said(name: str) -> str:
    return _SAID + name
