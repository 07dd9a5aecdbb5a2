"""However a wrapped session ends, it ends whole: the client's code, no process, no folder, the run given back."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from perdure.log import events as e
from perdure.values.limits import KEEPER_LIVES_MAX
from tests.gateway.raw import RawUpstream
from tests.gateway.talking import says
from tests.wrap.kit import SECONDS, Desk, Wrapped, awaited, gone, keeper_of


def folder_of(wrapped: Wrapped) -> Path:
    """Return the private folder of a session that is under way."""
    keeper = wrapped.keeper()
    return next(Path(each.path).parent for each in keeper.open_files() if each.path.endswith("/lock"))


def both_killed(wrapped: Wrapped) -> None:
    """Neither the wrapper nor its keeper is left; whatever else they started may be."""
    keeper = wrapped.keeper()
    os.kill(wrapped.pid, signal.SIGSTOP)  # so that it starts no other keeper meanwhile
    keeper.kill()
    os.kill(wrapped.pid, signal.SIGKILL)
    gone(keeper)


def left(desk: Desk, run: str) -> list[str]:
    return [event.body.why for event in desk.events(run) if isinstance(event.body, e.ClientLeft)]


def test_the_exit_code_is_the_clients_and_nothing_is_left(desk: Desk):
    wrapped = desk.wrap("small", "--flag", "-x", "--", "a b", run="seven")
    said = wrapped.hears()
    assert said["arguments"] == ["--flag", "-x", "--", "a b"]
    keeper, folder = wrapped.keeper(), folder_of(wrapped)
    assert Path(said["socket"]).parent == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    wrapped.says("7")
    code, complaint = wrapped.ends()
    assert code == 7, complaint
    gone(keeper)
    assert not folder.exists()
    assert list((desk.store / "wraps").iterdir()) == []
    assert list(desk.home.rglob("*")) == []
    assert left(desk, "seven") == ["the client ended with exit code 7"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_wrapper_is_the_clients_and_both_end_by_it(desk: Desk, number: signal.Signals):
    wrapped = desk.wrap("small", run="told")
    wrapped.hears()
    os.kill(wrapped.pid, number)
    assert wrapped.process.wait(SECONDS) == -number  # nothing else ends the client: its input stays open
    assert left(desk, "told") == [f"the client was ended by signal {number}"]


def test_a_killed_keeper_is_started_again_and_the_client_asks_on_at_the_same_address(desk: Desk):
    with RawUpstream(says(lambda _: [{"type": "text", "text": "yes"}])) as upstream:
        wrapped = desk.wrap("small", "chat", run="kept", options=("--upstream", upstream.url, "--json"))
        wrapped.says("one")
        assert wrapped.hears() == {"answer": [{"type": "text", "text": "yes"}]}
        first = wrapped.keeper()
        first.kill()
        wrapped.says("two")
        assert wrapped.hears() == {"answer": [{"type": "text", "text": "yes"}]}
        second = wrapped.keeper()
        assert second.pid != first.pid
        code, told = wrapped.ends()
    assert code == 0, told
    assert '"restarts":1' in told
    gone(first, second)
    kinds = [type(event.body) for event in desk.events("kept")]
    assert kinds.count(e.ClientAttached) == 1
    assert kinds.count(e.LeaseAcquired) == 2


def test_a_killed_wrapper_takes_its_client_along_and_the_keeper_ends_in_order(desk: Desk):
    wrapped = desk.wrap("small", run="orphan")
    client = psutil.Process(wrapped.hears()["pid"])
    keeper, folder = wrapped.keeper(), folder_of(wrapped)
    os.kill(wrapped.pid, signal.SIGKILL)
    gone(client, keeper)
    assert not folder.exists()
    assert left(desk, "orphan") == ["its wrapper was killed"]
    again = desk.wrap("small", run="orphan", options=("--resume", "orphan"))
    assert again.hears()["arguments"] == []  # it had asked nothing yet: there is no session to go on with
    again.says("0")
    assert again.ends()[0] == 0


Anew = tuple[Wrapped, psutil.Process, psutil.Process]


@pytest.fixture
def anew(desk: Desk) -> Iterator[Anew]:
    """A client that started itself anew and let go of a service, and these two processes."""
    wrapped = desk.wrap("small", "again", run="anew")
    said = wrapped.hears()
    child, service = psutil.Process(said["child"]), psutil.Process(said["service"])
    yield wrapped, child, service
    for each in (child, service):
        with suppress(psutil.NoSuchProcess):
            each.kill()


def test_a_killed_wrapper_takes_along_what_its_client_started_and_no_service(anew: Anew):
    wrapped, child, service = anew
    keeper = wrapped.keeper()
    os.kill(wrapped.pid, signal.SIGKILL)
    gone(child, keeper)
    assert service.is_running()


def test_what_a_client_started_is_cleared_with_it_by_the_next_wrapper(desk: Desk, anew: Anew):
    wrapped, child, service = anew
    both_killed(wrapped)
    after = desk.wrap("small", run="after")
    after.hears()
    after.says("0")
    assert after.ends()[0] == 0
    gone(child)
    assert service.is_running()


def test_what_a_killed_wrapper_and_keeper_left_is_cleared_by_the_next_one(desk: Desk):
    wrapped = desk.wrap("small", "stubborn", run="lost")
    client = psutil.Process(wrapped.hears()["pid"])
    folder = folder_of(wrapped)
    both_killed(wrapped)
    after = desk.wrap("small", run="after")
    after.hears()
    gone(client)
    assert not folder.exists()
    after.says("0")
    assert after.ends()[0] == 0


def test_a_keeper_that_is_killed_again_and_again_is_given_up_and_the_client_is_not(desk: Desk):
    wrapped = desk.wrap("small", run="often")
    wrapped.hears()
    for _ in range(KEEPER_LIVES_MAX):
        keeper = wrapped.keeper()
        keeper.kill()
        gone(keeper)
    wrapped.says("0")
    code, told = wrapped.ends()
    assert code == 0
    assert "the keeper ended with -9" in told


def test_a_keeper_that_is_told_to_end_is_followed_by_one_to_which_the_client_belongs_again(desk: Desk):
    wrapped = desk.wrap("small", run="asked")
    wrapped.hears()
    keeper = wrapped.keeper()
    keeper.terminate()
    gone(keeper)
    awaited(lambda: keeper_of(wrapped.pid))
    wrapped.says("0")
    assert wrapped.ends()[0] == 0
    told = [type(event.body) for event in desk.events("asked")]
    assert [each for each in told if each in (e.ClientAttached, e.ClientLeft)] == [
        e.ClientAttached,
        e.ClientLeft,
        e.ClientAttached,
        e.ClientLeft,
    ]


def test_an_end_is_recorded_also_where_the_keeper_was_killed_with_the_client(desk: Desk):
    wrapped = desk.wrap("small", run="both")
    client = psutil.Process(wrapped.hears()["pid"])
    keeper = wrapped.keeper()
    os.kill(wrapped.pid, signal.SIGSTOP)  # so that it sees both ends at once
    client.kill()
    keeper.kill()
    awaited(lambda: {client.status(), keeper.status()} == {psutil.STATUS_ZOMBIE})
    os.kill(wrapped.pid, signal.SIGCONT)
    code, told = wrapped.ends()
    assert code == 128 + signal.SIGKILL, told
    assert "0 effects done" in told
    assert left(desk, "both") == ["the client was ended by signal 9"]
