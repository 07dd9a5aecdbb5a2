"""Old events in today's words: an event is never rewritten, it is read anew.

To change a body: raise its version in ``VERSIONS`` and add the rule that turns the previous
version's fields into the new ones. Rules are applied one after the other.
"""

from collections.abc import Callable, Mapping

import msgspec

from perdure.values.digest import Json
from perdure.values.errors import StoreNewer

Fields = dict[str, Json]
Rule = Callable[[Fields], Fields]

VERSIONS: dict[str, int] = {}
"""Today's version of each kind whose body ever changed; all others are at 1."""

RULES: dict[tuple[str, int], Rule] = {}
"""(kind, version) -> how its fields become those of version + 1."""


def upcast(
    kind: str,
    version: int,
    body: bytes,
    *,
    versions: Mapping[str, int] = VERSIONS,
    rules: Mapping[tuple[str, int], Rule] = RULES,
) -> bytes:
    """Return ``body`` of ``version`` as today's version of ``kind``, as JSON.

    Raises ``StoreNewer`` if a rule is missing: the log then is from a branch that this build isn't.
    """
    fields = msgspec.json.decode(body, type=Fields)
    for step in range(version, versions.get(kind, 1)):
        rule = rules.get((kind, step))
        if rule is None:
            raise StoreNewer(f"{kind} version {step} can't be read: no rule leads on from it")
        fields = rule(fields)
    return msgspec.json.encode(fields)
