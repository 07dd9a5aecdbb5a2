"""An agent on the small local model, by the providers' own SDKs, with a tool that looks at pages of a library.

The model is asked at temperature 0. It was never taught to call tools: it goes on as the conversation began, and
each conversation here begins with pages that were looked at before, so it calls the tool by itself.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

import anthropic
import openai

from perdure.values.digest import Json

MODEL: Final = "local"
SYSTEM: Final = "You read files."
TOKENS_MAX: Final = 64
ASKS_MAX: Final = 4
SECONDS: Final = 100.0
SCHEMA: Final = {"type": "object", "properties": {"page": {"type": "string"}}, "required": ["page"]}

READ_BARRED: Final[Mapping[str, Json]] = {"logit_bias": [["read", -100]]}
"""A request with this leaves the model no way to name the tool ``read``, so it calls another one."""

SEEN_BEFORE: Final = {
    "q-8xk2m4w9ab": "The boy ate an apple.",
    "q-3hn7ya5t2c": "The rain fell on the town for nine days.",
    "q-6wm9ud4kz7": "The dog sat by the door.",
    "q-9gb5vs3nfx": "A boat lay in the sun.",
}


def story(who: str, lines: int = 38) -> str:
    """Return a page about ``who``, a few thousand characters of which no line is like another."""
    places = ("hill", "road", "town", "river", "bridge", "field", "wood", "lake", "barn", "mill", "well")
    deeds = ("slept", "sang", "worked", "waited")
    told = [(deed, place) for deed in deeds for place in places]
    return "\n".join(
        f"The {who} went over the {place} and {deed} there for {number + 2} days."
        for number, (deed, place) in enumerate(told[:lines])
    )


class Answer(NamedTuple):
    """One reply, as the client got it."""

    text: str
    calls: tuple[tuple[str, str, str], ...]
    """id, name and page of each"""
    input_tokens: int
    cached_tokens: int
    output_tokens: int


class Agent(Protocol):
    """A conversation on one of the APIs."""

    def point(self, base: str) -> None:
        """From now on go to the server at ``base``."""
        ...

    def say(self, words: str, who: str = "user") -> None:
        """A person says this, or the model."""
        ...

    def looked(self, name: str, call: str, page: str, text: str) -> None:
        """The tool was called, and gave this text."""
        ...

    def ask(self, more: Mapping[str, Json] | None = None) -> Answer:
        """Ask, and take a reply without calls into the history."""
        ...


class ChatAgent:
    """On Chat Completions."""

    def __init__(self, base: str) -> None:
        """Begin with the system prompt."""
        self.messages: list[Any] = [{"role": "system", "content": SYSTEM}]
        self.tools: list[Any] = [
            {"type": "function", "function": {"name": "read", "description": "Read.", "parameters": SCHEMA}}
        ]
        self.point(base)

    def point(self, base: str) -> None:
        """From now on go to the server at ``base``."""
        self._client = openai.OpenAI(
            base_url=f"{base}/v1", api_key="of-nobody", timeout=SECONDS, max_retries=0
        )

    def say(self, words: str, who: str = "user") -> None:
        """A person says this, or the model."""
        self.messages.append({"role": who, "content": words})

    def looked(self, name: str, call: str, page: str, text: str) -> None:
        """The tool was called, and gave this text."""
        made = {"name": name, "arguments": json.dumps({"page": page})}
        self.messages += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": call, "type": "function", "function": made}],
            },
            {"role": "tool", "tool_call_id": call, "content": text},
        ]

    def ask(self, more: Mapping[str, Json] | None = None) -> Answer:
        """Ask, and take a reply without calls into the history."""
        got = self._client.chat.completions.create(
            model=MODEL,
            messages=self.messages,
            tools=self.tools,
            max_tokens=TOKENS_MAX,
            temperature=0,
            extra_body=dict(more or {}),
        )
        said, usage = got.choices[0].message, got.usage
        assert usage is not None
        calls = tuple(
            (each.id, each.function.name, _page(each.function.arguments))
            for each in said.tool_calls or ()
            if each.type == "function"
        )
        if not calls:
            self.say(said.content or "", "assistant")
        cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0
        return Answer(said.content or "", calls, usage.prompt_tokens, cached or 0, usage.completion_tokens)


class MessagesAgent:
    """On Messages, streamed."""

    def __init__(self, base: str) -> None:
        """Begin with nothing but the system prompt."""
        self.messages: list[Any] = []
        self.tools: list[Any] = [{"name": "read", "description": "Read.", "input_schema": SCHEMA}]
        self.point(base)

    def point(self, base: str) -> None:
        """From now on go to the server at ``base``."""
        self._client = anthropic.Anthropic(base_url=base, api_key="of-nobody", timeout=SECONDS, max_retries=0)

    def say(self, words: str, who: str = "user") -> None:
        """A person says this, or the model."""
        self.messages.append({"role": who, "content": words})

    def looked(self, name: str, call: str, page: str, text: str) -> None:
        """The tool was called, and gave this text."""
        self.messages += [
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": call, "name": name, "input": {"page": page}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call, "content": text}]},
        ]

    def ask(self, more: Mapping[str, Json] | None = None) -> Answer:
        """Ask, and take a reply without calls into the history."""
        with self._client.messages.stream(
            model=MODEL,
            system=SYSTEM,
            messages=self.messages,
            tools=self.tools,
            max_tokens=TOKENS_MAX,
            extra_body={"temperature": 0, **(more or {})},
        ) as stream:
            got = stream.get_final_message()
        text = "".join(block.text for block in got.content if block.type == "text")
        calls = tuple(
            (block.id, block.name, _page(json.dumps(block.input)))
            for block in got.content
            if block.type == "tool_use"
        )
        if not calls:
            self.say(text, "assistant")
        read = got.usage.cache_read_input_tokens or 0
        return Answer(text, calls, got.usage.input_tokens + read, read, got.usage.output_tokens)


AGENTS: Final = {"chat": ChatAgent, "messages": MessagesAgent}


def begun(api: str, base: str) -> Agent:
    """Return an agent that has looked at some short pages before."""
    agent: Agent = AGENTS[api](base)
    for number, (page, text) in enumerate(SEEN_BEFORE.items()):
        agent.say(f"Look at {page}.")
        agent.looked("read", f"call_{number}", page, text)
        agent.say("Done.", "assistant")
    return agent


def look(
    agent: Agent, page: str, library: Mapping[str, str], more: Mapping[str, Json] | None = None
) -> list[Answer]:
    """Have the agent look at ``page``, and return the replies until it calls no more."""
    agent.say(f"Look at {page}.")
    answers: list[Answer] = []
    for _ in range(ASKS_MAX):
        answer = agent.ask(more)
        answers.append(answer)
        if not answer.calls:
            return answers
        for call, name, wanted in answer.calls:
            agent.looked(name, call, wanted, library.get(wanted, "There is no such page."))
    raise AssertionError(f"the model calls without end: {answers}")


def _page(arguments: str) -> str:
    shape: Any = json.loads(arguments)
    return str(shape.get("page", ""))
