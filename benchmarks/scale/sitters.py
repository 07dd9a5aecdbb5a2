"""Agents that workers drive while latency is measured: one asks a person and waits, one waits for a time, one thinks.

Given to workers as ``--agents benchmarks.scale.sitters:AGENTS``. What an agent is to do stands in its first message.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from perdure import Agent, ask_person, tool, wait
from perdure.intention.reply import Call, Reply
from perdure.wire.prompt import Answered, Prompt, UserText

THINK_SECONDS: Final = 2.0
PONDER_SECONDS: Final = 600.0
"""Longer than anybody looks."""


@tool(effect="idempotent")
async def note(n: int) -> str:
    """Write down a number."""
    return f"noted {n}"


class Steps:
    """A model that makes one call after the other, thinking for some time before each, and then is done."""

    def __init__(self, make: Callable[[str, int], Call | None], seconds: float = 0.0) -> None:
        self._make = make
        self._seconds = seconds

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        del key, on_text, timeout
        await asyncio.sleep(self._seconds)
        task = next(entry.text for entry in prompt.entries if isinstance(entry, UserText))
        answered = sum(isinstance(entry, Answered) for entry in prompt.entries)
        call = self._make(task, answered)
        return Reply(text="done") if call is None else Reply(calls=(call,))

    async def close(self) -> None:
        """Nothing is held."""


def _ask(_task: str, answered: int) -> Call | None:
    return None if answered else Call("c1", "ask_person", {"question": "Go on?"})


def _wait(task: str, answered: int) -> Call | None:
    return None if answered else Call("c1", "wait", {"seconds": float(task)})


def _think(task: str, answered: int) -> Call | None:
    return None if answered >= int(task) else Call(f"c{answered + 1}", "note", {"n": answered})


ASKER: Final = Agent(name="asker", instructions="Ask.", tools=[ask_person], model=Steps(_ask))
WAITER: Final = Agent(name="waiter", instructions="Wait.", tools=[wait], model=Steps(_wait))
THINKER: Final = Agent(
    name="thinker", instructions="Think.", tools=[note], model=Steps(_think, THINK_SECONDS)
)
PONDERER: Final = Agent(
    name="ponderer", instructions="Think.", tools=[note], model=Steps(_think, PONDER_SECONDS)
)
AGENTS: Final = (ASKER, WAITER, THINKER, PONDERER)
