"""The three ways in which models are asked over HTTP, each a few pure functions."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from perdure.intention.reply import Reply
from perdure.values.digest import Json
from perdure.wire import chat, constrained, messages, responses
from perdure.wire.prompt import Prompt
from perdure.wire.streaming.wholes import ChatStream, MessageStream, ResponseStream

Body = dict[str, Json]


class Stream(Protocol):
    """The events of one reply, put together."""

    def take(self, event: Body, /) -> str:
        """Add one event and return the piece of text that it brought."""
        ...

    def whole(self) -> Body | None:
        """Return the reply in the provider's JSON; None if the stream was cut off."""
        ...


class Dialect(NamedTuple):
    """How one API is spoken."""

    name: str
    """as in the spec of a model, and in ``Reply.provider``"""
    path: str
    body: Callable[[Prompt, str], Body]
    """the request, for a model"""
    stream: Callable[[], Stream]
    reply: Callable[[Body], Reply]


def _anthropic(prompt: Prompt, model: str) -> Body:
    return {"model": model, **messages.to_anthropic(prompt)}


def _chat(prompt: Prompt, model: str) -> Body:
    body: Body = {"model": model, **chat.to_chat(prompt)}
    if body.get("stream", True):
        body.setdefault("stream_options", {"include_usage": True})
    return body


def _constrained(prompt: Prompt, model: str) -> Body:
    return {"model": model, "stream": False, **constrained.to_constrained(prompt)}


_REASONING: Final = re.compile(r"(?:o[1-9]|codex|gpt-(?:[5-9]|[1-9]\d))(?!.*chat)")
"""Models that reason; what they reasoned comes back encrypted, to be sent along with the next question."""


def _responses(prompt: Prompt, model: str) -> Body:
    body = {"model": model, **responses.to_responses(prompt)}
    if _REASONING.match(model) or "reasoning" in prompt.settings:
        body.setdefault("include", ["reasoning.encrypted_content"])
    return body


ANTHROPIC: Final = Dialect(
    messages.PROVIDER, "/v1/messages", _anthropic, MessageStream, messages.from_anthropic
)
CHAT: Final = Dialect(chat.PROVIDER, "/chat/completions", _chat, ChatStream, chat.from_chat)
RESPONSES: Final = Dialect(
    responses.PROVIDER, "/responses", _responses, ResponseStream, responses.from_responses
)
CONSTRAINED: Final = Dialect(
    constrained.PROVIDER, "/chat/completions", _constrained, ChatStream, constrained.from_constrained
)
"""Asked without a stream: pieces of JSON are nothing to read."""
