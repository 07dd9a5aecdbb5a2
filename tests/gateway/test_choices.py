"""What a conversation is recorded and moved by: its client, what is kept of it, what is counted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.assembly.store import open_store
from perdure.gateway.recording import is_difference, restored
from perdure.log import events as e
from tests.gateway.raw import RawUpstream
from tests.gateway.running import Running
from tests.gateway.talking import (
    MOVING,
    STUB,
    Chat,
    asker,
    bodies,
    checked_runs,
    grown,
    results_in,
    runs_of,
)


def test_tokens_are_counted_of_what_would_be_sent(upstream: RawUpstream, tmp_path: Path):
    with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = Chat(asker(gateway.port))
        grown(chat, 8)
        sent = upstream.seen[-1].body
        chat.messages.pop()
        chat.ask("/messages/count_tokens", chat.body())
        gateway.end()
    assert upstream.seen[-1].line.startswith("POST /v1/messages/count_tokens")
    assert upstream.seen[-1].body == sent


@pytest.mark.parametrize("agent", ["claude-cli/1.0.1 (external, cli)", "some-agent/3", ""])
def test_a_client_that_was_not_tested_is_observed_and_the_log_says_why(
    upstream: RawUpstream, tmp_path: Path, agent: str
):
    with Running(tmp_path / "s", upstream.url, *MOVING) as gateway:
        chat = Chat(asker(gateway.port, User_Agent=agent))
        grown(chat, 8)
        chat.messages.pop()
        assert upstream.seen[-1].body == chat.body()
        gateway.end()
    (events,) = checked_runs(tmp_path / "s").values()
    (opened,) = bodies(events, e.ConversationOpened)
    assert opened.mode == "observe"
    assert not opened.recall
    assert opened.note


def test_a_client_that_is_trusted_by_name_is_paged(upstream: RawUpstream, tmp_path: Path):
    with Running(tmp_path / "s", upstream.url, *MOVING, "--trust", "some-agent") as gateway:
        grown(Chat(asker(gateway.port, User_Agent="some-agent/3")), 8)
        gateway.end()
    assert STUB in results_in(upstream.seen[-1].body)[0]


@pytest.mark.parametrize("record", ["full", "hashed", "none"])
def test_what_is_kept_of_a_conversation_is_what_was_asked_for(
    upstream: RawUpstream, tmp_path: Path, record: str
):
    with Running(tmp_path / "s", upstream.url, "--record", record) as gateway:
        grown(Chat(asker(gateway.port)), 2)
        gateway.end()
    (events,) = checked_runs(tmp_path / "s").values()
    assert all((each.body is not None) == (record == "full") for each in bodies(events, e.RequestForwarded))
    assert all((each.reply is not None) == (record == "full") for each in bodies(events, e.RequestAnswered))
    assert bool(bodies(events, e.PageAdmitted)) == (record != "none")
    assert bodies(events, e.ConversationOpened)[0].mode == ("observe" if record == "none" else "safe")


def test_a_recorded_body_is_had_back_from_its_differences(upstream: RawUpstream, tmp_path: Path):
    with Running(tmp_path / "s", upstream.url) as gateway:
        grown(Chat(asker(gateway.port)), 6)
        gateway.end()
    (events,) = runs_of(tmp_path / "s").values()
    before, stored = b"", 0
    with open_store(tmp_path / "s", create=False) as store:
        for seen, each in zip(upstream.seen, bodies(events, e.RequestForwarded), strict=True):
            raw = store.blobs.get(each.body.blob)
            stored += len(raw)
            before = restored(raw, before) if is_difference(raw) else raw
            shown = json.loads(seen.body)
            shown["tools"].pop()
            assert json.loads(before) == shown
    assert stored < sum(len(seen.body) for seen in upstream.seen) / 2


def test_people_are_told_to_look_at_a_conversation_and_not_to_resume_it(
    upstream: RawUpstream, tmp_path: Path
):
    with Running(tmp_path / "s", upstream.url) as gateway:
        grown(Chat(asker(gateway.port)), 1)
    (run,) = runs_of(tmp_path / "s")
    said = subprocess.run(
        [sys.executable, "-m", "perdure.cli", "show", run, "--store", str(tmp_path / "s"), "--json"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert [step["command"].split()[1] for step in json.loads(said.stdout)["steps"]] == ["cost"]
