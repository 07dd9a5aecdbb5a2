"""The gateway keeps its log in a database as it does in a directory."""

import json
from pathlib import Path

import pytest

from perdure.log import events as e
from tests.gateway.raw import RawUpstream
from tests.gateway.running import Running
from tests.gateway.talking import (
    MOVING,
    Chat,
    Json,
    asker,
    bodies,
    checked_runs,
    grown,
    page_text,
    recalls,
    results_in,
    says,
    text,
)
from tests.servers.shared import MISSING, empty_database, is_here


@pytest.fixture(autouse=True)
def _server() -> None:
    if not is_here():
        pytest.skip(MISSING)


def test_what_left_the_window_comes_back_after_the_gateway_was_killed(tmp_path: Path):
    recalled: list[str] = []

    def model(request: Json) -> list[Json]:
        said = results_in(json.dumps(request).encode())
        if request["messages"][-1]["content"] == "Again.":
            handle = json.dumps(request).partition("perdure_recall with page ")[2].split()[0]
            return recalls(90, page=handle)
        recalled.append(said[-1])
        return [text("fine")]

    store = empty_database(tmp_path)
    with RawUpstream(says(model)) as upstream:
        with Running(store, upstream.url, *MOVING) as first:
            chat = Chat(asker(first.port))
            grown(chat, 4)
            first.kill()
        with Running(store, upstream.url, *MOVING) as second:
            chat.ask = asker(second.port)
            chat.messages.append({"role": "user", "content": "Again."})
            assert chat.send() == [text("fine")]
            assert second.end() == 0
    assert page_text("file-1") in recalled[-1]
    ((_, events),) = checked_runs(store).items()
    assert len(bodies(events, e.RequestForwarded)) == 5
    assert len(bodies(events, e.RecallHidden)) == 1
