"""A model behind one of the official SDKs.

Invariants:
- The SDK tries once; trying again is ours: jittered, as the provider asks (Retry-After), and never
  past the time that the caller gave.
- Every failure, of any attempt, goes out as ``ModelFailure`` and without the keys of the client.
- A reply is returned whole or not at all; a stream that broke off is asked for again from the start.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final

from msgspec.structs import replace
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from perdure.adapters.models.client import Connect, Connected, events_of
from perdure.adapters.models.dialect import Body, Dialect
from perdure.adapters.models.failures import failure_of
from perdure.adapters.models.prices import cost_microusd
from perdure.intention.reply import Reply
from perdure.values.digest import Json
from perdure.wire.prompt import ModelFailure, Prompt

ATTEMPTS_MAX: Final = 3
"""Tries within one ``ask``; the driver asks again on its own account, and writes that down."""

_pause = wait_exponential(multiplier=0.5, max=8.0) + wait_random(0.0, 0.5)


class AskedModel:
    """A model that is asked in one dialect through one client."""

    def __init__(
        self,
        dialect: Dialect,
        model: str,
        connect: Connect,
        *,
        base_url: str | None = None,
        provider: str | None = None,
        settings: Mapping[str, Json] | None = None,
        attempts_max: int = ATTEMPTS_MAX,
    ) -> None:
        """Ask ``model``; ``connect`` is called at the first question. ``provider`` names its price list.

        ``settings`` go along with every question, below the prompt's own.
        """
        self.dialect: Dialect = dialect
        self.model: str = model
        self._connect: Connect = connect
        self._base_url: str | None = base_url
        self._provider: str | None = provider
        self._settings: dict[str, Json] = dict(settings or {})
        self._attempts_max: int = attempts_max
        self._connected: tuple[asyncio.AbstractEventLoop, Connected] | None = None

    def __repr__(self) -> str:
        """Show dialect and model."""
        return f"<model {self.dialect.name}:{self.model}>"

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        """Return the model's whole reply; raise ``ModelFailure``."""
        retrying = AsyncRetrying(
            stop=stop_any(stop_after_attempt(self._attempts_max), stop_before_delay(timeout)),
            wait=_wait,
            retry=retry_if_exception(_is_passing),
            reraise=True,
        )
        try:
            async with asyncio.timeout(timeout):
                asked = replace(prompt, settings={**self._settings, **prompt.settings})
                body = {"stream": True, **self.dialect.body(asked, self.model)}
                return await retrying(self._once, body, key, on_text, timeout)
        except TimeoutError as error:
            raise ModelFailure(f"no whole reply within {timeout:g} s", retryable=True) from error

    async def close(self) -> None:
        """Close the client's connections."""
        connected, self._connected = self._connected, None
        if connected is not None and connected[0] is asyncio.get_running_loop():
            await connected[1].client.close()

    def _client(self) -> Connected:
        """Return the client; connections belong to the loop they were made in, so another loop has its own."""
        loop = asyncio.get_running_loop()
        if self._connected is None or self._connected[0] is not loop:
            self._connected = (loop, self._connect())
        return self._connected[1]

    async def _once(
        self,
        body: Body,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - as ``ask``
    ) -> Reply:
        stream = self.dialect.stream()
        whole: Body | None = None
        told = False
        async with aclosing(self._events(body, key, timeout)) as events:
            async for event in events:
                if not body["stream"]:
                    whole = event
                elif (piece := stream.take(event)) and on_text is not None:
                    told = True
                    on_text(piece)
        whole = whole or stream.whole()
        if whole is None:
            raise ModelFailure("the answer ended before the reply did, or was none", retryable=True)
        reply = self.dialect.reply(whole)
        if not told and reply.text and on_text is not None:
            on_text(reply.text)
        cost = cost_microusd(reply.usage, self.model, provider=self._provider, base_url=self._base_url)
        return replace(reply, usage=replace(reply.usage, cost_microusd=cost))

    async def _events(self, body: Body, key: str, timeout: float) -> AsyncGenerator[Body]:  # noqa: ASYNC109 - as ``ask``
        """Yield the events of one try, or its one answer; raise ``ModelFailure`` for all that goes wrong."""
        connected = self._client()
        try:
            answer = await connected.send(self.dialect.path, body, key=key, timeout=timeout)
            async with aclosing(events_of(answer)) as events:
                async for event in events:
                    yield event
        except Exception as error:
            failure = failure_of(error, connected.secret_values())
            if failure is None:
                raise
            raise failure from None


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, ModelFailure) and error.retryable


def _wait(state: RetryCallState) -> float:
    """Return the seconds to wait: what the provider asks for, and at least our own backoff."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.retry_after if isinstance(error, ModelFailure) else None
    return max(asked or 0.0, _pause(state))
