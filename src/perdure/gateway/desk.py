"""Where questions to models are taken: whose conversation it is, what is recorded, what goes on.

Invariant: whatever fails here that isn't the upstream, the request goes on: as it was recorded to go where
something was ever moved, else as it came.
"""

import asyncio
import hmac
import logging
from typing import Final, cast

import aiohttp
from aiohttp import web

from perdure.assembly.conversations import Conversations
from perdure.assembly.gateways import GatewaySettings, Mode
from perdure.assembly.pricing import tariff_of
from perdure.gateway import heads
from perdure.gateway.answers import Line
from perdure.gateway.clients import Client, client_of, untested
from perdure.gateway.counts import Counts
from perdure.gateway.editing import may_ask
from perdure.gateway.exchange import Exchange, Parts, is_long
from perdure.gateway.measure import Measure
from perdure.gateway.patience import Patience
from perdure.gateway.plans import edited, trackable
from perdure.gateway.routes import Route, is_local
from perdure.gateway.talks import Talk
from perdure.gateway.tracking import Caller, Found, Opened, Tracker
from perdure.gateway.upstream import Upstream
from perdure.log import events as e
from perdure.values.digest import Json
from perdure.values.errors import PerdureError
from perdure.values.limits import GATEWAY_PARTS_MAX
from perdure.wire.bodies.nouns import Endpoint
from perdure.wire.bodies.reading import Memo, read_request
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.splicing import splice

_LOG: Final = logging.getLogger("perdure.gateway")

_SESSIONS: Final = (
    "x-claude-code-session-id",
    "session_id",
    "session-id",
    "conversation_id",
    "x-session-id",
    "x-session-affinity",
)
"""Headers in which clients name their session."""

_ENDPOINTS: Final[dict[tuple[str, str], Endpoint]] = {
    ("messages", "ask"): "messages",
    ("messages", "count"): "count_tokens",
    ("chat", "ask"): "chat",
    ("responses", "ask"): "responses",
    ("responses", "compact"): "compact",
}


