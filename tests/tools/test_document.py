"""What the page on tools shows is true: its code runs, and its tables name what there is."""

import re
from pathlib import Path

import pytest

from perdure.adapters.tools.context import Context
from perdure.adapters.tools.tool import Options

PAGE = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_its_code_runs(code: str):
    space: dict[str, object] = {"__name__": "shown"}
    exec(compile(code, "docs/tools.md", "exec"), space)
    assert "quote" in space


def test_every_part_of_the_context_is_described_and_none_is_made_up():
    told = set(re.findall(r"`ctx\.(\w+)", PAGE))
    there = {name for name in dir(Context) if not name.startswith("_")}
    assert told <= there
    assert there - told <= {"on_log", "transaction_open", "secret_values"}


def test_every_companion_is_described():
    companions = {name for name in Options.__annotations__ if f"`{name}=`" in PAGE}
    assert companions == {"probe", "undo", "check", "poll"}
