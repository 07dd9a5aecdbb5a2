"""Which server a client's words go to: the only one, or one of several that look like one.

Towards a client that gets several servers at once tools and prompts are called ``server__name``, lists are one
behind the other, and a resource goes to the server that named it. With one server nothing is changed at all.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND

from perdure.mcp.link import Client, Link, Object, Params
from perdure.mcp.servers import SEPARATOR
from perdure.values.digest import Json
from perdure.values.limits import MCP_LIST_PAGES_MAX

GoesTo = Callable[[Link], None]

_LISTS: Final = {
    "tools/list": ("tools", "tools"),
    "prompts/list": ("prompts", "prompts"),
    "resources/list": ("resources", "resources"),
    "resources/templates/list": ("resourceTemplates", "resources"),
}
_NAMED: Final = ("tools", "prompts")
_JOINABLE: Final = ("tools", "prompts", "resources", "logging", "completions")
"""Capabilities of which several servers' can be offered as one."""


class Routing:
    """The servers behind one client's connection."""

    def __init__(self, links: list[Link], *, prefixed: bool) -> None:
        """Hold links that aren't connected yet."""
        self._all: list[Link] = links
        self._prefixed: bool = prefixed
        self._places: dict[str, Link] = {}
        self._tokens: dict[str, tuple[Link, Json]] = {}
        self.links: list[Link] = []
        """those that are connected"""
        self._begun: asyncio.Event = asyncio.Event()

    async def ended(self) -> None:
        """Return once none of the servers that were there is there any more."""
        await self._begun.wait()
        await asyncio.gather(*(link.over() for link in self.links))

    async def introduce(self, hello: Params, client: Client) -> Object:
        """Begin with every server in the client's words; raises ``MCPError`` where none can be begun with."""
        for link in self._all:
            link.client = client
        if not self._prefixed:
            (link,) = self._all
            await link.connect()
            answer = await link.introduce(hello)
            self.links = [link]
            self._begun.set()
            return answer
        answers = await asyncio.gather(*(_begun(link, hello) for link in self._all))
        there = [(link, answer) for link, answer in zip(self._all, answers, strict=True) if answer]
        if not there:
            raise MCPError(INTERNAL_ERROR, "; ".join(link.gone() for link in self._all))
        self.links = [link for link, _ in there]
        self._begun.set()
        return _joined(there)

    def tool(self, name: str) -> tuple[Link, str]:
        """Return whose tool that is, and its name there; raises ``MCPError``."""
        if not self._prefixed:
            return self.links[0], name
        server, found, tool = name.partition(SEPARATOR)
        link = next((each for each in self.links if each.server.name == server), None)
        if not found or link is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {name}")
        return link, tool

    async def request(self, method: str, params: Params, goes_to: GoesTo) -> Object:
        """Return the answer of the server, or of the servers, that a request is for; raises ``MCPError``."""
        if not self._prefixed:
            goes_to(self.links[0])
            return await self.links[0].request(method, params)
        given = dict(params or {})
        if method == "ping":
            return {}
        if method in _LISTS:
            return await self._listed(method)
        if method == "logging/setLevel":
            able = [link for link in self.links if "logging" in link.capabilities]
            await asyncio.gather(*(link.request(method, given) for link in able))
            return {}
        link, sent = await self._meant(method, given)
        goes_to(link)
        return await link.request(method, sent)

    async def notify(self, method: str, params: Params) -> None:
        """Tell the servers."""
        token = (params or {}).get("progressToken")
        if self._prefixed and method == "notifications/progress" and isinstance(token, str):
            link, own = self._tokens.get(token, (None, None))
            if link is not None:
                await link.notify(method, {**(params or {}), "progressToken": own})
            return
        await asyncio.gather(*(link.notify(method, params) for link in self.links))

    def outward(self, link: Link, params: Params) -> Params:
        """Return a server's parameters as the client gets them: two servers may have chosen one progress token."""
        meta = (params or {}).get("_meta")
        if not self._prefixed or params is None or not isinstance(meta, dict) or "progressToken" not in meta:
            return params
        own = cast("Object", meta)["progressToken"]
        token = f"{link.server.name}:{own}"
        self._tokens[token] = (link, own)
        while len(self._tokens) > _TOKENS_MAX:
            del self._tokens[next(iter(self._tokens))]
        return {**params, "_meta": {**cast("Object", meta), "progressToken": token}}

    # -- inside --------------------------------------------------------------------------------------

    async def _listed(self, method: str) -> Object:
        field, capability = _LISTS[method]
        able = [link for link in self.links if capability in link.capabilities and link.open]
        pages = await asyncio.gather(*(_all_pages(link, method, field) for link in able))
        found: list[Json] = []
        for link, page in zip(able, pages, strict=True):
            for each in page:
                if field in _NAMED:
                    each["name"] = link.server.tool(str(each.get("name", "")))
                else:
                    self._places.setdefault(str(each.get("uri") or each.get("uriTemplate")), link)
                found.append(each)
        return {field: found}

    async def _meant(self, method: str, given: Object) -> tuple[Link, Object]:
        match method:
            case "prompts/get":
                link, name = self.tool(str(given.get("name", "")))
                return link, {**given, "name": name}
            case "completion/complete":
                return await self._completed(given)
            case "resources/read" | "resources/subscribe" | "resources/unsubscribe":
                return await self._holder(str(given.get("uri", ""))), given
            case _:
                raise MCPError(METHOD_NOT_FOUND, f"Method not found: {method}")

    async def _completed(self, given: Object) -> tuple[Link, Object]:
        told = given.get("ref")
        ref = dict(cast("Object", told)) if isinstance(told, dict) else {}
        if ref.get("type") == "ref/prompt":
            link, ref["name"] = self.tool(str(ref.get("name", "")))
            return link, {**given, "ref": ref}
        return await self._holder(str(ref.get("uri", ""))), given

    async def _holder(self, uri: str) -> Link:
        """Return the server that has a resource: the one that listed it, else the first whose template fits."""
        if uri not in self._places:
            await self._listed("resources/list")
            await self._listed("resources/templates/list")
        for place, link in self._places.items():
            if place == uri or ("{" in place and uri.startswith(place.split("{", 1)[0])):
                return link
        able = [link for link in self.links if "resources" in link.capabilities]
        if len(able) == 1:
            return able[0]
        raise MCPError(INVALID_PARAMS, f"no server has {uri}")


