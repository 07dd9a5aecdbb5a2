"""What a client has by its user's settings: its MCP servers, and where its requests go."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from perdure.values.digest import Json
from perdure.values.errors import NoWayToProvider
from perdure.wire.bodies.nouns import Api
from perdure.wrap.profiles.documents import Table, at, merged, texts
from perdure.wrap.profiles.nouns import FoundServer, Surroundings, Whereabouts
from perdure.wrap.profiles.sources import Settings
from perdure.wrap.profiles.words import (
    ClientProfile,
    GatewayWords,
    ProviderWords,
    ServerFields,
    ServerSource,
    ServerWords,
)

APIS: Final[tuple[Api, ...]] = ("messages", "chat", "responses")

_SHELL: Final = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_BRACES: Final = re.compile(r"\{env:(\w+)()\}()")


class ServerEntry(NamedTuple):
    """What the user wrote of one server, and where."""

    scope: str
    origin: str
    table: Table


def found(profile: ClientProfile, whereabouts: Whereabouts) -> Surroundings:
    """Return what the client has; the user's files are read and stay as they are.

    Raises ``BadSettings`` for a file that can't be read, ``NoWayToProvider`` where it isn't known where requests go.
    """
    settings = Settings(profile, whereabouts)
    notes: list[str] = []
    servers = _servers(profile.servers, settings, notes) if profile.servers else ()
    words = profile.gateway
    if words.providers is not None:
        upstreams, providers = _providers(words.providers, settings, notes)
    else:
        upstreams, providers = _upstreams(words, settings), {}
    return Surroundings(servers, upstreams, providers, tuple(notes))


# -- servers -----------------------------------------------------------------------------------------


def _servers(words: ServerWords, settings: Settings, notes: list[str]) -> tuple[FoundServer, ...]:
    entries: dict[str, ServerEntry] = {}
    for source in words.sources:
        for origin, name, table in _entries(source, settings):
            if source.approved and not settings.named(source.approved, name):
                notes.append(
                    f"the MCP server {name} of {origin} isn't approved in the client, so it isn't started for it"
                )
            elif settings.named(source.refused, name):
                continue
            elif name not in entries:
                entries[name] = ServerEntry(source.scope, origin, table)
            elif words.merged:
                nearest = entries[name]
                entries[name] = nearest._replace(table=_over(table, nearest.table))
    made: list[FoundServer] = []
    for name, entry in entries.items():
        server = _server(words, settings, name, entry)
        if server is not None and not server.command and not server.url:
            notes.append(
                f"the MCP server {name} of {entry.origin} has no command and no address: it is left out"
            )
        elif server is not None:
            made.append(server)
    notes += [each for each in (words.left_out, words.uncovered) if each]
    return tuple(made)


def _entries(source: ServerSource, settings: Settings) -> Iterator[tuple[str, str, Table]]:
    for origin, table in settings.held(source):
        for name, entry in table.items() if isinstance(table, dict) else ():
            if isinstance(entry, dict):
                yield origin, name, entry


def _over(below: Table, above: Table) -> Table:
    """Return both entries as one; lists aren't joined, since a command is one."""
    return merged({key: value for key, value in below.items() if not isinstance(above.get(key), list)}, above)


def _server(words: ServerWords, settings: Settings, name: str, entry: ServerEntry) -> FoundServer | None:
    """Return the server of an entry; None where it is switched off."""
    fields, table = words.fields, entry.table
    if table.get(fields.enabled) is False or table.get(fields.disabled) is True:
        return None
    expand = _expanding(words.expands, settings.whereabouts.environment)
    command = [expand(each) for each in texts(table.get(fields.command))]
    if fields.arguments:
        command += [expand(each) for each in texts(table.get(fields.arguments))]
    url, transport = _address(fields, table)
    user = settings.whereabouts.environment
    environment = {key: expand(each) for key, each in _pairs(table.get(fields.environment))}
    environment |= {each: user[each] for each in texts(table.get(fields.passed)) if each in user}
    directory = table.get(fields.directory)
    return FoundServer(
        name=name,
        scope=entry.scope,
        origin=entry.origin,
        command=tuple(command),
        environment=environment,
        directory=expand(directory) if isinstance(directory, str) else "",
        url="" if command else expand(url),
        transport="stdio" if command else transport,
        headers={} if command else _headers(fields, table, expand, user),
        kept={key: table[key] for key in fields.kept if key in table},
    )


