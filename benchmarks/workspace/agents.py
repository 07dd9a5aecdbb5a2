"""The agent that is measured: a model that thinks for a given time, and a shell."""

import asyncio
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import perdure
from benchmarks.workspace.marks import Marks
from benchmarks.workspace.trees import Turn
from perdure.intention.reply import Call, Reply
from perdure.log.events import Usage
from perdure.wire.prompt import Prompt


class ThinkingModel:
    """A model that takes ``wait_s`` seconds for each reply and says the commands one after the other."""

    def __init__(self, turns: Sequence[Turn], wait_s: float, marks: Marks) -> None:
        """Say ``turns``; note in ``marks`` when it is asked and when it answers."""
        self._turns, self._wait_s, self.marks = turns, wait_s, marks
        self._said = 0

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        """Think, and return the next command; when there is none, the end."""
        del prompt, key, on_text, timeout
        self.marks.asked.append(time.perf_counter())
        self.marks.cpu.append(cpu_seconds())
        await asyncio.sleep(self._wait_s)
        turn, self._said = self._said, self._said + 1
        self.marks.answered.append(time.perf_counter())
        if turn >= len(self._turns):
            return Reply(text="done")
        return Reply(calls=(Call(f"c{turn}", "shell", self._turns[turn].arguments),), usage=Usage(10, 10))

    async def close(self) -> None:
        """Nothing is held."""


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended, user and system."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def plain_agent(root: Path, model: ThinkingModel, *, workspace: bool) -> perdure.Agent:
    """Return an agent with a shell that nothing confines; without ``workspace`` perdure knows no directory of it."""

    @perdure.tool(effect="workspace" if workspace else "idempotent")
    async def shell(command: str) -> str:
        """Run a command."""
        running = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            command,
            cwd=root,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await running.communicate()
        return said.decode(errors="replace")

    return perdure.Agent(
        name="bench",
        instructions="work",
        tools=[shell],
        model=model,
        workspace=root if workspace else None,
    )
