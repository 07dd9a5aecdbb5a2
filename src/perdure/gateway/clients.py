"""Which clients were tested, by the names and versions that they give themselves.

Invariants:
- A client whose version is outside of what was tested runs in ``observe``, and the log says why.
- The SDKs of the providers send what their user says, and nothing of their own: a program on one of them is
  taken as tested, since there is no client between it and the provider whose habits could be unknown.

``make test-clients`` runs the clients of this table through the gateway; a version moves into it when that passed.
"""

import re
from typing import Final, NamedTuple

from perdure.values.limits import CLIENT_NAME_CHARACTERS_MAX

Version = tuple[int, ...]


class Tested(NamedTuple):
    """Versions of a client, the last one excluded."""

    since: Version
    before: Version


TESTED: Final[dict[str, Tested]] = {
    "claude-cli": Tested((2, 1), (2, 2)),
    "claude-code": Tested((2, 1), (2, 2)),
    "codex_exec": Tested((0, 160), (0, 180)),
    "codex_cli_rs": Tested((0, 160), (0, 180)),
    "codex-tui": Tested((0, 160), (0, 180)),
    "opencode": Tested((1,), (2,)),
    "mini-swe-agent": Tested((1,), (3,)),
    "pydantic-ai": Tested((1,), (3,)),
    "agents": Tested((0,), (1,)),
    "smolagents": Tested((1,), (2,)),
}
"""by the first word of the user agent, in small letters"""

SDKS: Final = frozenset(
    (
        "openai",
        "asyncopenai",
        "anthropic",
        "asyncanthropic",
        "litellm",
        "langchain",
        "python-httpx",
        "python-requests",
        "aiohttp",
        "axios",
        "node",
        "node-fetch",
        "undici",
        "ai-sdk",
        "ai",
        "go-http-client",
        "okhttp",
        "curl",
    )
)
"""Libraries that send what a program says. They have no versions here: the wire is the provider's."""

_PRODUCT: Final = re.compile(r"\s*([A-Za-z0-9._-]+)(?:/([A-Za-z]*)[ /]?v?(\d+(?:\.\d+)*)?)?")


class Client(NamedTuple):
    """Who asks."""

    name: str
    """'claude-cli'; empty where it doesn't say"""
    version: str = ""

    def __str__(self) -> str:
        """Return both."""
        return f"{self.name}/{self.version}" if self.version else self.name or "unknown"


def client_of(agent: str) -> Client:
    """Return the client that a user agent names."""
    found = _PRODUCT.match(agent)
    if found is None:
        return Client("")
    return Client(
        found[1].lower()[:CLIENT_NAME_CHARACTERS_MAX], (found[3] or "")[:CLIENT_NAME_CHARACTERS_MAX]
    )


def untested(client: Client, trusted: frozenset[str]) -> str:
    """Return why ``client`` isn't trusted with moves; empty where it is."""
    if client.name in trusted or client.name in SDKS:
        return ""
    if not client.name:
        return "the client gives no name"
    known = TESTED.get(client.name)
    if known is None:
        return f"the client {client} was never tested; --trust {client.name} trusts it"
    version = tuple(int(part) for part in client.version.split(".")[:3]) if client.version else ()
    if known.since <= version < known.before:
        return ""
    span = f"{_spelled(known.since)} up to below {_spelled(known.before)}"
    return f"{client} was not tested ({span} were); --trust {client.name} trusts it"


def _spelled(version: Version) -> str:
    return ".".join(map(str, version))
