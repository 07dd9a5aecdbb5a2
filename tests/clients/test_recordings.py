"""Runs of real clients, recorded, go through a real gateway again: what held then holds now."""

import http.client
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.testing.upstream.provider import Delivery, Recorded
from perdure.testing.upstream.server import Listening
from perdure.testing.upstream.tap import Passed, Tap
from tests.clients.checks import headers_lost, unlike, walked
from tests.clients.gateways import gateway, perdure
from tests.clients.kinds import CLIENTS_KNOWN
from tests.clients.recordings import Recording, Replay, all_recordings, loaded
from tests.clients.scrubbing import foreign, leaves, scrubbed

PATHS = list(all_recordings())
EACH = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name.partition(".")[0])


def send(url: str, recording: Recording) -> list[int]:
    """Let the client of a recording speak again; return what it was answered."""
    line = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    statuses: list[int] = []
    for each in recording.passed:
        line.request("POST", each.path, body=each.body, headers=dict(each.headers))
        answer = line.getresponse()
        answer.read()
        statuses.append(answer.status)
    line.close()
    return statuses


class Stand:
    """Where one recording after another finds its provider, behind a gateway that observes them all."""

    def __init__(self) -> None:
        self.replay: Replay | None = None

    def ask(self, path: str, headers: tuple[tuple[str, str], ...], body: bytes, at: float) -> Delivery:
        assert self.replay is not None
        return self.replay.ask(path, headers, body, at)


@pytest.fixture(scope="module")
def observing(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Stand, str]]:
    stand = Stand()
    store = tmp_path_factory.mktemp("observing") / "store"
    with Listening(stand.ask) as upstream, gateway(store, upstream.url, "observe") as url:
        yield stand, url


def test_there_are_recordings_of_all_three_apis():
    kinds = {(recording.client.partition(" ")[0], recording.api) for recording in map(loaded, PATHS)}
    assert {api for _, api in kinds} == {"messages", "chat", "responses"}
    assert {"claude-code", "codex", "opencode", "mini-swe-agent", "openai-agents", "pydantic-ai"} <= {
        name for name, _ in kinds
    }


@EACH
def test_a_recorded_client_goes_through_an_observing_gateway_byte_for_byte(path, observing):
    stand, url = observing
    recording = loaded(path)
    stand.replay = Replay(recording, observed=True)
    with Tap(url) as tap:
        statuses = send(tap.url, recording)
    assert statuses == [each.status for each in recording.passed]
    assert [each.body for each in tap.passed] == [each.body for each in recording.passed]
    assert unlike(tap.passed, stand.replay.recorded) == []
    assert headers_lost(tap.passed, stand.replay.recorded) == []
    assert [each.answer for each in tap.passed] == [each.answer for each in recording.passed]


@EACH
def test_a_recorded_client_keeps_its_prefix_behind_a_paging_gateway_and_nothing_is_refused(path, tmp_path):
    store = tmp_path / "store"
    recording = loaded(path)
    replay = Replay(recording, observed=False)
    mode = ["room", "--room", str(recording.room)] if recording.mode == "room" else ["nocache"]
    with (
        Listening(replay.ask) as upstream,
        gateway(store, upstream.url, *mode, *trusted(recording)) as url,
        Tap(url) as tap,
    ):
        statuses = send(tap.url, recording)
    assert statuses == [each.status for each in recording.passed]
    assert [each.error for each in replay.recorded if each.error] == []
    way = walked(tap.passed, replay.recorded, replay.provider, evicted(store))
    assert way.invalid == ()
    assert [each for each in way.breaks if not each.cause] == []
    assert way.hidden > 0, "no page was recalled behind the client's back"


def trusted(recording: Recording) -> list[str]:
    """Return the option that takes a client as tested which the gateway does not know."""
    name = next(client.trust for client in CLIENTS_KNOWN if client.name == recording.client)
    return ["--trust", name] if name else []


def evicted(store: Path) -> set[str]:
    """Return the pages that left, in whichever run of the store; each of them verifies."""
    pages: set[str] = set()
    runs: list[dict[str, Any]] = perdure(store, "ls")[0]["runs"]
    for run in runs:
        assert perdure(store, "verify", run["run"])[-1]["ok"] is True
        for event in perdure(store, "log", run["run"]):
            if event["kind"] == "page.evicted":
                pages.add(event["body"]["page"])
    return pages


