"""The same agent without perdure's claims: a loop that saves a checkpoint after each step.

    python -m perdure.demo.naive ...   takes what `perdure.demo.worker` takes

This is how agents are usually made durable. A step is one question to the model, or the tools that
its reply calls; after each the whole conversation is on disk, durably, and a restart goes on from
there. The key that a tool is given is the id of the model's call: it is the same when a step is
repeated, and another one when the model is asked again. What is missing: nothing is promised before
the deed, nobody looks whether it happened, nothing is remembered across a rewind, and two processes
may go on at once.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import msgspec

from perdure import Agent, Context
from perdure.demo.worker import FINISHED, prepared, read_errand, task
from perdure.intention.reply import Call
from perdure.wire.prompt import Answered, Entry, Prompt, Said, UserText

ANSWER_SECONDS: Final = 60.0
"""Longer than any tool of the demo waits."""

Steps = list[tuple[Entry, ...]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loop until the model has nothing more to do."""
    errand = read_errand(arguments)
    file = checkpoint_of(errand.store, errand.run)
    print(asyncio.run(_loop(prepared(errand), file, task(errand))))
    return FINISHED


def checkpoint_of(store: str, run: str) -> Path:
    """Return the file that holds the steps of a run."""
    return Path(store) / f"{run}.json"


def read_steps(file: Path) -> Steps:
    """Return the steps that were taken."""
    return msgspec.json.decode(file.read_bytes(), type=Steps) if file.exists() else []


def save_steps(file: Path, steps: Steps) -> None:
    """Make these the steps that were taken: whole or not at all, and durable."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    with draft.open("wb") as out:
        out.write(msgspec.json.encode(steps))
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


async def _loop(agent: Agent, file: Path, told: str) -> str:
    model = agent.ask_with()
    steps = read_steps(file) or [(UserText(told),)]
    print("the run is taken up", flush=True)
    while True:
        last = steps[-1][-1]
        if isinstance(last, Said):
            if not last.reply.calls:
                return last.reply.text
            steps.append(tuple([await _called(agent, call) for call in last.reply.calls]))
        else:
            entries = tuple(entry for step in steps for entry in step)
            prompt = Prompt(agent.instructions, entries=entries)
            reply = await model.ask(prompt, key="", on_text=None, timeout=ANSWER_SECONDS)
            steps.append((Said(reply),))
        save_steps(file, steps)


async def _called(agent: Agent, call: Call) -> Answered:
    """Do what the call says, and tell the model how it went."""
    tool = agent.tools[call.tool]
    try:
        result = tool.call(Context(key=call.id), tool.bind(call.arguments or {}))
        if tool.is_async:
            result = await cast("asyncio.Future[object]", result)
    except Exception as error:  # noqa: BLE001 - what a tool raises is told to the model
        return Answered(call.id, f"{type(error).__name__}: {error}", is_error=True)
    return Answered(call.id, msgspec.json.encode(result).decode())


if __name__ == "__main__":
    sys.exit(main())