_TOKENS_MAX: Final = 1000


async def _begun(link: Link, hello: Params) -> Object:
    """Return a server's answer to the client's hello; empty where it has none: the others go on without it."""
    try:
        await link.connect()
        return await link.introduce(hello)
    except MCPError:
        await link.close()
        return {}


async def _all_pages(link: Link, method: str, field: str) -> list[Object]:
    found: list[Object] = []
    cursor: Json = None
    try:
        for _ in range(MCP_LIST_PAGES_MAX):
            page = await link.request(method, None if cursor is None else {"cursor": cursor})
            listed = page.get(field)
            found += [dict(each) for each in cast("list[Object]", listed if isinstance(listed, list) else [])]
            cursor = page.get("nextCursor")
            if not cursor:
                break
    except MCPError:
        # What one server fails at is no failure of the others.
        return found
    return found


def _joined(there: list[tuple[Link, Object]]) -> Object:
    """Return one answer for several servers."""
    capabilities: dict[str, Json] = {}
    for link, _ in there:
        for name, said in link.capabilities.items():
            if name not in _JOINABLE:
                continue
            known = capabilities.get(name)
            both = {**(cast("Object", known) if isinstance(known, dict) else {})}
            capabilities[name] = {**both, **(cast("Object", said) if isinstance(said, dict) else {})}
    told = [
        f"{link.server.name}: {answer['instructions']}"
        for link, answer in there
        if answer.get("instructions")
    ]
    joined: Object = {
        "protocolVersion": min(str(answer.get("protocolVersion")) for _, answer in there),
        "capabilities": capabilities,
        "serverInfo": {"name": "perdure", "version": "1"},
    }
    if told:
        joined["instructions"] = "\n\n".join(told)
    return joined
