"""Where questions to models are taken: whose conversation it is, what is recorded, what goes on.

Invariant: whatever fails here that isn't the upstream, the request goes on: as it was recorded to go where
something was ever moved, else as it came.
"""

import asyncio
import hmac
import logging
from collections.abc import Coroutine
from typing import Final, cast

import aiohttp
from aiohttp import web

from perdure.assembly.foreign.conversations import Conversations
from perdure.assembly.foreign.gateways import GatewaySettings, Mode
from perdure.assembly.pricing import tariff_of
from perdure.assembly.stores.addresses import address_of
from perdure.gateway import heads
from perdure.gateway.answers import Line, refusal
from perdure.gateway.clients import Client, client_of, untested
from perdure.gateway.counts import Counts
from perdure.gateway.editing import may_ask
from perdure.gateway.exchange import Exchange, is_long
from perdure.gateway.gemini import GeminiTurn, opened
from perdure.gateway.gemini_reading import GeminiRequest, model_in, read_gemini
from perdure.gateway.main_loop import MainLoop
from perdure.gateway.main_reply import MainReply
from perdure.gateway.measure import Measure
from perdure.gateway.parts import Parts
from perdure.gateway.patience import Patience
from perdure.gateway.plans import edited, trackable
from perdure.gateway.routes import Route, is_local
from perdure.gateway.talks import Talk
from perdure.gateway.tracking import Caller, Found, Opened, Tracker
from perdure.gateway.upstream import Upstream
from perdure.log import events as e
from perdure.values.digest import Json
from perdure.values.errors import PerdureError, RunStopped
from perdure.values.limits import GATEWAY_PARTS_MAX, RUN_WAIT_SECONDS
from perdure.wire.bodies.nouns import Api, Endpoint
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

REFUSED: Final = 409
"""The status with which a wrapped client's request is refused, with words for whoever started it."""

