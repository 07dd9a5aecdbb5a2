"""One request of a client and its reply, with all that is told to the log on the way.

Invariants:
- What the bytes that go on depend on is on disk before they go.
- A request that was told is told to have ended, however it ends: answered, refused, broken off, or left by its client.
- Where paging fails, the recorded state goes on, frozen; where nothing was ever moved, the very bytes that came.
"""

import asyncio
import logging
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

import aiohttp
import msgspec
from aiohttp import web

from perdure.assembly.pricing import cost_of, tariff_of
from perdure.gateway import heads
from perdure.gateway.answers import Line
from perdure.gateway.arrivals import stored
from perdure.gateway.editing import may_ask
from perdure.gateway.main_reply import MainReply
from perdure.gateway.parts import Parts
from perdure.gateway.plans import Plan, Recording, edited, planned
from perdure.gateway.replies import FINE, Outcome, relayed, watched
from perdure.gateway.routes import is_local
from perdure.gateway.stubs import schema_misses, schema_told, stubbed
from perdure.gateway.talks import Talk
from perdure.gateway.tracking import Found
from perdure.gateway.unpacking import Unpacking
from perdure.gateway.upstream import UNREACHED
from perdure.log import events as e
from perdure.page.alone import alone
from perdure.page.handles import RECALL_NAME
from perdure.page.recalling import Recalled, recall
from perdure.projection.state import Page, State
from perdure.values.digest import Json, digest
from perdure.values.limits import WORDS_CHARACTERS_MAX
from perdure.wire.bodies.following import followed_up
from perdure.wire.bodies.hidden import kept_under
from perdure.wire.bodies.nouns import OfferedTool
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.splicing import Edit, splice
from perdure.wire.streaming.exchange import FollowUp, Given, Hidden, Screen, Withheld
from perdure.wire.streaming.relay import memory_of

_LONG: Final = re.compile(rb'"ttl"[ \t\n\r]*:[ \t\n\r]*"1h"')

_LOG: Final = logging.getLogger("perdure.gateway")

GONE: Final = "the client went away"
BROKEN_OFF: Final = "the answer broke off"
UNREADABLE: Final = "perdure can not read this page now. Call the tool itself again."
MILLISECOND: Final = 1_000_000


