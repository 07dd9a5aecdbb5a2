"""Works on a code base: the directory ``project`` below where it is started.

Its tools read, change and search files and run commands, all within that directory and within what the
contract lets it reach. perdure records the directory turn by turn: a change that is in doubt is put back and made
again, and every turn can be returned to.

perdure run examples/coder.py:agent "Greet in Dutch as well" --run code
"""

from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from perdure import Agent, NotDone, coding_tools, tool
from perdure.testing import ScriptedModel, call, say

PROJECT = Path("project")


@tool(effect="read", connects=("url",), timeout=20)
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
        call("grep", pattern="WORDS", glob="*.py"),
        call("read", path="src/greet.py"),
        call("read", path=".env"),
        call("edit", path="src/greet.py", old='"en": "Hello"', new='"en": "Hello", "nl": "Hallo"'),
        call("write", path="tests/test_greet.py", content="from greet import WORDS\nassert WORDS['nl']\n"),
        call("shell", command="PYTHONPATH=src python3 tests/test_greet.py && echo it greets"),
        call("git_push", branch="main"),
        say("It greets in Dutch now, and a test says so."),
    ]
)
agent = Agent(
    name="coder",
    instructions="Make the change that is asked for, with a test.",
    tools=[*coding_tools(), fetch, git_push],
    model=model,
    workspace=PROJECT,
    contract=Path(__file__).with_name("contracts") / "coder.yaml",
)
