"""The environment of a sandboxed program: a few names that are known to be harmless, and what was asked for."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.view import HOME, TEMPORARY, shell

_KEPT: Final = ("LANG", "LANGUAGE", "TZ", "PATH")
"""Nothing that may hold a key: tokens, proxies with passwords and agents' sockets stay outside."""


def clean_environment(
    asked: Mapping[str, str], *, home: str = HOME, temporary: str = TEMPORARY
) -> dict[str, str]:
    """Return the whole environment for a program; ``asked`` wins."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}
    kept.setdefault("LANG", "C.UTF-8")
    kept["PATH"] = _path(kept.get("PATH", ""))
    return {
        **kept,
        "HOME": home,
        "TMPDIR": temporary,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": shell(),
        "TERM": "dumb",
        # A sandbox has no terminal to ask at, or to page through.
        "GIT_TERMINAL_PROMPT": "0",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        **asked,
    }


def _path(inherited: str) -> str:
    """Return the search path, with the running Python and the system's programs on it in any case.

    Python goes first: what chose it outside (a version manager's folder in a home) is not there inside.
    """
    places = inherited.split(os.pathsep) if inherited else []
    python = str(Path(sys.base_prefix, "bin"))
    if python not in (*places, "/usr/bin"):
        places.insert(0, python)
    places += ["/usr/local/bin", "/usr/bin", "/bin"]
    return os.pathsep.join(dict.fromkeys(place for place in places if place.startswith("/")))
