"""Recorded runs of real clients, spoken again by a wrapped client: one conversation, and a cut is found where it is."""

import asyncio
import http.client
from collections.abc import Sequence
from pathlib import Path

import pytest

from perdure.log import events as e
from perdure.testing.upstream.server import Listening
from perdure.testing.upstream.tap import Passed
from tests.clients.recordings import FOLDER, Replay, all_recordings, loaded
from tests.clients.test_recordings import Stand
from tests.gateway.talking import bodies, checked_runs
from tests.gateway.wrapped import Wrapped, wrapped
from tests.sessions.ground import Bank, played

EACH = pytest.mark.parametrize("path", list(all_recordings()), ids=lambda path: path.name.partition(".")[0])


async def spoken(client: Wrapped, requests: Sequence[Passed]) -> None:
    """The client says it again."""

    def speak() -> None:
        line = http.client.HTTPConnection("127.0.0.1", client.gateway.port, timeout=60)
        for each in requests:
            line.request("POST", each.path, body=each.body, headers=dict(each.headers))
            line.getresponse().read()
        line.close()

    await asyncio.to_thread(speak)


@EACH
def test_a_real_clients_main_loop_is_one_conversation_that_never_goes_back_by_itself(
    path: Path, tmp_path: Path
):
    recording = loaded(path)
    stand = Stand()
    stand.replay = Replay(recording, observed=True)

    async def story(upstream: str) -> None:
        async with wrapped(tmp_path / "s", upstream, Bank(), mode="observe") as client:
            await spoken(client, recording.passed)

    with Listening(stand.ask) as upstream:
        played(story(upstream.url))
    runs = checked_runs(tmp_path / "s")
    own = runs["one"]
    asked = bodies(own, e.RequestForwarded)
    assert len(bodies(own, e.ConversationOpened)) == 1
    assert bodies(own, e.RunRewound) == []
    assert [each.number for each in asked] == list(range(1, len(asked) + 1))
    assert {each.broken for each in asked} == {""}
    assert len(asked) + len(bodies(own, e.ConversationJoined)) == len(recording.passed)


@pytest.mark.parametrize("name", ["claude-code", "codex", "opencode"])
def test_a_real_client_cut_back_to_an_earlier_request_takes_its_run_back_to_that_requests_end(
    name: str, tmp_path: Path
):
    recording = loaded(FOLDER / f"{name}.msgpack.zst")
    main = recording.passed[-8:]  # what stands before is a title, or the like
    stand = Stand()
    stand.replay = Replay(recording, observed=True)

    async def story(upstream: str) -> None:
        async with wrapped(tmp_path / "s", upstream, Bank(), mode="observe") as client:
            await spoken(client, main)
            client.gateway.client_came()
            await spoken(client, main[3:4])

    with Listening(stand.ask) as upstream:
        played(story(upstream.url))
    own = checked_runs(tmp_path / "s")["one"]
    (back,) = bodies(own, e.RunRewound)
    fourth = [event for event in own if isinstance(event.body, e.RequestAnswered) and event.body.number == 4]
    assert (back.by, back.to) == ("client", fourth[0].position)
