"""The official clients, given a stream as if it came from the provider: what they make of it."""

import json
from typing import cast

import anthropic
import httpx2
import openai

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api


def understood(api: Api, stream: bytes) -> dict[str, Json]:
    """Return what the provider's own client makes of ``stream``, as JSON; it raises where it makes nothing."""

    def answered(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    with httpx2.Client(transport=httpx2.MockTransport(answered)) as client:
        text = {"messages": _message, "chat": _completion, "responses": _response}[api](client)
    return cast("dict[str, Json]", json.loads(text))


def _message(client: httpx2.Client) -> str:
    asked = anthropic.Anthropic(api_key="none", http_client=client, max_retries=0)
    with asked.messages.stream(
        model="claude-test", max_tokens=10, messages=[{"role": "user", "content": "hi"}]
    ) as stream:
        return stream.get_final_message().to_json()


def _completion(client: httpx2.Client) -> str:
    asked = openai.OpenAI(api_key="none", http_client=client, max_retries=0)
    with asked.chat.completions.stream(
        model="gpt-test", messages=[{"role": "user", "content": "hi"}], stream_options={"include_usage": True}
    ) as stream:
        return stream.get_final_completion().to_json()


def _response(client: httpx2.Client) -> str:
    asked = openai.OpenAI(api_key="none", http_client=client, max_retries=0)
    with asked.responses.stream(model="gpt-test", input="hi") as stream:
        return stream.get_final_response().to_json()
