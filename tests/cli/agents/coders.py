"""An agent that works on files with the built-in tools: by shell, by edits, and by a shell command on top of them."""

from pathlib import Path

from perdure import Agent, coding_tools
from perdure.testing.scripted import ScriptedModel, call, say

__all__ = ["agent"]

HERE = Path.cwd() / "work"
BEFORE = {
    "greet.py": "def greet(name):\n    return 'hello ' + name\n\n\nprint(greet('you'))\n",
    "old.txt": "old\n",
    "notes.txt": "the user's own notes\n",
    ".env": "KEY=not-to-be-stored\n",
}

if not HERE.exists():
    HERE.mkdir()
    for name, text in BEFORE.items():
        (HERE / name).write_text(text)

agent = Agent(
    name="coder",
    instructions="Work.",
    tools=coding_tools(),
    workspace=HERE,
    model=ScriptedModel(
        [
            call("shell", command="printf 'one\\ntwo\\nthree\\n' > list.txt && rm old.txt"),
            call("edit", path="greet.py", old="'hello '", new="'Hello, '"),
            call("shell", command="printf '# DEBUG\\n' >> greet.py && chmod +x greet.py"),
            call("write", path="CHANGES.md", content="- Greets better.\n"),
            say("Done."),
        ]
    ),
)
