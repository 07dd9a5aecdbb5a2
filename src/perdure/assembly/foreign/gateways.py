"""What a gateway is told when it starts; the command line and the gateway, which know nothing of each other, both see this."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast, get_args
from urllib.parse import urlsplit

from perdure.assembly.stores.addresses import Location
from perdure.values.errors import BadInput, GatewayExposed
from perdure.wire.bodies.nouns import Api

ANTHROPIC: Final = "https://api.anthropic.com"
OPENAI: Final = "https://api.openai.com"

Mode = Literal["observe", "safe", "room", "nocache"]
Record = Literal["full", "hashed", "none"]

MODES: Final = cast("tuple[Mode, ...]", get_args(Mode))
RECORDS: Final = cast("tuple[Record, ...]", get_args(Record))

_APIS: Final[dict[str, tuple[Api, ...]]] = {
    "messages": ("messages",),
    "chat": ("chat",),
    "responses": ("responses",),
    "anthropic": ("messages",),
    "openai": ("chat", "responses"),
}


class GatewaySettings(NamedTuple):
    """How one gateway works."""

    store: Location
    host: str = "127.0.0.1"
    port: int = 8787
    upstreams: tuple[tuple[Api, str], ...] = (
        ("messages", ANTHROPIC),
        ("chat", OPENAI),
        ("responses", OPENAI),
    )
    mode: Mode = "safe"
    room: int = 0
    """tokens under which 'room' keeps the window"""
    record: Record = "full"
    token: str = ""
    """what a client has to show before anything is forwarded; empty on loopback"""

    trusted: frozenset[str] = frozenset()
    """clients that are taken as tested at any version, by name"""

    def upstream(self, api: Api) -> str:
        """Return the base address of ``api``."""
        return dict(self.upstreams)[api]


def upstreams_of(given: Sequence[str]) -> tuple[tuple[Api, str], ...]:
    """Return the base address of each API: ``URL`` is for all, ``API=URL`` for one or for a provider's two.

    Raises ``BadInput`` for what is neither.
    """
    chosen = dict(GatewaySettings(Path()).upstreams)
    for each in given:
        name, sign, url = each.partition("=")
        if not sign or "/" in name:
            name, url = "", each
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise BadInput(
                f"--upstream {each!r}: {url!r} is no http address", hint="as in http://127.0.0.1:8080"
            )
        if "@" in urlsplit(url).netloc:
            raise BadInput(
                "--upstream: a name or password in an address would be shown, and clients send their own",
                hint="as in http://127.0.0.1:8080",
            )
        if name and name not in _APIS:
            raise BadInput(
                f"--upstream {each!r}: there is no API {name!r}", hint=f"use one of {', '.join(_APIS)}"
            )
        for api in _APIS[name] if name else tuple(chosen):
            chosen[api] = url.rstrip("/")
    return tuple(chosen.items())


def checked(settings: GatewaySettings) -> GatewaySettings:
    """Return ``settings`` if a gateway may work so.

    Raises ``GatewayExposed`` if others could use it without a token, ``BadInput`` for a mode without its figure.
    """
    if not settings.token and not is_loopback(settings.host):
        raise GatewayExposed(f"--host {settings.host} lets other machines in, and no --token keeps them out")
    if settings.token and not all(
        sign.isascii() and (sign.isalnum() or sign in "-_.~") for sign in settings.token
    ):
        raise BadInput("--token: use letters, digits, '-', '_', '.' and '~': it may stand in an address")
    if settings.mode == "room" and settings.room <= 0:
        raise BadInput("--mode room needs --room TOKENS, under which the window is kept")
    return settings


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
