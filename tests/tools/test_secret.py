"""Secrets are given to the tools that ask, and to nobody else."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.adapters.tools.context import Context
from perdure.adapters.tools.secret import Secrets, scrub, scrubbed
from perdure.values.errors import BadTool

VAULT = {"bank": 'hunter2/"quoted"', "mail": "p@ss wörd"}


def test_a_secret_is_resolved_when_it_is_asked_for_and_once():
    asked: list[str] = []

    def source(name: str) -> str:
        asked.append(name)
        return VAULT[name]

    secrets = Secrets(source)
    assert asked == []
    assert secrets["bank"] == secrets["bank"] == VAULT["bank"]
    assert asked == ["bank"]
    assert secrets.secret_values() == (VAULT["bank"],)
    assert list(secrets) == ["bank"]
    assert len(secrets) == 1
    assert "mail" in secrets
    assert "none" not in secrets


def test_an_agent_without_a_source_has_no_secrets_and_says_so():
    with pytest.raises(KeyError, match="no source of secrets"):
        Context().secrets["bank"]


def test_no_value_is_in_the_repr_of_a_context():
    ctx = Context(secrets=Secrets(VAULT.__getitem__))
    assert ctx.secrets["bank"]
    assert ctx.secrets["mail"]
    assert "Secrets(bank, mail)" in repr(ctx)
    assert not any(value in repr(ctx) for value in VAULT.values())
    assert set(ctx.secret_values()) == set(VAULT.values())


def test_every_usual_spelling_of_a_secret_is_blotted_out():
    value = VAULT["bank"]
    spelled = [value, json.dumps(value), quote(value, safe=""), base64.b64encode(value.encode()).decode()]
    text = scrub(f"error at {' and '.join(spelled)}!", [value])
    assert text == 'error at [secret] and "[secret]" and [secret] and [secret]!'


def test_of_two_secrets_the_longer_goes_first_so_that_no_rest_stays():
    assert scrub("abcdef abc", ["abc", "abcdef"]) == "[secret] [secret]"


def test_names_and_values_of_json_are_scrubbed_at_any_depth():
    found = scrubbed({"a hunter2": ["x", {"b": "hunter2!"}], "n": 3}, ["hunter2"])
    assert found == {"a [secret]": ["x", {"b": "[secret]!"}], "n": 3}


@given(st.lists(st.text(min_size=12)), st.text())
def test_no_secret_is_left_in_any_text(values: list[str], around: str):
    text = around.join(values)
    assert not any(value in scrub(text, values) for value in values if value not in "[secret]")


@given(st.text())
def test_a_text_without_secrets_stays_as_it_is(text: str):
    assert scrub(text, []) == scrub(text, [""]) == text


def test_ctx_transaction_is_there_only_in_a_transactional_tool():
    with pytest.raises(BadTool, match="only in a transactional tool"):
        _ = Context().transaction


def test_what_a_tool_logs_goes_where_the_driver_listens():
    heard: list[str] = []
    Context(on_log=heard.append).log("step one")
    Context().log("nobody listens")
    assert heard == ["step one"]
