"""What is known of one client about to start: where it stands, what it has, what it meets, and how it is dressed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api


class Whereabouts(NamedTuple):
    """Where a client is about to start, and how it was called."""

    home: Path
    directory: Path
    environment: Mapping[str, str]
    arguments: tuple[str, ...]
    """without the program"""


class FoundServer(NamedTuple):
    """One MCP server that the user has given the client."""

    name: str
    scope: str
    origin: str
    """the file, option or variable that names it"""
    command: tuple[str, ...]
    """empty: it is reached at ``url``"""
    environment: Mapping[str, str]
    """on top of the user's own"""
    directory: str
    """empty: the client's"""
    url: str
    transport: Literal["stdio", "http", "sse"]
    headers: Mapping[str, str]
    kept: Mapping[str, Json]
    """what the client itself heeds in its entry; it goes over into the entry of the shim"""


class Surroundings(NamedTuple):
    """What a client has by its user's settings."""

    servers: tuple[FoundServer, ...]
    upstreams: Mapping[Api, str]
    """where its requests go without us, for ``GatewaySettings.upstreams``"""
    providers: Mapping[str, tuple[tuple[str, ...], str]]
    """of a client that has providers: the key that sets each one's address, and the end of that address"""
    notes: tuple[str, ...]
    """what isn't covered here, for the user to read: servers left out, providers around the gateway"""


class Seam(NamedTuple):
    """What the client meets in place of its providers and servers."""

    base_url: str
    """of the gateway, with its token where it has one, without ``/v1`` and without a slash at its end"""
    token: str
    folder: Path
    """private; for the files of the overlay"""
    shims: Mapping[str, tuple[str, ...]]
    """the command that stands in for each server, by the server's name"""
    hooks: Mapping[str, Json]
    """the document of ``perdure hooks print CLIENT``; empty: none"""


class Dress(NamedTuple):
    """How the client is started so that it meets us: nothing of the user's is changed for it."""

    environment: dict[str, str]
    """whole"""
    arguments: tuple[str, ...]
    """without the program"""
    files: dict[Path, str]
    """to be written before it starts, for its user alone, and removed when it has ended"""
    notes: tuple[str, ...] = ()
    """what can't be covered here, for the user to read"""