class Exchange:
    """One request under way."""

    def __init__(
        self,
        parts: Parts,
        line: Line,
        request: web.BaseRequest,
        address: str,
        found: Found,
        read: RequestBody,
        session: str = "",
    ) -> None:
        """Take ``read``, which belongs to the conversation ``found``; ``session`` is the client's name for it."""
        self._parts: Parts = parts
        self._line: Line = line
        self._request: web.BaseRequest = request
        self._address: str = address
        self._talk: Talk = found.talk
        self._new: bool = found.new
        main = parts.main if found.mains else None
        self._main: MainReply | None = (
            MainReply(main, read, session, parts.counts) if main is not None else None
        )
        self._read: RequestBody = read
        self._begun_ns: int = time.monotonic_ns()
        self._edits: Sequence[Edit] = ()
        self._number: int = 0
        self._recall: bool = False
        self._stubbed: dict[str, OfferedTool] = {}

    async def run(self) -> web.StreamResponse:
        """Forward it, and give the reply to the client."""
        await self._prepare()
        try:
            answer = await self._ask(self._edits)
        except UNREACHED as error:
            await self._failed(0, f"{type(error).__name__}: {error}")
            raise
        except BaseException:
            await self._failed(0, GONE)
            raise
        keeps = self._talk.conversation.kept == "full"
        async with answer:
            packed = answer.headers.get("Content-Encoding", "")
            relays = self._recall or self._main is not None
            if not relays or answer.status >= FINE or not Unpacking(packed).readable:
                return await watched(self._line, answer, self._read.api, keeps=keeps, done=self._done)
            return await relayed(
                self._line,
                answer,
                self._read.api,
                self._screen() if self._recall else SHOWN,
                self,
                keeps=keeps,
                done=self._done,
                knows=memory_of(self._read.api, self._read.body),
                holds=self._main.held if self._main is not None else None,
            )

    # -- the way there -------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        """Decide how it goes on; what that depends on is on disk when this returns."""
        talk = self._talk
        try:
            await talk.scribe.obey()
            async with talk.deciding:
                await self._know_model()
                plan = await self._planned()
            if plan.decided or talk.owes:
                talk.owes = True
                await self._parts.patience.until(plan.durable)
                talk.owes = False
            self._edits = plan.edits
        except TimeoutError:
            self._go_on_without()
        except Exception as error:  # noqa: BLE001 - economy fails open
            await self._fall_back(error)

    async def _planned(self) -> Plan:
        talk = self._talk
        kept = talk.conversation.kept
        recording = Recording(
            bodies=kept == "full" and not self._parts.is_behind(),
            pages=kept != "none",
            moves=self._parts.may_move(talk),
            at=self._parts.now(),
            toolless=self._main is not None and self._main.toolless,
            unbroken=self._main is not None and self._main.unbroken,
            session=self._main.session if self._main is not None else "",
        )
        plan = await planned(talk, self._read, self._parts.measure, recording, new=self._new)
        self._number, self._recall = plan.number, plan.recall
        if self._main is not None:
            self._main.asked(plan.position)
        return plan

    async def _know_model(self) -> None:
        """Another model has another price, and another cache."""
        talk, model = self._talk, self._read.model
        known = talk.conversation
        if model == known.model:
            return
        tariff = tariff_of(
            model,
            local=is_local(self._address),
            long=is_long(self._read.body),
            subscription=known.tariff.subscription,
        )
        why = "the client asks another model"
        await talk.scribe.tell(e.PagingSet(known.mode, known.frozen, why, model=model, tariff=tariff))

    def _go_on_without(self) -> None:
        """The log takes too long: what it holds goes on. What was decided meanwhile waits for it, here and next time."""
        self._parts.counts.failed_open += 1
        self._take_recorded(self._talk.scribe.settled)

    def _take_recorded(self, state: State) -> None:
        """The request goes on as ``state`` says; where that can't be told either, as it came."""
        try:
            moves = self._parts.may_move(self._talk)
            self._edits = edited(state, self._talk, self._read) if moves else ()
        except Exception:  # noqa: BLE001 - economy fails open
            self._edits = ()
        self._recall = bool(self._edits) and may_ask(self._read)

    async def _fall_back(self, error: Exception) -> None:
        """Paging has failed: what was recorded goes on, and nothing more is decided."""
        talk, parts = self._talk, self._parts
        parts.counts.failed_open += 1
        _LOG.warning("%s goes on without paging: %s: %s", talk.run, type(error).__name__, error)
        state: State = talk.scribe.settled if talk.scribe.failed else talk.state
        if not talk.scribe.failed and not talk.conversation.frozen:
            why = f"paging failed: {type(error).__name__}: {error}"[:WORDS_CHARACTERS_MAX]
            try:
                await talk.scribe.tell(
                    e.PagingSet(talk.conversation.mode, frozen=True, why=why, by="perdure")
                )
            except Exception:  # noqa: BLE001 - as above
                parts.counts.unlogged += 1
        self._take_recorded(state)

    async def _ask(self, edits: Sequence[Edit]) -> aiohttp.ClientResponse:
        request = self._request
        headers = heads.onward(
            request.raw_headers, plain=self._recall or self._main is not None, watched=True
        )
        return await self._parts.upstream.ask(
            request.method, self._address, headers, splice(self._read.body, edits)
        )

    # -- the hidden exchange -------------------------------------------------------------------------

    def _screen(self) -> Screen:
        """Return which calls the client doesn't see: recalls, and calls that miss a schema that has left."""
        tools = self._stubbed = {tool.name: tool for tool, _ in stubbed(self._talk, self._read)}

        def hides(name: str, arguments: str) -> bool:
            return name == RECALL_NAME or bool(
                name in tools and schema_misses(self._read, tools[name], arguments)
            )

        return Screen(frozenset((RECALL_NAME, *tools)), hides)

    async def give(self, asked: Sequence[Withheld]) -> dict[str, Given]:
        """Return what the model asks for; that it was given is on disk."""
        talk = self._talk
        answers: dict[str, Given] = {}
        faults: list[e.Body] = []
        with suppress(TimeoutError):
            await self._parts.patience.until(talk.scribe.all_written())
        for each in asked:
            tool = self._stubbed.get(each.name)
            if tool is not None:
                answers[each.id] = schema_told(self._read, tool, each)
                page = self._talk.schemas[tool.digest]
                faults.append(e.PageFaulted(page.page, 0, page.content.size, page.tokens, self._number))
                continue
            pages = await self._pages(each.arguments)
            found = self._recalled(pages, each)
            answers[each.id] = Given(found.text, found.wrong)
            self._parts.counts.recalls += 1
            faults += [
                e.PageFaulted(
                    fault.page,
                    fault.start,
                    fault.size,
                    self._parts.measure.tokens(self._read.model, fault.size),
                    self._number,
                )
                for fault in found.faults
            ]
        if faults:
            await self._recorded(faults)
        return answers

    async def _pages(self, asked: str) -> Mapping[str, Page]:
        """Return the pages that may be given; this run's own alone where others are not to be had in time."""
        try:
            pages = self._parts.tracker.pages(self._talk, asked)
            return await asyncio.wait_for(pages, self._parts.patience.seconds)
        except TimeoutError:
            return self._talk.state.live.pages

    def _recalled(self, pages: Mapping[str, Page], asked: Withheld) -> Recalled:
        try:
            return recall(pages, _arguments(asked.arguments), self._talk.scribe.read)
        except Exception as error:  # noqa: BLE001 - as above
            self._parts.counts.failed_open += 1
            _LOG.warning("%s: a page could not be read: %s", self._talk.run, type(error).__name__)
            return Recalled(UNREADABLE, wrong=True)

    async def _recorded(self, facts: Sequence[e.Body], blobs: Sequence[tuple[str, bytes]] = ()) -> None:
        """They are on disk; a log that can't take them holds up no reply, which stands without them too."""
        try:
            told = await self._talk.scribe.tell(*facts, blobs=blobs)
            await self._parts.patience.until(told.durable)
        except Exception as error:  # noqa: BLE001 - as above
            self._parts.counts.unlogged += 1
            _LOG.warning("%s: a recall goes unrecorded: %s", self._talk.run, type(error).__name__)

    async def record(self, hidden: Sequence[Hidden]) -> None:
        """What is split from now on is on disk."""
        facts: list[e.Body] = []
        blobs: list[tuple[str, bytes]] = []
        for each in hidden:
            split, more = stored(each.split.decode())
            blobs += more
            joined: e.Content | None = None
            if each.joined is not None:
                joined, more = stored(each.joined.decode())
                blobs += more
            merged = kept_under(self._read, each.merged, each.split)
            facts.append(e.RecallHidden(self._number, merged, split, joined))
        await self._recorded(facts, blobs)

    async def ask_again(self, follow_up: FollowUp) -> aiohttp.ClientResponse:
        """Send the next request of the exchange."""
        return await self._ask(
            followed_up(
                self._read,
                self._edits,
                follow_up.elements,
                held=follow_up.replaces,
                previous=follow_up.previous,
            )
        )

    # -- the end -------------------------------------------------------------------------------------

    async def _done(self, outcome: Outcome) -> None:
        """Tell the log how it went; and what the next request would have to wait for is done."""
        self._talk.name_kept()
        if self._main is not None:
            self._main.answered(whole=outcome.whole)
        if outcome.status >= FINE:
            await self._failed(outcome.status, outcome.error)
        elif not outcome.whole and not outcome.usages:
            await self._failed(outcome.status, outcome.error or BROKEN_OFF)
        else:
            await self._answered(outcome)

    async def _answered(self, outcome: Outcome) -> None:
        model = self._read.model
        long = any(usage.cache_write_tokens for usage in outcome.usages) and is_long(self._read.body)
        calls = [_priced(usage, cost_of(usage, model, long=long)) for usage in outcome.usages]
        told = calls[-1] if calls else e.Usage()
        total = _sum(calls)
        talk = self._talk
        blobs: list[tuple[str, bytes]] = []
        reply: e.Content | None = None
        if outcome.kept:
            name = digest(outcome.kept)
            reply = e.Content(len(outcome.kept), None, name)
            blobs.append((name, outcome.kept))
        fact = e.RequestAnswered(
            number=self._number,
            usage=total,
            told=told,
            calls=max(len(calls), 1),
            stop=outcome.stop if self._main is None else self._main.stop_of(outcome.stop),
            first_ms=max(outcome.first_ns - self._begun_ns, 0) // MILLISECOND,
            whole_ms=(time.monotonic_ns() - self._begun_ns) // MILLISECOND,
            reply=reply,
            alone_microusd=alone(talk.state, calls[0] if calls else told, told),
            held_ms=self._main.held_ms if self._main is not None else 0,
            unrecorded=self._main is not None and self._main.unrecorded,
        )
        await self._tell(fact, blobs)
        if len(calls) == 1 and not self._edits:
            self._parts.measure.learn(model, self._read.characters, told.input_tokens)

    async def _failed(self, status: int, error: str) -> None:
        if self._main is not None:
            self._main.answered(whole=False)
        await self._tell(e.RequestFailed(self._number, status, error[:WORDS_CHARACTERS_MAX]), ())

    async def _tell(self, fact: e.Body, blobs: Sequence[tuple[str, bytes]]) -> None:
        """The client has its reply, or is gone: that the log can't say so is only counted."""
        if not self._number or self._talk.scribe.failed:
            return
        try:
            await self._talk.scribe.tell(fact, blobs=blobs)
        except Exception:  # noqa: BLE001 - as above
            self._parts.counts.unlogged += 1


def _shown(_name: str, _arguments: str) -> bool:
    return False


SHOWN: Final = Screen(frozenset(), _shown)
"""Nothing is withheld from the client."""


def is_long(body: bytes) -> bool:
    """Tell whether a request asks for the longer life of its cache."""
    return _LONG.search(body) is not None


def _arguments(spelled: str) -> Json:
    try:
        return cast("Json", msgspec.json.decode(spelled or "{}"))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return spelled


def _priced(usage: e.Usage, cost: int) -> e.Usage:
    return msgspec.structs.replace(usage, cost_microusd=cost)


def _sum(usages: Sequence[e.Usage]) -> e.Usage:
    return e.Usage(
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        cache_read_tokens=sum(usage.cache_read_tokens for usage in usages),
        cache_write_tokens=sum(usage.cache_write_tokens for usage in usages),
        cost_microusd=sum(usage.cost_microusd for usage in usages),
    )
