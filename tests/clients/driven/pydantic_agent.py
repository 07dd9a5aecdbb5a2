"""An agent on Pydantic AI: ``python pydantic_agent.py API URL PROMPT KEPT``."""

import asyncio
import sys
from collections.abc import AsyncIterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from pydantic_ai import Agent, ModelMessagesTypeAdapter
from pydantic_ai.usage import UsageLimits
from shell_tool import run


def run_command(command: str) -> str:
    """Run a command in a shell and return what it printed."""
    return run(command)


def model_of(api: str, url: str):
    if api == "messages":
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
        from pydantic_ai.providers.anthropic import AnthropicProvider

        client = AsyncAnthropic(base_url=url, api_key="sk-of-nobody", max_retries=6)
        settings = AnthropicModelSettings(
            anthropic_thinking={"type": "adaptive"},
            max_tokens=8192,
            anthropic_cache_messages=True,
            anthropic_cache_tool_definitions=True,
        )
        return AnthropicModel(
            "claude-opus-5-5", provider=AnthropicProvider(anthropic_client=client), settings=settings
        )
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(
        openai_client=AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-of-nobody", max_retries=6)
    )
    if api == "chat":
        return OpenAIChatModel("gpt-5.5", provider=provider)
    settings = OpenAIResponsesModelSettings(openai_reasoning_effort="medium")
    return OpenAIResponsesModel("gpt-5.5", provider=provider, settings=settings)


async def listen(_: object, events: AsyncIterable[object]) -> None:
    async for _event in events:
        pass


def history(kept: str):
    path = Path(f"{kept}.json")
    return ModelMessagesTypeAdapter.validate_json(path.read_bytes()) if path.exists() else None


def keep(kept: str, messages: bytes) -> None:
    Path(f"{kept}.json").write_bytes(messages)


async def main(api: str, url: str, prompt: str, kept: str) -> None:
    agent = Agent(model_of(api, url), instructions="You are an agent with a shell.", tools=[run_command])
    result = await agent.run(
        prompt,
        message_history=history(kept),
        usage_limits=UsageLimits(request_limit=400),
        event_stream_handler=None if api == "responses" else listen,
    )
    keep(kept, result.all_messages_json())
    print(result.output)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
