"""What goes wrong on the way to a model: asked again where that helps, told without keys where it doesn't."""

import asyncio
import logging
import threading
import time
import traceback
from email.utils import formatdate

import pytest

from perdure.adapters.models.asked import AskedModel
from perdure.intention.reply import Reply
from perdure.values.digest import Json
from perdure.wire.prompt import ModelFailure
from tests.models.speaking import ANTHROPIC, CHAT, KEY, RESPONSES, Spoken
from tests.models.test_asking import PROMPT, ask
from tests.models.upstream import Answered, streamed, upstream, whole

ERROR: Json = {"type": "error", "error": {"type": "some_error", "message": "it broke"}}


def failing(model: AskedModel, timeout: float = 20) -> ModelFailure:
    with pytest.raises(ModelFailure) as caught:
        ask(model, timeout=timeout)
    return caught.value


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_passes_by_itself_is_asked_again(spoken: Spoken, status: int):
    with upstream(whole(ERROR, status), spoken.answer(spoken.text)) as server:
        assert ask(spoken.model(server.address)).text == "Hello world"
        assert [asked.headers["idempotency-key"] for asked in server.asked] == ["run-1-1", "run-1-1"]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_does_not_pass_is_told_at_once(spoken: Spoken, status: int):
    with upstream(whole(ERROR, status)) as server:
        failure = failing(spoken.model(server.address))
        assert len(server.asked) == 1
    assert not failure.retryable
    assert "it broke" in failure.message


@pytest.mark.usefixtures("at_once")
def test_a_question_is_asked_a_bounded_number_of_times(spoken: Spoken):
    with upstream(whole(ERROR, 503)) as server:
        failure = failing(spoken.model(server.address))
        assert len(server.asked) == 3
    assert failure.retryable


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("header", [{"retry_after_ms": "200"}, {"retry_after": "0.2"}])
def test_the_provider_says_how_long_to_wait(spoken: Spoken, header: dict[str, str]):
    with upstream(whole(ERROR, 429, **header), spoken.answer(spoken.text)) as server:
        ask(spoken.model(server.address))
        first, second = server.asked
    assert second.at - first.at >= 0.2


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("after", ["3600", "date"])
def test_a_wait_beyond_the_caller_s_time_is_left_to_the_caller(spoken: Spoken, after: str):
    value = formatdate(time.time() + 3600, usegmt=True) if after == "date" else after
    with upstream(whole(ERROR, 429, retry_after=value)) as server:
        failure = failing(spoken.model(server.address))
        assert len(server.asked) == 1
    assert failure.retryable
    assert failure.retry_after is not None
    assert 3500 < failure.retry_after <= 3600


def test_pauses_between_tries_grow_and_differ():
    from tenacity import RetryCallState, Retrying

    from perdure.adapters.models.asked import _pause

    def pause(attempt: int) -> float:
        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = attempt
        return _pause(state)

    assert all(0.5 <= pause(1) <= 1.0 and 1.0 <= pause(2) <= 1.5 and pause(30) <= 8.5 for _ in range(50))
    assert len({pause(1) for _ in range(20)}) > 1


@pytest.mark.usefixtures("at_once")
def test_a_stream_that_is_dropped_is_asked_for_again_from_the_start(spoken: Spoken):
    told: list[str] = []
    dropped = spoken.answer(spoken.text[:-3], cut=True)
    with upstream(dropped, spoken.answer(spoken.text)) as server:
        assert ask(spoken.model(server.address), on_text=told.append).text == "Hello world"
    assert "".join(told).endswith("Hello world")


@pytest.mark.usefixtures("at_once")
def test_a_stream_that_ends_early_and_politely_is_no_reply(spoken: Spoken):
    with upstream(spoken.answer(spoken.text[:2])) as server:
        failure = failing(spoken.model(server.address))
        assert len(server.asked) == 3
    assert failure.retryable


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "answer",
    [
        Answered(b'event: message_start\ndata: {"type": "mess\n\n', kind="text/event-stream"),
        Answered(b"<html>proxy</html>", kind="text/html"),
        Answered(b"", kind="text/event-stream"),
        Answered(b'{"half": ', kind="application/json", cut=True),
    ],
)
def test_an_answer_that_is_no_json_is_asked_for_again(spoken: Spoken, answer: Answered):
    with upstream(answer, spoken.answer(spoken.text)) as server:
        assert ask(spoken.model(server.address)).text == "Hello world"
        assert len(server.asked) == 2


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_never_is_json_is_a_failure(spoken: Spoken, stream: bool):
    with upstream(Answered(b"[1", kind="application/json")) as server:
        assert failing(spoken.model(server.address, stream=stream)).retryable