class Desk:
    """Takes questions of clients to models."""

    def __init__(
        self, settings: GatewaySettings, conversations: Conversations, upstream: Upstream, key: bytes
    ) -> None:
        """Record in ``conversations``; ``key`` keeps digests of credentials from being looked up anywhere."""
        self.settings: GatewaySettings = settings
        self.upstream: Upstream = upstream
        self.counts: Counts = Counts()
        self.tracker: Tracker = Tracker(conversations)
        self._parts: Parts = Parts(
            upstream,
            Measure(),
            self.tracker,
            self.counts,
            Patience(),
            observes=settings.mode == "observe",
            now=conversations.clock.now,
            is_behind=lambda: conversations.is_behind,
        )
        self._key: bytes = key
        self._said: set[str] = set()
        self._memo: Memo = Memo(GATEWAY_PARTS_MAX)

    async def answer(
        self, line: Line, request: web.BaseRequest, route: Route, address: str, body: bytes
    ) -> web.StreamResponse:
        """Ask the model, and record what is asked and answered."""
        self.counts.requests += 1
        read = self._read(request, route, body)
        if read is None or not trackable(read):
            self.counts.plain += 1
            return await self._plain(line, request, address, body)
        caller = self._caller(request, read)
        if route.verb == "count":
            return await self._plain(line, request, address, await self._counted(caller, read))
        found = await self._found(caller, read, lambda: self._opened(request, route, caller, read))
        if found is None:
            self.counts.unlogged += 1
            return await self._plain(line, request, address, body)
        try:
            return await Exchange(self._parts, line, request, address, found, read).run()
        finally:
            self.tracker.leave(found.talk)

    async def _found(self, caller: Caller, read: RequestBody, opened: Opened) -> Found | None:
        """Return the conversation of ``read``; None where the log doesn't give it in time.

        Finding it goes on by itself, so that a run that is taken up is never left behind by a client that has gone.
        """
        work = asyncio.get_running_loop().create_task(self.tracker.find(caller, read.digests, opened))
        try:
            await asyncio.wait((work,), timeout=self._parts.patience.seconds)
        except asyncio.CancelledError:
            work.add_done_callback(self._leave_late)
            raise
        if not work.done():
            work.add_done_callback(self._leave_late)
            self._parts.patience.ran_out()
            return None
        error = work.exception()
        if error is not None:
            if not isinstance(error, PerdureError):
                _LOG.warning("a request goes on unrecorded: %s", type(error).__name__)
            return None
        return work.result()

    def _leave_late(self, work: "asyncio.Task[Found]") -> None:
        if not work.cancelled() and work.exception() is None:
            self.tracker.leave(work.result().talk)

    def is_busy(self) -> bool:
        """Tell whether a question is under way."""
        return any(talk.under_way for talk in self.tracker.open_talks)

    def status(self) -> Json:
        """Return what this gateway has done, and how its open conversations stand."""
        talks = [_standing(talk) for talk in reversed(self.tracker.open_talks)]
        counts = cast("dict[str, Json]", dict(vars(self.counts)))
        return {
            "mode": self.settings.mode,
            "record": self.settings.record,
            "store": str(self.settings.store),
            "upstreams": dict(self.settings.upstreams),
            "counts": counts,
            "cost_microusd": sum(int(cast("int", talk["cost_microusd"])) for talk in talks),
            "saved_microusd": sum(int(cast("int", talk["saved_microusd"])) for talk in talks),
            "conversations": cast("list[Json]", talks),
        }

    async def close(self) -> None:
        """Write what is on its way, and give all runs back."""
        await self.tracker.close()

    # -- inside --------------------------------------------------------------------------------------

    def _read(self, request: web.BaseRequest, route: Route, body: bytes) -> RequestBody | None:
        endpoint = _ENDPOINTS.get((route.api, route.verb))
        if endpoint is None or request.headers.get("Content-Encoding", "identity") != "identity":
            return None
        try:
            return read_request(endpoint, body, self._memo)
        except Exception:  # noqa: BLE001 - a body that can't be read passes; it is the provider's to refuse
            return None

    def _caller(self, request: web.BaseRequest, read: RequestBody) -> Caller:
        secret = heads.credential(request.raw_headers)
        named = next((value for name in _SESSIONS if (value := request.headers.get(name))), "")
        named = named.encode(errors="replace").decode()
        credential = hmac.digest(self._key, secret, "sha256").hex()[:40] if secret else ""
        return Caller(credential, named[:200] or read.session[:200])

    async def _counted(self, caller: Caller, read: RequestBody) -> bytes:
        """Return a request to count tokens as it would be forwarded, so that the count is what will be sent."""
        try:
            talk = await self.tracker.peek(caller, read.digests)
        except PerdureError:
            return read.body
        if talk is None:
            return read.body
        try:
            return (
                splice(read.body, edited(talk.state, talk, read)) if self._parts.may_move(talk) else read.body
            )
        except Exception:  # noqa: BLE001 - economy fails open
            self.counts.failed_open += 1
            return read.body
        finally:
            self.tracker.leave(talk)

    def _opened(
        self, request: web.BaseRequest, route: Route, caller: Caller, read: RequestBody
    ) -> e.ConversationOpened:
        client = client_of(request.headers.get("User-Agent", ""))
        mode, note = self._mode(client, read)
        if note and note not in self._said:
            self._said.add(note)
            _LOG.warning("%s is observed only: %s", client, note)
        local = is_local(self.settings.upstream(route.api))
        return e.ConversationOpened(
            client=str(client),
            api=read.api,
            model=read.model,
            session=caller.session,
            credential=caller.credential,
            mode=mode,
            recall=mode != "observe",
            tariff=tariff_of(
                read.model, local=local, long=is_long(read.body), subscription=_is_subscription(request)
            ),
            room=self.settings.room if mode == "room" else 0,
            kept=self.settings.record,
            note=note,
        )

    def _mode(self, client: Client, read: RequestBody) -> tuple[Mode, str]:
        """Return the mode of a conversation of ``client``, and why it is another than was asked for."""
        if self.settings.mode == "observe":
            return "observe", ""
        if self.settings.record == "none":
            return "observe", "nothing is recorded, so nothing could be given back"
        if not may_ask(read):
            return (
                "observe",
                "its first request has no tools, one of our name, or leaves no choice: nothing could be asked for",
            )
        why = untested(client, self.settings.trusted)
        return ("observe", why) if why else (self.settings.mode, "")

    async def _plain(
        self, line: Line, request: web.BaseRequest, address: str, body: bytes
    ) -> web.StreamResponse:
        headers = heads.onward(request.raw_headers, plain=False)
        answer: aiohttp.ClientResponse = await self.upstream.ask(request.method, address, headers, body)
        async with answer:
            return await line.pass_on(answer)


def _is_subscription(request: web.BaseRequest) -> bool:
    """Tell whether the client is logged in by subscription: its calls cost no money, but count against limits."""
    if "chatgpt-account-id" in request.headers:
        return True
    return request.headers.get("Authorization", "").startswith("Bearer sk-ant-oat")


def _standing(talk: Talk) -> dict[str, Json]:
    known = talk.conversation
    return {
        "run": talk.run,
        "client": known.client,
        "model": known.model,
        "mode": known.mode,
        "frozen": known.frozen or talk.scribe.failed,
        "failure": talk.scribe.failure,
        "requests": known.requests,
        "under_way": talk.under_way,
        "window": known.window,
        "moved": known.moved,
        "evicted": known.evicted,
        "faulted": known.faulted,
        "cost_microusd": talk.state.world.cost_microusd,
        "saved_microusd": known.saved_microusd,
    }
