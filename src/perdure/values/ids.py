"""Ids that people type: their shape, checked once at the door."""

import re

from perdure.values.errors import BadName
from perdure.values.limits import RUN_NAME_CHARACTERS_MAX

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def checked_name(name: str, *, field: str) -> str:
    """Return ``name`` if it can name a run, a tenant or an agent; else raise ``BadName``.

    The alphabet is what file systems, URLs and shells take without quoting.
    """
    if len(name) <= RUN_NAME_CHARACTERS_MAX and _NAME.fullmatch(name):
        return name
    raise BadName(
        f"{field} {name!r} is not a name: use 1 to {RUN_NAME_CHARACTERS_MAX} letters, digits, "
        "'.', '_' or '-', beginning with a letter or digit",
        hint=f"choose another {field}",
    )
