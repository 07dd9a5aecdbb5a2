"""Errors: a sentence, a code, a cure, a page; for programs as JSON; never a traceback of ours."""

import pytest

from perdure.cli.ending import complaint_of
from perdure.values import errors
from tests.cli.inside import Inside
from tests.cli.terminal import AGENTS, CLERKS, Terminal
from tests.tidy.tree import ROOT


def test_an_error_says_what_is_wrong_what_to_do_and_where_to_read_on(terminal: Terminal):
    said = terminal.type("show", "march")
    assert said.code == 2
    assert "there is no store in .perdure" in said.err
    assert "--store" in said.err
    assert "P107  docs/errors/P107.md" in said.err
    assert "Traceback" not in said.err
    assert (ROOT / "docs/errors/P107.md").exists()


def test_with_json_an_error_is_an_object_on_standard_output(terminal: Terminal):
    said = terminal.type("show", "march", "--json")
    assert set(said.json) == {"error"}
    assert set(said.json["error"]) == {"code", "message", "hint"}
    wrong_use = terminal.type("run", "--json")
    assert (wrong_use.code, wrong_use.json["error"]["code"]) == (2, "P107")


def test_a_trace_is_there_for_who_asks(terminal: Terminal):
    said = terminal.type("show", "march", PERDURE_TRACE="1")
    assert "Traceback" in said.err
    assert said.code == 2


@pytest.mark.parametrize(
    ("spoken", "words"),
    [
        (f"{AGENTS}/broken.py:agent", "broken.py:5: NameError: name 'undefined_model'"),
        (f"{AGENTS}/missing.py:agent", "there is no file"),
        (f"{CLERKS}:nobody", "no such name"),
        (f"{CLERKS}:world", "is a function, not an Agent"),
        (f"{CLERKS}", "has 9 agents"),
        ("no_such_module:agent", "there is no module of that name"),
    ],
)
def test_an_agent_that_can_not_be_read_is_told_by_file_and_line(
    inside: Inside,
    spoken: str,
    words: str,
):
    said = inside.type("run", spoken, "Pay")
    assert said.code == 2
    assert words in said.err
    assert not (inside.directory / ".perdure").exists()


def test_a_run_that_is_there_already_is_not_begun_again(reader: Inside):
    said = reader.type("run", f"{CLERKS}:agent", "Pay", "--run", "march")
    assert said.code == 2
    assert "P103" in said.err
    assert "perdure resume" in said.err


def test_a_run_whose_start_was_refused_is_no_run_and_its_name_is_free(inside: Inside):
    said = inside.type("run", f"{CLERKS}:patient", "Note it", "--run", "p", "--model", "nonsense")
    assert (said.code, "'nonsense' names no model" in said.err) == (2, True)
    assert inside.type("ls", "--json").json == {"runs": []}
    assert inside.type("verify", "--all").code == 0
    assert inside.type("run", f"{CLERKS}:patient", "Note it", "--run", "p").code == 0
    assert inside.type("resume", "p").code == 0


def test_a_word_that_is_no_command_is_answered_with_the_nearest(reader: Inside):
    said = reader.type("resum", "march")
    assert said.code == 2
    assert "Did you mean 'resume'?" in said.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UnknownRun("x"), 2),
        (errors.Held("x"), 5),
        (errors.Fenced("x"), 5),
        (errors.Suspended("x"), 3),
        (errors.StoreDamaged("x"), 4),
        (errors.Busy("x"), 4),
    ],
)
def test_each_sort_of_error_has_its_exit_code(error: errors.PerdureError, code: int):
    assert complaint_of(error).exit_code == code


def test_where_no_store_is_named_or_here_that_of_wrapped_clients_is_meant(terminal: Terminal):
    made = terminal.type("run", f"{CLERKS}:agent", "Pay", "--run", "march", "--store", ".elsewhere/perdure")
    assert made.code == 0, made.err
    said = terminal.type("ls", "--json")
    assert [run["run"] for run in said.json["runs"]] == ["march"]
    assert terminal.type("ls", "--store", ".perdure").code == 2