def _address(fields: ServerFields, entry: Table) -> tuple[str, Literal["http", "sse"]]:
    for field, spoken in fields.urls.items():
        url = entry.get(field)
        if isinstance(url, str) and url:
            said = entry.get(fields.type)
            return url, said if said in ("http", "sse") else spoken
    return "", "http"


def _headers(
    fields: ServerFields, entry: Table, expand: Callable[[str], str], user: Mapping[str, str]
) -> dict[str, str]:
    headers = {key: expand(each) for key, each in _pairs(entry.get(fields.headers))}
    headers |= {key: user[each] for key, each in _pairs(entry.get(fields.header_variables)) if each in user}
    bearer = entry.get(fields.bearer_variable)
    if isinstance(bearer, str) and bearer in user:
        headers["Authorization"] = f"Bearer {user[bearer]}"
    return headers


def _pairs(value: Json) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, str):
                yield key, each
            elif isinstance(each, (int, float)):
                yield key, str(each).lower() if isinstance(each, bool) else str(each)


def _expanding(way: str, user: Mapping[str, str]) -> Callable[[str], str]:
    if not way:
        return str
    pattern = _SHELL if way == "shell" else _BRACES

    def told(word: re.Match[str]) -> str:
        name = word[1] or word[3]
        return user.get(name, word[2] if word[2] is not None else "" if way == "braces" else word[0])

    return lambda text: pattern.sub(told, text)


# -- upstreams and providers ---------------------------------------------------------------------------------------


def _upstreams(words: GatewayWords, settings: Settings) -> dict[Api, str]:
    made: dict[Api, str] = {}
    for name, upstream in words.upstreams.items():
        url = (settings.text(upstream.sources) or upstream.default).rstrip("/")
        made |= dict.fromkeys(APIS, url) if name == "all" else {name: url}
    return made


def _providers(
    words: ProviderWords, settings: Settings, notes: list[str]
) -> tuple[dict[Api, str], dict[str, tuple[tuple[str, ...], str]]]:
    chosen = settings.text(words.chosen) or words.default
    if words.divided:
        chosen = chosen.partition(words.divided)[0]
    tables = _tables(words, settings)
    names = [chosen, *tables, *words.built_in] if chosen else [*tables, *words.built_in]
    upstreams: dict[Api, str] = {}
    pointed: dict[str, tuple[tuple[str, ...], str]] = {}
    for name in dict.fromkeys(names):
        way = _way(words, settings, name, tables.get(name, {}))
        if way is None:
            if name == chosen:
                raise NoWayToProvider(f"the address of the provider {name!r} stands in no settings file")
            continue
        api, url, key = way
        base = url.rstrip("/").removesuffix(words.suffix)
        if upstreams.setdefault(api, base) != base:
            if name == chosen or name in tables:
                notes.append(f"the provider {name} at {url} is reached around the gateway")
            continue
        pointed[name] = (key, words.suffix)
    return upstreams, pointed


def _tables(words: ProviderWords, settings: Settings) -> dict[str, Table]:
    made: dict[str, Table] = {}
    for source in words.files:
        for _, held in settings.held(source):
            table = at(held, words.table)
            for name, each in table.items() if isinstance(table, dict) else ():
                if isinstance(each, dict):
                    made[name] = _over(each, made.get(name, {}))
    return made


def _way(
    words: ProviderWords, settings: Settings, name: str, table: Table
) -> tuple[Api, str, tuple[str, ...]] | None:
    """Return a provider's API, its address, and the key that sets another."""
    own = words.built_in.get(name)
    told = at(table, words.address)
    url = told if isinstance(told, str) else ""
    if own is not None:
        return own.api, url or settings.text(own.sources) or own.url, own.address
    if not url:
        return None
    kind = at(table, words.kind) if words.kind else None
    api = words.kinds.get(kind, words.api) if isinstance(kind, str) else words.api
    return api, url, (*words.table, name, *words.address)
