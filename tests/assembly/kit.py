"""A tester's agent and tools."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import perdure
from perdure.adapters.tools.tool import AnyTool
from perdure.intention.declaration import Declaration
from perdure.testing.scripted import Line, ScriptedModel


@perdure.tool(effect="read")
async def look(name: str) -> str:
    """Look at a thing."""
    return f"{name} is there"


def agent(
    *script: Line,
    tools: Sequence[AnyTool | Declaration] = (look,),
    secrets: Mapping[str, str] | None = None,
    contract: perdure.Contract | None = None,
    workspace: Path | None = None,
) -> perdure.Agent:
    """Return an agent that says ``script``."""
    return perdure.Agent(
        name="tester",
        instructions="Test.",
        tools=tools,
        model=ScriptedModel(list(script)),
        secrets=secrets,
        contract=contract,
        workspace=workspace,
    )


def kinds(store: perdure.Store, run: str) -> list[str]:
    """Return the kinds of the run's events, in order."""
    return [event.kind for event in store.events(run)]
