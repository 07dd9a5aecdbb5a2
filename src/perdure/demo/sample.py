"""A small project with a real bug, and what an agent's model says about it: first badly, then well."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from perdure import Agent, coding_tools
from perdure.intention.reply import Reply
from perdure.testing import ScriptedModel, call, say
from perdure.testing.scripted import turns_of
from perdure.values.errors import BadInput
from perdure.wire.prompt import Prompt, UserText

TASK: Final = "The test of the discount fails. Fix it."
ADVICE: Final = "The tests stay: they are right. Fix cart.py."

FILES: Final[Mapping[str, str]] = {
    "cart.py": '''"""What a cart costs, in cents."""


def total(prices, discount_percent=0):
    """Return the sum of prices less the discount, rounded down to whole cents."""
    cents = sum(prices)
    return cents - cents * discount_percent


def shown(cents):
    """Return cents as people read them."""
    return f"{cents // 100}.{cents % 100:02d}"
''',
    "test_cart.py": """import unittest

from cart import shown, total


class Cart(unittest.TestCase):
    def test_no_discount(self):
        self.assertEqual(total([500, 250]), 750)

    def test_ten_percent(self):
        self.assertEqual(total([500, 255], discount_percent=10), 679)

    def test_shown(self):
        self.assertEqual(shown(1205), "12.05")
""",
    "README.md": "# cart\n\nAdds up a cart.\n",
}
TESTS: Final = "python3 -m unittest -q 2>&1 | tail -4"

_WRONG: Final = (
    call("shell", command=TESTS),
    call("read", path="cart.py"),
    call("shell", command="git rm -q -f test_cart.py && git commit -q -m 'Remove a flaky test' && ls"),
    say("All tests pass now."),
)
_RIGHT: Final = (
    call(
        "edit",
        path="cart.py",
        old="    return cents - cents * discount_percent\n",
        new="    return cents * (100 - discount_percent) // 100\n",
    ),
    call(
        "shell",
        command="sed -i '/cents = sum(prices)/a\\    print(\"DEBUG\", prices, cents)' cart.py && " + TESTS,
    ),
    call(
        "edit",
        path="cart.py",
        old='    """Return cents as people read them."""\n',
        new='    """Return cents as people read them: 1205 is 12.05."""\n',
    ),
    call(
        "write",
        path="CHANGES.md",
        content="- A discount is in percent: 10 takes a tenth off, not ten times all.\n",
    ),
    call(
        "shell", command=f"{TESTS} && git add -A && git commit -q -m 'Fix the discount' && git log --oneline"
    ),
    say("The discount is in percent now, and all three tests pass."),
)
BEFORE_WRONG: Final = 2
"""Turns that were right: the tests were run, and the code was read."""


def coder(workspace: Path) -> Agent:
    """Return the agent. Its model goes astray until a person tells it otherwise."""
    return Agent(
        name="coder",
        instructions="Fix what you are asked to fix.",
        tools=coding_tools(),
        model=ScriptedModel(_reply),
        workspace=workspace,
    )


def make_project(root: Path) -> None:
    """The project is in ``root``, committed in a repository of its own."""
    root.mkdir(parents=True)
    for name, text in FILES.items():
        (root / name).write_text(text)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "A cart"]):
        subprocess.run([git_program(), *words], cwd=root, check=True, env=_environment(root))
    for setting in ("user.name=agent", "user.email=agent@example.com"):
        name, _, value = setting.partition("=")
        words = ["config", name, value]
        subprocess.run([git_program(), *words], cwd=root, check=True, env=_environment(root))


def git_program() -> str:
    """Return where git is; raise ``BadInput`` where it isn't installed."""
    found = shutil.which("git")
    if found is None:
        raise BadInput("this scene needs git, and there is none here", hint="install git")
    return found


def _environment(root: Path) -> dict[str, str]:
    who = {f"GIT_{role}_{part}": f"agent{end}" for role in ("AUTHOR", "COMMITTER") for part, end in _PARTS}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1", **who}


_PARTS: Final = (("NAME", ""), ("EMAIL", "@example.com"))


def _reply(prompt: Prompt) -> Reply:
    advised = any(isinstance(entry, UserText) and ADVICE in entry.text for entry in prompt.entries)
    turn = turns_of(prompt)
    return _RIGHT[turn - BEFORE_WRONG] if advised else _WRONG[turn]
