"""Works on a code base: the directory ``project`` below where it is started.

Before a tool changes the workspace, perdure records it; if the change is in doubt, the workspace is put
back and the change is made again.

perdure run examples/coder.py:agent "Greet in Dutch as well" --run code
"""

from http.client import HTTPSConnection
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from perdure import Agent, Context, NotDone, tool
from perdure.testing import ScriptedModel, call, say

PROJECT = Path("project")


class Edit(TypedDict):
    path: str
    old: str
    new: str


def inside(ctx: Context, path: str) -> Path:
    if ctx.workspace is None:
        raise NotDone("there is no workspace")
    return ctx.workspace / path


@tool(effect="read")
def read_file(ctx: Context, path: str) -> str:
    """Return the text of a file."""
    return inside(ctx, path).read_text()


@tool(effect="workspace")
def write_file(ctx: Context, path: str, content: str) -> str:
    """Write a file, and the directories that it needs."""
    target = inside(ctx, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    return f"{len(content)} characters"


@tool(effect="workspace")
def apply_edits(ctx: Context, edits: list[Edit]) -> str:
    """Replace pieces of files; each piece has to be there exactly once."""
    for edit in edits:
        target = inside(ctx, edit["path"])
        text = target.read_text()
        if text.count(edit["old"]) != 1:
            raise NotDone(f"{edit['path']} has {edit['old']!r} {text.count(edit['old'])} times")
        target.write_text(text.replace(edit["old"], edit["new"]))
    return f"{len(edits)} edits"


@tool(effect="read", timeout=20)
def fetch(url: str) -> str:
    """Return what a web page says."""
    place = urlsplit(url)
    connection = HTTPSConnection(place.hostname or "", timeout=15)
    connection.request("GET", place.path or "/")
    return connection.getresponse().read().decode(errors="replace")


@tool(effect="once")
def git_push(branch: str) -> str:
    """Push a branch. The contract denies it, so the model is told so and nothing is called."""
    raise NotDone(f"{branch}: there is no remote in this example")


model = ScriptedModel(
    [
        call("read_file", path="src/greet.py"),
        call("read_file", path=".env"),
        call(
            "apply_edits",
            edits=[{"path": "src/greet.py", "old": '"en": "Hello"', "new": '"en": "Hello", "nl": "Hallo"'}],
        ),
        call(
            "write_file", path="tests/test_greet.py", content="from greet import WORDS\nassert WORDS['nl']\n"
        ),
        call("git_push", branch="main"),
        say("It greets in Dutch now, and a test says so."),
    ]
)
agent = Agent(
    name="coder",
    instructions="Make the change that is asked for, with a test.",
    tools=[read_file, write_file, apply_edits, fetch, git_push],
    model=model,
    workspace=PROJECT,
    contract=Path(__file__).with_name("contracts") / "coder.yaml",
)
