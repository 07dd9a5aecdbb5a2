"""A client's start, so that it meets us: variables, arguments and private files beside those of its user.

Invariants:
- Nothing of the user's is written. What they gave by an option or variable that we need stands beneath ours.
- A server for which there is no shim doesn't appear in the table of shims: it isn't started in our name.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec

from perdure.values.digest import Json
from perdure.wrap.profiles.documents import Table, as_toml, at, merged, nested, table_in, table_of, without
from perdure.wrap.profiles.nouns import Dress, Seam, Surroundings, Whereabouts
from perdure.wrap.profiles.sources import dropped, given_to, places_of
from perdure.wrap.profiles.templates import filled, text_of
from perdure.wrap.profiles.words import ClientProfile, SettingsWords

SERVERS: Final = "{servers}"
HOOKS: Final = "{hooks}"
"""Where a profile's documents hold the shims, and our hooks."""


def is_bare(profile: ClientProfile, arguments: Sequence[str]) -> bool:
    """Tell whether a client is called for something else than a session, as in ``claude mcp list``."""
    return bool(arguments) and arguments[0] in profile.bare


def dressed(
    profile: ClientProfile, whereabouts: Whereabouts, surroundings: Surroundings, seam: Seam
) -> Dress:
    """Return how the client is started so that it meets ``seam``."""
    words = _words(profile, whereabouts, surroundings, seam)
    notes: list[str] = []
    if words["hooks"] and not heeds_hooks(profile, whereabouts):
        words["hooks"] = {}
        notes.append(profile.hooks.without if profile.hooks else "")
    environment = {**profile.gateway.defaults, **whereabouts.environment}
    environment |= {
        text_of(name, words): text_of(value, words) for name, value in profile.gateway.environment.items()
    }
    dress = Dress(environment, whereabouts.arguments, {})
    front = [text_of(each, words) for each in profile.gateway.arguments]
    for settings in profile.settings:
        if settings.owned and not roots_own(seam.folder):
            notes.append(settings.without)
            continue
        dress, more = _settled(settings, words, dress, whereabouts, seam)
        front += more
    return dress._replace(arguments=(*front, *dress.arguments), notes=tuple(filter(None, notes)))


def roots_own(folder: Path) -> bool:
    """Tell whether nobody but root can write ``folder`` or what lies above it."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    real = folder.resolve()
    above = [each.stat() for each in (real, *real.parents) if each.exists()]
    return all(each.st_uid == 0 and not each.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for each in above)


def takes(profile: ClientProfile, folder: Path, word: str) -> bool:
    """Tell whether the client reads the table ``word`` where it would be laid over; true where no file is needed."""
    holders = [each for each in profile.settings if _places_of(each.content, word)]
    return not holders or any(not each.owned or roots_own(folder) for each in holders)


def heeds_hooks(profile: ClientProfile, whereabouts: Whereabouts) -> bool:
    """Tell whether the client would run hooks that it is given for a session."""
    options = profile.hooks.only_with if profile.hooks else ()
    return not options or any(each in whereabouts.arguments for each in options)


def _words(
    profile: ClientProfile, whereabouts: Whereabouts, surroundings: Surroundings, seam: Seam
) -> dict[str, Json]:
    shims: Table = {}
    for server in surroundings.servers:
        argv = seam.shims.get(server.name)
        if argv and profile.servers:
            line: dict[str, Json] = {
                "command": argv[0],
                "arguments": list(argv[1:]),
                "command_line": list(argv),
            }
            name = server.name
            if server.url and profile.servers.apart:
                shims[name] = dict(profile.servers.off)
                name += profile.servers.apart
            shims[name] = {**cast("Table", filled(profile.servers.shim, line)), **server.kept}
    providers: Table = {}
    for key, end in surroundings.providers.values():
        providers = merged(providers, nested(key, seam.base_url + end))
    hooks = at(dict(seam.hooks), profile.hooks.key) if profile.hooks else None
    words: dict[str, Json] = {
        "base_url": seam.base_url,
        "token": seam.token,
        "servers": shims,
        "hooks": hooks or {},
        "providers": providers,
    }
    return places_of(profile, whereabouts) | words


def _settled(
    settings: SettingsWords,
    words: Mapping[str, Json],
    dress: Dress,
    whereabouts: Whereabouts,
    seam: Seam,
) -> tuple[Dress, list[str]]:
    content = _content(settings.content, words)
    if settings.to != "file":
        content = {key: value for key, value in content.items() if value != {}}
    arguments = [text_of(each, words) for each in settings.arguments]
    if settings.to == "overrides":
        pairs = [f"{key}={as_toml(value)}" for key, value in content.items()]
        return dress, [*(word for pair in pairs for word in (settings.option, pair)), *arguments]
    table = merged(_cleared(_beneath(settings, words, whereabouts), settings, content), content)
    text = msgspec.json.encode(table).decode()
    if settings.to == "variable":
        return dress._replace(environment=dress.environment | {settings.variable: text}), arguments
    path = seam.folder / settings.name
    dress = dress._replace(files={**dress.files, path: text})
    if settings.variable:
        dress = dress._replace(environment=dress.environment | {settings.variable: str(path)})
    if settings.option:
        rest = dropped(dress.arguments, [settings.option], valued=True, many=settings.many)
        dress, arguments = dress._replace(arguments=tuple(rest)), [settings.option, str(path), *arguments]
    return dress, arguments


def _content(template: Table, words: Mapping[str, Json]) -> Table:
    """Return the document; tables that stand under the empty name are part of the document itself."""
    made = cast("Table", filled(template, words))
    own = made.pop("", {})
    for table in own if isinstance(own, list) else [own]:
        made = merged(made, table) if isinstance(table, dict) else made
    return made


def _beneath(settings: SettingsWords, words: Mapping[str, Json], whereabouts: Whereabouts) -> Table:
    """Return what the user has where ours goes."""
    table: Table = {}
    if settings.variable:
        given = whereabouts.environment.get(settings.variable, "")
        usual = text_of(settings.usual, words) if settings.usual else ""
        if given and (settings.to == "variable" or Path(given).exists()):
            table = table_of(given, whereabouts.directory, settings.variable)
        elif usual and not given:
            table = table_in(whereabouts.directory / usual)
    if settings.option and settings.to == "file":
        for each in given_to(whereabouts.arguments, settings.option, many=settings.many):
            table = merged(table, table_of(each, whereabouts.directory, settings.option))
    return table


def _cleared(table: Table, settings: SettingsWords, content: Table) -> Table:
    """Return the user's document without its servers, which have shims or were left out."""
    for key in _places_of(settings.content, SERVERS):
        if at(content, key) is not None:
            table = without(table, key)
    return table


def _places_of(template: Json, word: str, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if template == word:
        return [before]
    if not isinstance(template, dict):
        return []
    return [each for key, value in template.items() for each in _places_of(value, word, (*before, key))]