@pytest.mark.usefixtures("at_once")
def test_a_provider_that_breaks_off_in_mid_stream_is_asked_again(spoken: Spoken):
    broken = streamed([*spoken.text[:2], spoken.broken], done=False)
    with upstream(broken, spoken.answer(spoken.text)) as server:
        assert ask(spoken.model(server.address)).text == "Hello world"
        assert len(server.asked) == 2


@pytest.mark.usefixtures("at_once")
def test_a_quota_that_is_used_up_does_not_pass(spoken: Spoken):
    quota: Json = {
        "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "no money"}
    }
    with upstream(whole(quota, 429)) as server:
        assert not failing(spoken.model(server.address)).retryable
        assert len(server.asked) == 1


def test_a_provider_that_hangs_is_given_up_in_time(spoken: Spoken):
    free = threading.Event()
    hanging = streamed(spoken.text[:2], done=False, hang=free)
    with upstream(hanging) as server:
        # It goes on after this only: whoever waited for it would wait for ever.
        failure = failing(spoken.model(server.address), timeout=0.3)
        free.set()
    assert failure.retryable


@pytest.mark.usefixtures("at_once")
def test_nobody_there_is_a_failure_that_may_pass(spoken: Spoken):
    with upstream(spoken.answer(spoken.text)) as server:
        address = server.address
    assert failing(spoken.model(address)).retryable


def test_a_cancelled_question_is_cancelled(spoken: Spoken):
    free = threading.Event()

    async def main(model: AskedModel) -> None:
        asking = asyncio.create_task(model.ask(PROMPT, key="k", on_text=None, timeout=20))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await model.close()

    with upstream(streamed(spoken.text[:2], done=False, hang=free)) as server:
        asyncio.run(main(spoken.model(server.address)))
        free.set()


@pytest.mark.usefixtures("at_once")
def test_no_key_is_in_an_error_its_traceback_or_a_trace(spoken: Spoken, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    echoed: Json = {
        "error": {"type": "authentication_error", "message": f"Incorrect API key provided: {KEY}."}
    }
    with upstream(whole(echoed, 401)) as server:
        failure = failing(spoken.model(server.address))
        assert KEY in str(server.asked[0].headers)
    shown = "".join(traceback.format_exception(failure)) + repr(failure) + str(failure.args)
    assert "[secret]" in failure.message
    assert KEY not in shown
    assert KEY not in caplog.text


@pytest.mark.usefixtures("at_once")
def test_no_password_of_an_address_is_in_an_error():
    with upstream(whole({"error": {"message": "no hunter2pass here"}}, 400)) as server:
        address = server.address.replace("://", "://me:hunter2pass@")
        failure = failing(CHAT.model(address))
    assert "hunter2pass" not in failure.message


@pytest.mark.parametrize("base", [ANTHROPIC, CHAT, RESPONSES], ids=lambda base: base.spec)
def test_without_a_key_the_variable_to_set_is_named(base: Spoken, monkeypatch: pytest.MonkeyPatch):
    from perdure.adapters.models.making import make_model

    monkeypatch.delenv(base.variable)
    model = make_model(base.spec)

    async def main() -> Reply:
        return await model.ask(PROMPT, key="k", on_text=None, timeout=5)

    with pytest.raises(ModelFailure, match=base.variable) as caught:
        asyncio.run(main())
    assert not caught.value.retryable


def test_a_server_of_one_s_own_needs_no_key(spoken: Spoken, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(spoken.variable)
    with upstream(spoken.answer(spoken.text)) as server:
        assert ask(spoken.model(server.address)).text == "Hello world"


def test_what_a_listener_raises_is_its_own_fault_and_is_not_asked_again(spoken: Spoken):
    def deaf(piece: str) -> None:
        raise ValueError(piece)

    with upstream(spoken.answer(spoken.text)) as server, pytest.raises(ValueError, match="Hello"):
        ask(spoken.model(server.address), on_text=deaf)
    assert len(server.asked) == 1
