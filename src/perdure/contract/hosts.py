"""Which hosts may be talked to: URLs read in the one way that every client reads them, or refused.

Clients differ on backslashes, spaces, user names, percent signs, numbers written as hosts and
letters outside ASCII; attacks live in those differences. So a URL that has any of them is refused
with the form to write instead, and what is left has one meaning.

The check is of the text: where a name leads, and whether a server redirects, is the sandbox's matter.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from perdure.contract.paths import BadGlob, Unclear

PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""schemes that a pattern without a scheme allows, and the port that each means by itself"""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(?:[/?#].*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?")
_PATTERN = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(\*\.|\*)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)?(?::(\d{1,5}|\*))?"
)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


class Place(NamedTuple):
    """Where a URL leads; the port is None where the scheme doesn't say and the URL neither."""

    scheme: str
    host: str
    port: int | None


class HostGlob(NamedTuple):
    """One compiled line of ``reach.hosts``."""

    text: str
    forbids: bool
    scheme: str
    any_host: bool
    suffix: str
    """'.example.com' of '*.example.com'"""
    host: str
    port: int | None
    any_port: bool


def place_of(url: str) -> Place | Unclear:
    """Return where ``url`` leads."""
    if any(letter <= " " or letter == "\x7f" for letter in url):
        return Unclear("has spaces or control characters; percent-encode them")
    if "\\" in url:
        return Unclear("has a backslash, which clients read differently; write /")
    found = _URL.fullmatch(url)
    if not found:
        return Unclear("is not a full URL; write https://host/path")
    authority = found[2]
    if "@" in authority:
        return Unclear("has a user name before the host; leave it out")
    if not authority.isascii():
        return Unclear("has a host with letters outside ASCII; write its xn-- form")
    if "%" in authority:
        return Unclear("has a percent sign in its host; write the host plainly")
    named = _AUTHORITY.fullmatch(authority)
    if not named:
        return Unclear("has no readable host; write https://host/path")
    host = _host(named[1])
    if isinstance(host, Unclear):
        return host
    scheme = found[1].lower()
    port = int(named[2]) if named[2] else PORTS.get(scheme)
    if port is not None and port > 65535:
        return Unclear("has a port that doesn't exist")
    return Place(scheme, host, port)


def host_glob_of(text: str) -> HostGlob:
    """Return the compiled form of one line of ``reach.hosts``; raise ``BadGlob``."""
    forbids = text.startswith("!")
    body = text[1:] if forbids else text
    if not body.isascii():
        raise BadGlob("it has letters outside ASCII; write the host's xn-- form")
    found = _PATTERN.fullmatch(body)
    if not found or not (found[2] or found[3]) or (found[2] == "*") == bool(found[3]):
        raise BadGlob("it is no host; write api.example.com, *.example.com, https://host:8443 or host:*")
    host = _host(found[3]) if found[3] else ""
    if isinstance(host, Unclear):
        raise BadGlob(f"it {host.why}")
    if found[2] == "*." and (host.startswith("[") or _NUMBER.fullmatch(host.rpartition(".")[2])):
        raise BadGlob("an address has no names below it; write the address itself")
    scheme = (found[1] or "").lower()
    port = found[4] or ""
    if port.isdigit() and int(port) > 65535:
        raise BadGlob("there is no such port; the last one is 65535")
    return HostGlob(
        text=text,
        forbids=forbids,
        scheme=scheme,
        any_host=found[2] == "*",
        suffix=f".{host}" if found[2] == "*." else "",
        host=host,
        port=int(port) if port.isdigit() else PORTS.get(scheme) if not forbids else None,
        any_port=port == "*" or (forbids and not port),
    )


def reachable(globs: Sequence[HostGlob], place: Place) -> bool:
    """Tell whether ``place`` is allowed by one line and forbidden by none."""
    if any(glob.forbids and _covers(glob, place) for glob in globs):
        return False
    return any(not glob.forbids and _covers(glob, place) for glob in globs)


def _covers(glob: HostGlob, place: Place) -> bool:
    if glob.scheme:
        if glob.scheme != place.scheme:
            return False
    elif place.scheme not in PORTS and not glob.forbids:
        return False
    if not glob.any_port:
        wanted = glob.port if glob.port is not None else PORTS.get(place.scheme)
        if wanted != place.port:
            return False
    if glob.any_host:
        return True
    return place.host.endswith(glob.suffix) if glob.suffix else place.host == glob.host


def _host(text: str) -> str | Unclear:
    """Return the one spelling of a host: small letters, no trailing dot, addresses in canonical form."""
    if text.startswith("["):
        try:
            address = ipaddress.IPv6Address(text[1:-1])
        except ValueError:
            return Unclear("has an address that can't be read")
        return str(address.ipv4_mapped) if address.ipv4_mapped else f"[{address}]"
    host = text.lower().removesuffix(".")
    labels = host.split(".")
    if "" in labels:
        return Unclear("has a host with an empty part; leave out the extra dot")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            return Unclear("has a number for a host; write the address as four plain numbers")
    return host