_NO_RETRY: Final = {"x-should-retry": "false"}

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
        self,
        settings: GatewaySettings,
        conversations: Conversations,
        upstream: Upstream,
        key: bytes,
        main: MainLoop | None = None,
    ) -> None:
        """Record in ``conversations``; ``key`` keeps digests of credentials from being looked up anywhere.

        ``main``: the requests are a wrapped client's, whose main conversation is written into its session's run.
        """
        self.settings: GatewaySettings = settings
        self.upstream: Upstream = upstream
        self.counts: Counts = Counts()
        self.tracker: Tracker = Tracker(conversations)
        self.main: MainLoop | None = main
        self._parts: Parts = Parts(
            upstream,
            Measure(),
            self.tracker,
            self.counts,
            Patience(),
            observes=settings.mode == "observe",
            now=conversations.clock.now,
            is_behind=lambda: conversations.is_behind,
            main=main,
        )
        self._key: bytes = key
        self._said: set[str] = set()
        self._memo: Memo = Memo(GATEWAY_PARTS_MAX)

    async def answer(
        self, line: Line, request: web.BaseRequest, route: Route, address: str, body: bytes
    ) -> web.StreamResponse:
        """Ask the model, and record what is asked and answered."""
        self.counts.requests += 1
        if route.verb == "gemini":
            return await self._gemini(line, request, address, body)
        read = self._read(request, route, body)
        if read is None or not trackable(read):
            self.counts.plain += 1
            return await self._plain(line, request, address, body)
        caller = self._caller(request, read)
        if route.verb == "count":
            return await self._plain(line, request, address, await self._counted(caller, read))
        try:
            found = await self._found(caller, read, lambda: self._opened(request, route, caller, read))
        except PerdureError as error:
            return self._refused(route.api, error)
        if found is None:
            self.counts.unlogged += 1
            return await self._plain(line, request, address, body)
        try:
            return await Exchange(self._parts, line, request, address, found, read, caller.session).run()
        finally:
            self.tracker.leave(found.talk)

    async def _found(self, caller: Caller, read: RequestBody, begins: Opened) -> Found | None:
        """Return the conversation of ``read``; None where the log doesn't give it in time.

        Raises why a wrapped client isn't answered.
        """
        main = self.main
        if main is not None:
            found = await self._mains(main, caller, read, begins)
            if found is not None:
                return found
        work = self.tracker.find(caller, read.digests, begins)
        found = await self._by_itself(work, self._parts.patience.seconds)
        if isinstance(found, TimeoutError):
            self._parts.patience.ran_out()
        elif isinstance(found, BaseException) and not isinstance(found, PerdureError):
            _LOG.warning("a request goes on unrecorded: %s", type(found).__name__)
        if not isinstance(found, Found):
            return None
        if main is not None and found.begun:
            await self._joined(main, found.talk.run, read)
        return found

    async def _mains(self, main: MainLoop, caller: Caller, read: RequestBody, begins: Opened) -> Found | None:
        """Return the main conversation where ``read`` is of it. What was done unseen isn't forgotten for a fault of ours."""
        found = await self._by_itself(main.find(caller, read, begins), RUN_WAIT_SECONDS)
        if not isinstance(found, BaseException):
            return found
        if isinstance(found, PerdureError):
            raise found
        if main.pending or isinstance(found, TimeoutError):
            raise RunStopped(f"the run {main.session.run} doesn't take it: {type(found).__name__}: {found}")
        _LOG.warning("%s: a request goes on beside it: %s", main.session.run, type(found).__name__)
        return None

    async def _joined(self, main: MainLoop, run: str, read: RequestBody) -> None:
        try:
            await main.joined(run, read)
        except PerdureError:
            self.counts.unlogged += 1

    async def _by_itself(
        self, finding: Coroutine[None, None, Found | None], seconds: float
    ) -> Found | BaseException | None:
        """Return what is found, or why nothing can be.

        It goes on by itself, so that a run that is taken up is never left behind by a client that has gone.
        """
        work = asyncio.get_running_loop().create_task(finding)
        try:
            await asyncio.wait((work,), timeout=seconds)
        except asyncio.CancelledError:
            work.add_done_callback(self._leave_late)
            raise
        if not work.done():
            work.add_done_callback(self._leave_late)
            return TimeoutError(f"the log takes longer than {seconds:g} s")
        return work.exception() or work.result()

    def _leave_late(self, work: "asyncio.Task[Found | None]") -> None:
        found = work.result() if not work.cancelled() and work.exception() is None else None
        if found is not None:
            self.tracker.leave(found.talk)

    def is_busy(self) -> bool:
        """Tell whether a question is under way."""
        return any(talk.under_way for talk in self._talks())

    def status(self) -> Json:
        """Return what this gateway has done, and how its open conversations stand."""
        talks = [_standing(talk) for talk in reversed(self._talks())]
        counts = cast("dict[str, Json]", dict(vars(self.counts)))
        return {
            "mode": self.settings.mode,
            "record": self.settings.record,
            "store": str(address_of(self.settings.store)),
            "upstreams": dict(self.settings.upstreams),
            "counts": counts,
            "cost_microusd": sum(int(cast("int", talk["cost_microusd"])) for talk in talks),
            "saved_microusd": sum(int(cast("int", talk["saved_microusd"])) for talk in talks),
            "conversations": cast("list[Json]", talks),
        }

    def _talks(self) -> tuple[Talk, ...]:
        own = self.main.talk if self.main is not None else None
        known = own is not None and own.state.live.conversation is not None
        return (*self.tracker.open_talks, own) if own is not None and known else self.tracker.open_talks

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
        talk = self.main.extended_by(read) if self.main is not None else None
        if talk is not None:
            talk.under_way += 1
        else:
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

    async def _gemini(
        self, line: Line, request: web.BaseRequest, address: str, body: bytes
    ) -> web.StreamResponse:
        """A question in Gemini's API is read for the main loop of a wrapped client alone."""
        main = self.main
        read = self._read_gemini(request, body) if main is not None else None
        if main is not None and read is not None:
            caller = self._caller(request, read)
            client = str(client_of(request.headers.get("User-Agent", "")))
            kept = self.settings.record
            try:
                found = await self._mains(
                    main, caller, read, lambda: opened(client, read, caller.session, caller.credential, kept)
                )
            except PerdureError as error:
                return self._refused("responses", error)
            if found is not None:
                try:
                    reply = MainReply(main, read, caller.session, self.counts)
                    return await GeminiTurn(self._parts, found.talk, read, reply).run(line, request, address)
                finally:
                    self.tracker.leave(found.talk)
        self.counts.plain += 1
        return await self._plain(line, request, address, body)

    def _read_gemini(self, request: web.BaseRequest, body: bytes) -> GeminiRequest | None:
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return None
        try:
            return read_gemini(body, model_in(request.path))
        except Exception:  # noqa: BLE001 - as in ``_read``
            return None

    def _refused(self, api: Api, error: PerdureError) -> web.StreamResponse:
        self.counts.refused += 1
        words = f"{error} {error.code}: {error.hint}"
        return refusal(api, REFUSED, "invalid_request_error", words, **_NO_RETRY)

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
