"""Which API a request belongs to, and where it goes on to."""

from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from perdure.assembly.foreign.gateways import ANTHROPIC, OPENAI
from perdure.gateway.gemini_reading import model_in
from perdure.wire.bodies.nouns import Api

Verb = Literal["ask", "count", "compact", "gemini", "pass"]

_ENDS: Final[dict[str, tuple[Api, Verb]]] = {
    "/messages": ("messages", "ask"),
    "/messages/count_tokens": ("messages", "count"),
    "/chat/completions": ("chat", "ask"),
    "/responses": ("responses", "ask"),
    "/responses/compact": ("responses", "compact"),
}
_OTHERS_OF_ANTHROPIC: Final = ("/messages/", "/complete", "/organizations", "/skills", "/oauth")
_VERSION: Final = "/v1"


class Route(NamedTuple):
    """What is asked of whom."""

    api: Api
    verb: Verb
    """'pass': whatever it is, it goes through untouched; 'gemini': so does a question in that API, which is read, too"""


def route_of(method: str, path: str, *, anthropic: bool) -> Route:
    """Return the route of a request to ``path`` (without its query).

    ``anthropic``: its headers are those of that provider's clients; it tells apart what both have, as in
    ``/v1/models`` and ``/v1/files``.
    """
    end = _shortened(path)
    known = _ENDS.get(end)
    if known is not None and method == "POST":
        return Route(*known)
    if method == "POST" and model_in(path):
        return Route("responses", "gemini")
    if anthropic or end.startswith(_OTHERS_OF_ANTHROPIC):
        return Route("messages", "pass")
    return Route("chat" if end.startswith("/chat/") else "responses", "pass")


def path_in(asked: str) -> str:
    """Return the path, with its query, that a request's first line asks for; empty where it asks for none.

    A client that takes the gateway for its proxy names a whole address: where it goes is said by the settings alone.
    """
    if asked.startswith(("http://", "https://")):
        _, slash, rest = asked.partition("://")[2].partition("/")
        asked = slash + rest
    return asked if asked.startswith("/") else ""


def target(base: str, path: str) -> str:
    """Return the address that ``path`` (with its query, word for word) goes on to under ``base``.

    Clients differ in whether their base address ends in ``/v1``; the two defaults have it always, another
    upstream has it once where either side says so.
    """
    versioned = path.startswith((_VERSION + "/", _VERSION + "?")) or path == _VERSION
    if base.endswith(_VERSION):
        return base + (path[len(_VERSION) :] if versioned else path)
    if base in (ANTHROPIC, OPENAI) and not versioned:
        return base + _VERSION + path
    return base + path


def is_local(base: str) -> bool:
    """Tell whether a server on this machine answers at ``base``."""
    host = urlsplit(base).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _shortened(path: str) -> str:
    _, version, rest = path.rpartition(_VERSION + "/")
    return "/" + rest if version else path
