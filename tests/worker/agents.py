"""Agents that tests give to real workers. What they do to the world is a line in the file that ``DEEDS`` names.

A task is JSON: a list of steps, ``["deed", name, {...}]``, run one per turn. Steps are told by their words alone, so that
a worker on another host, or a second life of this one, goes on where the log ends.
"""

import json
import os
import signal
import time
from pathlib import Path
from typing import Final

from perdure import Agent, Context, Found, Never, ask_person, tool, wait
from perdure.intention.reply import Reply
from perdure.testing import ScriptedModel, call, say
from perdure.testing.scripted import turns_of
from perdure.wire.prompt import Prompt, UserText

DEEDS: Final = "PERDURE_TEST_DEEDS"


def _log(line: str) -> None:
    with Path(os.environ[DEEDS]).open("a", encoding="utf-8") as deeds:
        deeds.write(f"{line}\n")
        deeds.flush()


def _lines() -> list[str]:
    path = Path(os.environ[DEEDS])
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _gate(name: str) -> None:
    """Go on when somebody has made the file of that name beside the deeds, or removed the directory."""
    if name:
        gate = Path(os.environ[DEEDS]).with_name(name)
        while gate.parent.is_dir() and not gate.exists():
            time.sleep(0.01)


@tool(effect="once")
def send(ctx: Context, what: str, gate: str = "") -> str:
    """Do it; nobody could tell afterwards."""
    _log(f"begin {what} {os.getpid()} {ctx.key}")
    _gate(gate)
    _log(f"done {what} {os.getpid()} {ctx.key}")
    return f"sent {what}"


async def find(ctx: Context, what: str, gate: str = "") -> Found | Never:
    """Look whether it was done."""
    return Found(what) if any(line.startswith(f"done {what} ") for line in _lines()) else Never()


@tool(effect="probeable", probe=find, visible_within=0.1)
def order(ctx: Context, what: str, gate: str = "") -> str:
    """Order it; the book can be looked at."""
    _log(f"begin {what} {os.getpid()} {ctx.key}")
    _gate(gate)
    _log(f"done {what} {os.getpid()} {ctx.key}")
    return f"ordered {what}"


@tool(effect="read")
def peek(ctx: Context, what: str, gate: str = "") -> str:
    """Look at it, which changes nothing and may be done again."""
    _log(f"begin {what} {os.getpid()} {ctx.key}")
    _gate(gate)
    return f"saw {what}"


@tool(effect="read")
def crash(ctx: Context, times: int) -> str:
    """End this process, the first so many times."""
    if sum(line.startswith(f"crash {ctx.run} ") for line in _lines()) < times:
        _log(f"crash {ctx.run} {os.getpid()}")
        os.kill(os.getpid(), signal.SIGKILL)
    return "well"


@tool(effect="workspace")
def note(ctx: Context, path: str, text: str, gate: str = "") -> str:
    """Write a file."""
    assert ctx.workspace is not None
    ctx.workspace.joinpath(path).write_text(text, encoding="utf-8")
    _log(f"begin {path} {os.getpid()} {ctx.key}")
    _gate(gate)
    return "noted"


@tool(effect="read")
def read(ctx: Context, path: str) -> str:
    """Read a file."""
    assert ctx.workspace is not None
    text = ctx.workspace.joinpath(path).read_text(encoding="utf-8")
    _log(f"read {path} {ctx.workspace} {text}")
    return text


def _next(prompt: Prompt) -> Reply:
    told = next(entry.text for entry in prompt.entries if isinstance(entry, UserText))
    steps = json.loads(told)
    turn = turns_of(prompt)
    if turn >= len(steps):
        return say("all is done")
    kind, words = steps[turn]
    if kind == "fail":
        if not Path(os.environ[DEEDS]).with_name(words["until"]).exists():
            raise RuntimeError(f"this agent is ill: {words.get('say', '')}")
        return call("wait", seconds=0)
    return call(kind, **words)


DESK: Final = Path(os.environ.get("PERDURE_TEST_DESK", "."))

scribe: Final = Agent(
    name="scribe", instructions="write", tools=[note, read], model=ScriptedModel(_next), workspace=DESK
)
doer: Final = Agent(
    name="doer",
    instructions="do it",
    tools=[send, order, peek, crash, wait, ask_person],
    model=ScriptedModel(_next),
)
boss: Final = Agent(
    name="boss",
    instructions="have it done",
    tools=[doer.as_tool("have it done")],
    model=ScriptedModel(_next),
)
