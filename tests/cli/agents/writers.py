"""An agent that writes the same file again and again, with a checkpoint at every turn."""

from pathlib import Path

from perdure import Agent, tool
from perdure.testing.scripted import ScriptedModel, call, say

__all__ = ["agent"]

HERE = Path.cwd() / "work"
HERE.mkdir(exist_ok=True)


@tool(effect="workspace")
def write(version: int) -> str:
    """Write a version of the book."""
    (HERE / "book.txt").write_text(f"version {version}\n" * 4000, encoding="utf-8")
    return "written"


agent = Agent(
    name="writer",
    instructions="Write.",
    tools=[write],
    workspace=HERE,
    model=ScriptedModel([*(call("write", version=version) for version in range(5)), say("Written.")]),
)
