"""Profiles are read strictly: a word that is misread would send requests around the gateway."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.values.errors import BadProfile, UnknownClient
from perdure.wrap.profiles.documents import table_of
from perdure.wrap.profiles.reading import known, read_profile, recognised
from perdure.wrap.profiles.versions import asked_version, untested
from tests.profiles.ground import profile

PLAIN = """
name = "mine"
title = "Mine"
programs = ["mine"]
api = "chat"
[version]
since = "1.0"
before = "2"
[gateway]
environment = { OPENAI_BASE_URL = "{base_url}/v1" }
[gateway.upstreams.chat]
default = "https://api.openai.com/v1"
sources = [{ variable = "OPENAI_BASE_URL" }]
"""


def test_seven_clients_are_known_each_by_programs_of_its_own():
    programs = [program for each in known() for program in each.programs]
    assert len(known()) == 7
    assert len(set(programs)) == len(programs)
    assert recognised("/opt/bin/Claude.exe", known()).name == "claude-code"
    with pytest.raises(UnknownClient, match="claude"):
        recognised("claudette", known())


def test_a_users_own_profile_is_read(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(PLAIN)
    assert recognised("mine", (read_profile(path),)).title == "Mine"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("environment =", "enviroment =", "enviroment"),
        ("{base_url}", "{base}", "{base}"),
        ('api = "chat"', 'api = "soap"', "soap"),
        ('before = "2"', 'before = "1.0"', "since"),
        ('programs = ["mine"]', "programs = []", "no program"),
        ("[gateway.upstreams.chat]", "[gateway.upstreams.smoke]", "smoke"),
        ('name = "mine"', 'name = "mine', "mine.toml"),
        ("[version]", '[servers]\nsources = []\nshim = { c = "{command}" }\n[version]', "{servers}"),
        ("[version]", '[[settings]]\ncontent = {}\nto = "file"\n[version]', "needs"),
        ("[version]", '[resume]\narguments = ["{seance}"]\n[version]', "{seance}"),
    ],
)
def test_a_profile_with_a_wrong_word_is_refused_and_told_which(
    tmp_path: Path, before: str, after: str, told: str
):
    assert before in PLAIN
    path = tmp_path / "mine.toml"
    path.write_text(PLAIN.replace(before, after, 1))
    with pytest.raises(BadProfile) as refused:
        read_profile(path)
    assert told in str(refused.value)


def test_a_profile_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(BadProfile, match="can't be read"):
        read_profile(tmp_path / "gone.toml")
    (tmp_path / "huge.toml").write_text("# " + "x" * 100_000)
    with pytest.raises(BadProfile, match="bytes"):
        read_profile(tmp_path / "huge.toml")


@pytest.mark.parametrize(
    ("said", "version", "trusted"),
    [
        ("2.1.330 (Claude Code)", "2.1.330", True),
        ("claude v2.1.0", "2.1.0", True),
        ("2.2.0 (Claude Code)", "2.2.0", False),
        ("2.0.99", "2.0.99", False),
        ("no number", "", False),
    ],
)
def test_a_client_is_asked_for_its_version_and_an_untested_one_is_told(
    tmp_path: Path, said: str, version: str, trusted: bool
):
    program = tmp_path / "claude"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    asked = asked_version(profile("claude-code"), str(program), dict(os.environ))
    assert asked == version
    assert (untested(profile("claude-code"), asked) == "") == trusted


def test_a_client_that_does_not_run_has_no_version(tmp_path: Path):
    assert asked_version(profile("codex"), str(tmp_path / "gone"), {}) == ""
    assert "doesn't say" in untested(profile("codex"), "")


COMMENTS = st.sampled_from(["", " ", '\n// a "comment", }\n', '/* { " */', "/**/"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(max_size=8)
    | st.just('// "no" comment, }'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=3), COMMENTS, COMMENTS)
def test_json_with_comments_and_spare_commas_reads_as_what_it_says(
    table: dict[str, object], before: str, after: str
):
    spelled = json.dumps(table)
    body = spelled[1:-1]
    comma = "," if table else ""
    assert table_of(f"{{{before}{body}{after}{comma}{before}}}", Path(), "a test") == table
