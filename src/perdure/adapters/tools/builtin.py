"""Tools that perdure itself carries out: waiting, asking a person, and handing work to a child run."""

from typing import Final

from perdure.intention.declaration import Declaration
from perdure.values.digest import Json


def _one(name: str, kind: str, description: str) -> dict[str, Json]:
    """Return the schema of a single required argument."""
    return {
        "type": "object",
        "properties": {name: {"type": kind, "description": description}},
        "required": [name],
        "additionalProperties": False,
    }


wait: Final = Declaration(
    name="wait",
    description="Wait for some time. The run sleeps, survives restarts, and goes on when the time has passed.",
    schema=_one("seconds", "number", "how long to wait"),
    effect="read",
    builtin="wait",
)

ask_person: Final = Declaration(
    name="ask_person",
    description="Ask a person, and wait for the answer. Use it where a decision is not yours to make.",
    schema=_one("question", "string", "the question, with all that the person needs for an answer"),
    effect="read",
    builtin="ask",
)


def subagent(agent: str, description: str) -> Declaration:
    """Return a tool that hands a task to a child run of the agent of that name.

    It is idempotent: the child run is named after the effect key, so that asking again finds it.
    """
    return Declaration(
        name=agent,
        description=description,
        schema=_one("task", "string", "what is to be done, with all that it takes to know"),
        effect="idempotent",
        builtin="child",
    )
