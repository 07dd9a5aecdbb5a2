"""``docs/cli.md`` shows JSON under the commands that print it; each command prints these keys, in this shape."""

import re
import shlex
import shutil

import msgspec
import pytest

from tests.cli.inside import Inside
from tests.cli.terminal import AGENTS, CLERKS, Terminal
from tests.tidy.tree import ROOT

SHOWN = re.compile(r"`(perdure [^`]+ --json)`(?:(?!`perdure)[^#])*?\n```json\n(.*?)\n```", re.DOTALL)
CONTRACTS = {
    "contract.yaml": "rulez: []\n",
    "strict.yaml": "rules:\n  - {name: small, tools: [pay], require: args.amount_cents < 1000}\n",
}
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def shape(value: object) -> object:
    """Return ``value`` with its keys in order, and of each list the shape of its first item."""
    match value:
        case dict():
            return {key: shape(item) for key, item in value.items()}
        case list():
            return [shape(value[0])] if value else []
        case _:
            return None


def unlike(shown: object, printed: object, where: str = "") -> list[str]:
    """Return where the printed shape isn't the shown one; what is shown as empty may hold anything."""
    match shown, printed:
        case dict(), dict() if shown:
            if list(shown) != list(printed):
                return [f"{where}: shows {list(shown)}, prints {list(printed)}"]
            return [each for key in shown for each in unlike(shown[key], printed[key], f"{where}.{key}")]
        case [first, *_], [second, *_]:
            return unlike(first, second, f"{where}[]")
        case _:
            return []


@pytest.fixture(scope="module")
def stocked(library: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """The library, and in it a run ``code`` that has worked on files."""
    terminal = Terminal(tmp_path_factory.mktemp("stocked"))
    shutil.copytree(library.directory / "state", terminal.directory / "state")
    assert terminal.type("store", "release", "--by", "the test").code == 0
    said = terminal.type("run", f"{AGENTS / 'coders.py'}:agent", "Work", "--run", "code")
    assert said.code == 0, said.err
    return terminal


@pytest.mark.parametrize(("command", "shown"), SHOWN.findall(PAGE))
def test_what_the_page_shows_is_what_is_printed(stocked: Terminal, inside: Inside, command: str, shown: str):
    shutil.copytree(stocked.directory / "state", inside.directory / "state")
    shutil.copy(CLERKS, inside.directory / "payables.py")
    for name, text in CONTRACTS.items():
        (inside.directory / name).write_text(text)
    assert inside.type("store", "release", "--by", "the test").code == 0
    said = inside.type(*shlex.split(command)[1:])
    printed = msgspec.json.decode(said.out.splitlines()[0])
    assert "error" not in printed, printed
    assert unlike(shape(msgspec.json.decode(shown)), shape(printed)) == []


def test_the_page_shows_most_commands_and_every_exit_code():
    commands = {" ".join(shlex.split(command)[1:2]) for command, _ in SHOWN.findall(PAGE)}
    assert commands >= {
        "run",
        "ls",
        "show",
        "log",
        "diff",
        "files",
        "blame",
        "export",
        "fork",
        "rewind",
        "revert",
        "verify",
        "replay",
        "contract",
        "store",
        "doctor",
    }
    for code in (0, 2, 3, 4, 5, 130):
        assert f"\n| {code} |" in PAGE


def test_a_key_that_is_not_printed_is_caught():
    assert unlike({"a": [{"b": 1}]}, {"a": [{"c": 1}]}) == [".a[]: shows ['b'], prints ['c']"]
    assert unlike({"a": []}, {"a": [1]}) == []
