"""Profiles from their files: those that are shipped, and a user's own."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from perdure.values.digest import Json
from perdure.values.errors import BadProfile, UnknownClient
from perdure.values.limits import PROFILE_BYTES_MAX
from perdure.wrap.profiles.templates import words_in
from perdure.wrap.profiles.versions import numbers
from perdure.wrap.profiles.words import ClientProfile, SettingsWords

_WINDOWS_ENDS: Final = (".exe", ".cmd", ".ps1")
PLACES: Final = frozenset(("home", "directory", "project"))
"""words of templates that stand for paths, besides a profile's own places"""

SEAM: Final = frozenset(("base_url", "token"))
"""words of templates that stand for the gateway"""

TABLES: Final = frozenset(("servers", "hooks", "providers"))
SHIM: Final = frozenset(("command", "arguments", "command_line"))


@cache
def known() -> tuple[ClientProfile, ...]:
    """Return the profiles that are shipped, by name."""
    folder = files("perdure.wrap.profiles") / "known"
    found = [each for each in folder.iterdir() if each.name.endswith(".toml")]
    return tuple(_decoded(each.read_bytes(), each.name) for each in sorted(found, key=lambda each: each.name))


def read_profile(path: Path) -> ClientProfile:
    """Return the profile in ``path``. Raises ``BadProfile``."""
    try:
        with path.open("rb") as file:
            text = file.read(PROFILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadProfile(f"{path} can't be read: {error.strerror}") from error
    if len(text) > PROFILE_BYTES_MAX:
        raise BadProfile(f"{path} is no profile: it has more than {PROFILE_BYTES_MAX} bytes")
    return _decoded(text, str(path))


def recognised(program: str, profiles: tuple[ClientProfile, ...]) -> ClientProfile:
    """Return the profile of a program by the name it is called by. Raises ``UnknownClient``."""
    called = Path(program).name.lower()
    for end in _WINDOWS_ENDS:
        called = called.removesuffix(end)
    for profile in profiles:
        if called in profile.programs:
            return profile
    names = ", ".join(sorted(name for profile in profiles for name in profile.programs))
    raise UnknownClient(f"there is no profile of {called!r}; these are known: {names}")


def _decoded(text: bytes, origin: str) -> ClientProfile:
    try:
        profile = msgspec.toml.decode(text, type=ClientProfile)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BadProfile(f"{origin}: {error}") from error
    wrong = next(_wrong(profile), "")
    if wrong:
        raise BadProfile(f"{origin}: {wrong}")
    return profile


def _wrong(profile: ClientProfile) -> Iterator[str]:
    """Yield what can't be so in ``profile``, though each word of it could."""
    if not profile.name or not profile.programs:
        yield "it names no client, or no program"
    since, before = numbers(profile.version.since), numbers(profile.version.before)
    if not since or since >= before:
        yield "version: `since` and `before` are numbers as in 2.1, and the first is the lower one"
    words = profile.gateway
    if words.upstreams and words.providers is not None:
        yield "gateway: a client has either upstreams or providers"
    if not words.upstreams and words.providers is None:
        yield "gateway: it doesn't say where requests go without us"
    places = PLACES | profile.places.keys()
    yield from _strangers("gateway", [dict(words.environment), list(words.arguments)], places | SEAM)
    for each in profile.settings:
        yield from _strangers(
            "settings", [each.content, list(each.arguments), each.usual], places | SEAM | TABLES
        )
        yield from _ill_placed(each)
    if profile.servers is not None:
        yield from _strangers("servers.shim", profile.servers.shim, SHIM)
        if not any("{servers}" in str(each.content) for each in profile.settings):
            yield "servers: no settings hold {servers}, so nothing would stand in for them"
    if profile.resume is not None:
        yield from _strangers("resume", [*profile.resume.arguments, *profile.resume.last], {"session"})


def _ill_placed(settings: SettingsWords) -> Iterator[str]:
    lacking = {
        "file": ""
        if settings.name and (settings.variable or settings.option)
        else "a name, and a variable or option",
        "variable": "" if settings.variable else "a variable",
        "overrides": "" if settings.option else "an option",
    }[settings.to]
    if lacking:
        yield f"settings: `to = {settings.to!r}` needs {lacking}"
    if "/" in settings.name or settings.name.startswith("."):
        yield "settings: `name` is that of a file in a private directory, not a path"


def _strangers(where: str, template: Json, allowed: AbstractSet[str]) -> Iterator[str]:
    for word in words_in(template):
        if word not in allowed:
            yield f"{where}: there is no word {{{word}}} here; use {', '.join(sorted(allowed))}"
