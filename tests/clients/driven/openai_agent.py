"""An agent on the OpenAI Agents SDK: ``python openai_agent.py API URL PROMPT KEPT``."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from shell_tool import run


async def main(api: str, url: str, prompt: str, kept: str) -> None:
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-of-nobody", max_retries=6)
    made = OpenAIResponsesModel if api == "responses" else OpenAIChatCompletionsModel
    agent = Agent(
        name="Clerk",
        instructions="You are an agent with a shell.",
        tools=[function_tool(run, name_override="run_command")],
        model=made(model="gpt-5.5", openai_client=client),
    )
    session = SQLiteSession("clerk", f"{kept}.db")
    if prompt == "/compact":
        await compacted(session, client)
        return
    if api == "responses":
        running = Runner.run_streamed(agent, prompt, session=session, max_turns=400)
        async for _ in running.stream_events():
            pass
        print(running.final_output)
    else:
        print((await Runner.run(agent, prompt, session=session, max_turns=400)).final_output)


async def compacted(session: SQLiteSession, client: AsyncOpenAI) -> None:
    from agents import OpenAIResponsesCompactionSession

    outer = OpenAIResponsesCompactionSession(
        session_id="clerk",
        underlying_session=session,
        client=client,
        model="gpt-5.5",
        compaction_mode="input",
    )
    await outer.run_compaction({"force": True})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
