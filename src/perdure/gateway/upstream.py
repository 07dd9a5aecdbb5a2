"""The way to the providers.

Invariant: a request is given nothing on the way: no cookie, and nothing that a file on this machine says of its host.
"""

from collections.abc import AsyncIterator
from typing import Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from perdure.values.limits import (
    GATEWAY_CONNECT_SECONDS,
    GATEWAY_HEADER_BYTES_MAX,
    GATEWAY_KEEP_SECONDS,
)

UNREACHED: Final = (aiohttp.ClientError, TimeoutError, OSError)
"""What asking an upstream raises where no whole answer came."""

_OWN_HEADERS: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")

Sent = bytes | AsyncIterator[bytes] | None


class Upstream:
    """Connections to providers, shared by all requests of one gateway."""

    def __init__(self) -> None:
        """Make ready; connections are opened when they are wanted. Needs a running loop."""
        self._session: aiohttp.ClientSession = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=GATEWAY_KEEP_SECONDS),
            # A model may think for an hour before it says anything: how long to wait is the client's to say.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=GATEWAY_CONNECT_SECONDS),
            auto_decompress=False,
            skip_auto_headers=_OWN_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=GATEWAY_HEADER_BYTES_MAX,
            max_field_size=GATEWAY_HEADER_BYTES_MAX,
        )
        self._proxies: dict[tuple[str, str], URL | None] = {}

    async def ask(
        self, method: str, address: str, headers: "CIMultiDict[str]", body: Sent
    ) -> aiohttp.ClientResponse:
        """Send a request and return the answer once its head is there. Raises one of ``UNREACHED``."""
        url = URL(address, encoded=True)
        return await self._session.request(
            method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=self._proxy_to(url),
        )

    async def close(self) -> None:
        """Let go of all connections."""
        await self._session.close()

    def _proxy_to(self, url: URL) -> URL | None:
        """Return the proxy to the host of ``url``, as the environment said when it was first asked."""
        key = url.scheme, url.host or ""
        if key not in self._proxies:
            named = getproxies().get(url.scheme, "")
            self._proxies[key] = URL(named) if named and not proxy_bypass(key[1]) else None
        return self._proxies[key]
