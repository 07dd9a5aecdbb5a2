"""Every command, option and environment variable that the documents show exists, as they show it."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from tests.tidy.tree import File, documents, source

FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
SHELLS = {"", "bash", "console", "sh", "shell", "text"}
CALL = re.compile(r"(?:^|[|;&(]|\$ )\s*(?:[A-Z_]+=\S+\s+)*(?:\S*/)?perdure(?=\s|$)(?=([^\n]*))", re.MULTILINE)
END = set("|;&<>()") | {"||", "&&", ">>", ">&", "#", "...", "--"}
SETTING = re.compile(r"\bPERDURE_[A-Z_]*[A-Z]\b")


def calls(text: str) -> Iterator[str]:
    """Yield what stands behind each ``perdure`` that opens a command, in blocks and in spans."""
    for _, language, block in FENCE.findall(text):
        if language in SHELLS:
            yield from CALL.findall(block.replace("\\\n", " "))
    for span in SPAN.findall(FENCE.sub("", text)):
        yield from CALL.findall(span)


def words(call: str) -> list[str]:
    """Return the words of ``call`` as a shell would pass them, up to the end of the command."""
    reader = shlex.shlex(call, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    found: list[str] = []
    for word in reader:
        if word in END or END.issuperset(word):
            break
        found.append(word.strip("[]"))
    return found


def complaint(group: click.Command, call: str) -> str | None:
    """Return what is wrong with ``call``, if anything is."""
    try:
        rest = words(call)
    except ValueError as error:
        return f"`perdure{call}` can't be typed: {error}"
    command, path, known = group, "perdure", {"--help"}
    for place, word in enumerate(rest):
        known |= {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        if word.startswith("-") and not re.fullmatch(r"-\d+|-", word):
            if word.split("=")[0] not in known:
                return f"`{path}` has no option {word}"
        elif isinstance(command, click.Group) and (place == 0 or not rest[place - 1].startswith("-")):
            if word.isupper() or not word:
                return None
            below = command.get_command(click.Context(command), word)
            if below is None:
                return f"there is no `{path} {word}`"
            command, path = below, f"{path} {word}"
    return None


def lost_calls(files: list[File], group: click.Command) -> list[str]:
    """Return the commands and options that a file shows and the command line doesn't have."""
    found = {
        (file.name, wrong) for file in files for call in calls(file.text) if (wrong := complaint(group, call))
    }
    return [f"{where}: {wrong}" for where, wrong in sorted(found)]


def unmatched_settings(prose: list[File], code: list[File]) -> list[str]:
    """Return environment variables that are read and not described, or described and not read.

    What the demo tells its own processes is nobody's setting.
    """
    described = {name for file in prose for name in SETTING.findall(file.text)}
    used = {name for file in code if file.room != "demo" for name in SETTING.findall(file.text)}
    return [f"{name} is described and never read" for name in sorted(described - used)] + [
        f"{name} is read and described nowhere" for name in sorted(used - described)
    ]


@pytest.fixture
def perdure_command() -> click.Command:
    """The command line as it is installed."""
    from perdure.cli import main

    return main


def test_every_command_in_the_documents_exists(perdure_command: click.Command):
    assert lost_calls(documents(), perdure_command) == []


def test_every_command_that_a_message_or_hint_recommends_exists(perdure_command: click.Command):
    assert lost_calls(source(), perdure_command) == []


def test_every_setting_is_described_and_read():
    assert unmatched_settings(documents(), source()) == []


def sample_group() -> click.Group:
    """Return a command line of two verbs, one of them with a verb below."""
    group = click.Group("perdure", params=[click.Option(["--store"])])
    group.add_command(click.Command("run", params=[click.Option(["--json"], is_flag=True)]))
    store = click.Group("store")
    store.add_command(click.Command("backup"))
    group.add_command(store)
    return group


def test_a_verb_an_option_and_a_verb_below_that_are_not_there_are_caught():
    text = "Type `perdure vanish x` or `perdure store burn`.\n```sh\n$ X=1 perdure run a.py --jsno | perdure gone\n```\n"
    assert lost_calls([File("README.md", text)], sample_group()) == [
        "README.md: `perdure run` has no option --jsno",
        "README.md: there is no `perdure gone`",
        "README.md: there is no `perdure store burn`",
        "README.md: there is no `perdure vanish`",
    ]


def test_commands_as_people_write_them_pass():
    text = (
        "`perdure VERB --help`, `perdure --store ./s run`, `perdure run x -- --anything`\n"
        "```python\nimport perdure\nfrom perdure import Agent\n```\n"
        '```sh\nperdure run payables.py:agent "Pay it" \\\n  --json   # --comment\nperdure store backup && echo done\n```\n'
    )
    assert lost_calls([File("README.md", text)], sample_group()) == []


def test_a_setting_that_is_only_described_or_only_read_is_caught():
    prose, code = [File("docs/x.md", "PERDURE_STORE")], [File("src/x.py", 'environ["PERDURE_STATE"]')]
    assert unmatched_settings(prose, code) == [
        "PERDURE_STORE is described and never read",
        "PERDURE_STATE is read and described nowhere",
    ]
