"""The official SDKs as far as we use them: the one door to their untyped side.

Both are made by one generator, and have the same ``post``: it sends our JSON as it is, with their
authentication, addresses, connections and errors, and gives back the provider's JSON as it is.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol, cast

from perdure.values.digest import Json
from perdure.wire.prompt import ModelFailure

KEYLESS: Final = "no-key"
"""Sent to servers of the user's own, which ask for none; the SDK insists on one."""


class Client(Protocol):
    """An SDK's client."""

    async def post(
        self,
        path: str,
        *,
        cast_to: type[object],
        body: Mapping[str, Json],
        options: Mapping[str, object],
        stream: bool,
        stream_cls: type[object],
    ) -> object:
        """Send ``body`` and return the answer, or a stream of its events."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class Connected(NamedTuple):
    """A client, and what its SDK calls a stream."""

    client: Client
    stream_cls: type[object]

    def secret_values(self) -> Iterator[str]:
        """Yield what the client authenticates with."""
        for name in ("api_key", "auth_token", "admin_api_key", "webhook_key", "webhook_secret"):
            value: object = getattr(self.client, name, None)
            if isinstance(value, str) and value != KEYLESS:
                yield value
        address = str(cast("object", getattr(self.client, "base_url", "")))
        if found := re.search(r"://[^/@]*:([^/@]+)@", address):
            yield found[1]

    async def send(self, path: str, body: Mapping[str, Json], *, key: str, timeout: float) -> object:  # noqa: ASYNC109 - the SDK's own
        """Send one question; ``key`` is its idempotency key. Returns JSON, or a stream of it."""
        return await self.client.post(
            path,
            cast_to=object,
            body=body,
            options={"headers": {"Idempotency-Key": key}, "timeout": timeout, "max_retries": 0},
            stream=bool(body.get("stream")),
            stream_cls=self.stream_cls,
        )


Connect = Callable[[], Connected]


class Events(Protocol):
    """An SDK's stream, which can be given up."""

    def __aiter__(self) -> AsyncIterator[Json]:
        """Yield the events."""
        ...

    async def close(self) -> None:
        """Give back its connection."""
        ...


async def events_of(answer: object) -> AsyncGenerator[dict[str, Json]]:
    """Yield the JSON objects of an answer: itself, or the events of a stream, which is closed in the end."""
    if isinstance(answer, dict):
        yield cast("dict[str, Json]", answer)
    elif hasattr(answer, "__aiter__"):
        stream = cast("Events", answer)
        try:
            async for event in stream:
                if isinstance(event, dict):
                    yield event
        finally:
            await stream.close()


def _missing(extra: str) -> ModelFailure:
    return ModelFailure(f"the {extra} SDK isn't installed: pip install 'perdure[{extra}]'", retryable=False)


def connect_anthropic(base_url: str | None) -> Connected:
    """Return a client of Anthropic's SDK, with the key from the environment."""
    try:
        from anthropic import AsyncAnthropic, AsyncStream  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise _missing("anthropic") from error
    client = AsyncAnthropic(base_url=base_url, max_retries=0)
    if client.api_key is None and client.auth_token is None and client.credentials is None:
        if base_url is None:
            raise ModelFailure("there is no key for Anthropic: set ANTHROPIC_API_KEY", retryable=False)
        client = AsyncAnthropic(base_url=base_url, max_retries=0, api_key=KEYLESS)
    return Connected(cast("Client", cast("object", client)), AsyncStream[object])


def connect_openai(base_url: str | None, *, keyless: bool = False) -> Connected:
    """Return a client of OpenAI's SDK, with the key from the environment; another's server needs none."""
    try:
        from openai import AsyncOpenAI, AsyncStream, OpenAIError  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise _missing("openai") from error
    try:
        client = AsyncOpenAI(base_url=base_url, max_retries=0, api_key=KEYLESS if keyless else None)
    except OpenAIError as error:
        if base_url is None:
            raise ModelFailure("there is no key for OpenAI: set OPENAI_API_KEY", retryable=False) from error
        client = AsyncOpenAI(base_url=base_url, max_retries=0, api_key=KEYLESS)
    return Connected(cast("Client", cast("object", client)), AsyncStream[object])