# -- broken gateways are caught by the recordings ------------------------------------------------------


def through(recording: Recording, spoil: Any) -> tuple[list[Passed], list[Recorded], Replay]:
    """Let a gateway that spoils every body carry a recording."""
    replay = Replay(recording, observed=True)
    for each in recording.passed:
        replay.ask(each.path.partition("?")[0].removeprefix("/v1"), each.headers, spoil(each.body), each.at)
    return list(recording.passed), replay.recorded, replay


def named(start: str) -> Recording:
    return loaded(next(path for path in PATHS if path.name.startswith(start)))


@EACH
def test_a_gateway_that_spells_json_anew_is_caught_by_every_recording(path):
    recording = loaded(path)
    passed, recorded, _ = through(recording, lambda body: json.dumps(json.loads(body), indent=1).encode())
    assert len(unlike(passed, recorded)) == 2 * len(passed)


def test_a_gateway_that_drops_signatures_is_caught_by_the_recording_of_claude_code():
    def spoil(body: bytes) -> bytes:
        return body.replace(b'"signature":', b'"sign":')

    _, recorded, _ = through(named("claude-code"), spoil)
    assert "signature: Field required" in recorded[-1].error


def test_a_gateway_that_drops_results_is_caught_by_the_recording_of_codex():
    def spoil(body: bytes) -> bytes:
        shape = json.loads(body)
        shape["input"] = [item for item in shape["input"] if item.get("type") != "function_call_output"]
        return json.dumps(shape).encode()

    _, recorded, _ = through(named("codex"), spoil)
    assert "No tool output found" in recorded[-1].error


def test_a_gateway_that_rewrites_an_old_result_is_caught_by_the_recording_of_opencode():
    recording = named("opencode")
    seen = 0

    def spoil(body: bytes) -> bytes:
        nonlocal seen
        seen += 1
        return body.replace(b"row 0007", b"row 7") if seen > 5 else body

    passed, recorded, replay = through(recording, spoil)
    way = walked(passed, recorded, replay.provider, set())
    assert [each.cause for each in way.breaks] == [""]


# -- what is stored holds no words of others ----------------------------------------------------------


@EACH
def test_a_recording_holds_no_line_of_another_projects(path):
    recording = loaded(path)
    for each in (*recording.passed, *recording.recorded):
        assert foreign(each.body) == []


def test_a_line_that_was_not_scrubbed_is_found():
    body = b'{"system": "amber birch ced\\nYou are an agent.", "messages": []}'
    assert foreign(body) == ["You are an agent."]
    assert foreign(scrubbed(body)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(
    st.dictionaries(st.sampled_from(["system", "tools", "messages", "input", "x"]), JSON, min_size=1),
    st.booleans(),
)
def test_scrubbing_keeps_every_byte_that_is_not_a_letter_in_a_string(shape, ascii_only):
    body = json.dumps(shape, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    clean = scrubbed(body)
    json.loads(clean)
    assert len(clean) == len(body)
    before, after = list(leaves(body)), list(leaves(clean))
    assert [(each.start, each.end, each.path) for each in before] == [(e.start, e.end, e.path) for e in after]


def test_scrubbing_takes_prose_and_leaves_results_names_and_our_own_words():
    shape = {
        "system": [{"type": "text", "text": "You are an agent of somebody.\nBe good."}],
        "tools": [{"name": "Bash", "description": "Runs a command.", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "Work through the ledgers."},
            {"role": "user", "content": [{"type": "text", "text": "Remember what you were told."}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Now for step 1."}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": "row 0001 amber"}],
            },
        ],
    }
    clean = json.loads(scrubbed(json.dumps(shape).encode()))
    assert clean["messages"][0] == shape["messages"][0]
    assert clean["messages"][2:] == shape["messages"][2:]
    assert clean["tools"][0]["name"] == "Bash"
    spoken = json.dumps([clean["system"], clean["tools"], clean["messages"][1]])
    assert not {"agent", "good", "command", "Remember"} & set(
        spoken.replace('"', " ").replace(".", " ").split()
    )
