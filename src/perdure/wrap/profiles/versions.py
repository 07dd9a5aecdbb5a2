"""Which version a client has, and whether that one was tested."""

import re
import subprocess
from collections.abc import Mapping
from typing import Final

from perdure.values.limits import CLIENT_NAME_CHARACTERS_MAX, CLIENT_VERSION_SECONDS_MAX
from perdure.wrap.profiles.words import ClientProfile

_VERSION: Final = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+)+)")


def asked_version(profile: ClientProfile, program: str, environment: Mapping[str, str]) -> str:
    """Return the version that ``program`` says it has; empty where it says none, or nothing in time."""
    try:
        said = subprocess.run(
            [program, *profile.version.arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CLIENT_VERSION_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _VERSION.search(said.stdout.decode(errors="replace"))
    return found[1][:CLIENT_NAME_CHARACTERS_MAX] if found else ""


def untested(profile: ClientProfile, version: str) -> str:
    """Return why ``version`` isn't one that was tested; empty where it is."""
    words = profile.version
    span = f"{words.since} up to below {words.before}"
    if not version:
        return f"{profile.title} doesn't say which version it is; {span} were tested"
    if numbers(words.since) <= numbers(version) < numbers(words.before):
        return ""
    return f"{profile.title} {version} was not tested; {span} were"


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, for comparison; empty for what has none."""
    found = _VERSION.match(version) or re.match(r"(\d+)$", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()
