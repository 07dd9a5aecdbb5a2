"""Is the model there? Asked once before anything begins, so that a missing key is said at once."""

from typing import Final

from perdure import Agent, PerdureError
from perdure.wire.prompt import ModelFailure, Prompt, UserText

TRIAL_SECONDS: Final = 120.0
"""A small model on a busy machine has to be loaded first."""


async def missing(agent: Agent) -> str:
    """Return what stands between us and the agent's model, or nothing."""
    asked = Prompt("You answer with one word.", entries=(UserText("Are you there?"),))
    try:
        model = agent.ask_with()
        try:
            await model.ask(asked, key="are-you-there", on_text=None, timeout=TRIAL_SECONDS)
        finally:
            await model.close()
    except ModelFailure as failure:
        return failure.message
    except PerdureError as error:
        return f"{error} ({error.hint})"
    return ""
