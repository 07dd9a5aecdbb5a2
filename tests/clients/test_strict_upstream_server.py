"""The strict provider on the network: the providers' own SDKs read its answers, and what goes wrong goes wrong."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from perdure.testing.upstream.plots import PLOTS
from perdure.testing.upstream.server import Upstream
from perdure.testing.upstream.tap import Tap
from perdure.testing.upstream.troubles import Trouble
from tests.clients.checks import answers_unlike, headers_lost, unlike
from tests.clients.talker import SHELL

ASK = [{"role": "user", "content": "Begin."}]
TOOL = {"name": "Bash", "input_schema": SHELL}


@pytest.fixture
def upstream():
    with Upstream(PLOTS["short"], seed="seed") as running:
        yield running


OPEN: list[Any] = []


@pytest.fixture(autouse=True)
def closing() -> Generator[None]:
    """Close the SDKs' connections, which they leave to chance."""
    yield
    while OPEN:
        OPEN.pop().close()


def claude(url: str, retries: int = 0, key: str = "sk-of-nobody") -> Any:
    OPEN.append(anthropic.Anthropic(base_url=url, api_key=key, max_retries=retries))
    return OPEN[-1]


def gpt(url: str, retries: int = 0) -> Any:
    OPEN.append(openai.OpenAI(base_url=f"{url}/v1", api_key="sk-of-nobody", max_retries=retries))
    return OPEN[-1]


def ask_claude(client: Any):
    thinking = {"type": "enabled", "budget_tokens": 2000}
    with client.messages.stream(
        model="claude-opus-5-5", max_tokens=4000, messages=ASK, tools=[TOOL], thinking=thinking
    ) as stream:
        return stream.get_final_message()


def test_anthropics_sdk_puts_the_stream_together_and_the_provider_takes_it_back(upstream):
    client = claude(upstream.url)
    first = ask_claude(client)
    assert [block.type for block in first.content] == ["thinking", "text", "tool_use"]
    use = first.content[2]
    assert use.input == {"command": "cat ledger-1.txt"}
    result = {"type": "tool_result", "tool_use_id": use.id, "content": upstream.ledgers.text("ledger-1.txt")}
    history = [*ASK, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = client.messages.create(model="claude-opus-5-5", max_tokens=4000, messages=history, tools=[TOOL])
    assert second.content[-1].input == {
        "command": f"echo {upstream.ledgers.token('ledger-1.txt')} >> answers.txt"
    }
    counted = client.messages.count_tokens(model="claude-opus-5-5", messages=history, tools=[TOOL])
    assert counted.input_tokens == second.usage.input_tokens


def test_openais_sdk_puts_a_chat_together_from_its_pieces(upstream):
    function = {"type": "function", "function": {"name": "Bash", "parameters": SHELL}}
    with gpt(upstream.url).chat.completions.stream(model="gpt-5.5", messages=ASK, tools=[function]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert json.loads(message.tool_calls[0].function.arguments) == {"command": "cat ledger-1.txt"}


def test_openais_sdk_puts_a_response_together_and_goes_on_from_its_id(upstream):
    tool = {"type": "function", "name": "Bash", "parameters": SHELL, "strict": False}
    client = gpt(upstream.url)
    with client.responses.stream(model="gpt-5.5", input=ASK, tools=[tool]) as stream:
        first = stream.get_final_response()
    call = first.output[-1]
    output = {
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": upstream.ledgers.text("ledger-1.txt"),
    }
    second = client.responses.create(
        model="gpt-5.5", previous_response_id=first.id, input=[output], tools=[tool]
    )
    assert upstream.ledgers.token("ledger-1.txt") in second.output[-1].arguments
    with pytest.raises(openai.BadRequestError, match="Previous response with id 'resp_of_nobody' not found"):
        client.responses.create(model="gpt-5.5", previous_response_id="resp_of_nobody", input=[output])


@pytest.mark.parametrize(
    ("kind", "error"),
    [("429", anthropic.RateLimitError), ("529", anthropic.InternalServerError), ("500", anthropic.APIError)],
)
def test_a_provider_that_is_busy_says_so_once_and_then_answers(upstream, kind, error):
    upstream.provider.plan({1: Trouble(kind=kind)})
    with pytest.raises(error):
        ask_claude(claude(upstream.url))
    assert ask_claude(claude(upstream.url)).stop_reason == "tool_use"
    upstream.provider.plan({1: Trouble(kind=kind, retry_after="0")})
    assert ask_claude(claude(upstream.url, retries=2)).stop_reason == "tool_use"


@pytest.mark.parametrize("kind", ["abort", "broken"])
def test_a_stream_that_breaks_off_is_an_error_and_no_answer(upstream, kind):
    upstream.provider.plan({1: Trouble(kind=kind)})
    with pytest.raises((httpx2.HTTPError, anthropic.APIError, json.JSONDecodeError)):
        ask_claude(claude(upstream.url))
    assert upstream.recorded[0].trouble == kind


def test_a_provider_that_is_overloaded_in_mid_stream_says_so_in_the_stream(upstream):
    upstream.provider.plan({1: Trouble(kind="overloaded")})
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        ask_claude(claude(upstream.url))


def test_nobody_is_answered_without_a_key(upstream):
    with pytest.raises(anthropic.AuthenticationError):
        ask_claude(claude(upstream.url, key="wrong"))


def test_what_goes_through_a_tap_is_kept_and_unchanged(upstream):
    with Tap(upstream.url) as tap:
        said = ask_claude(claude(tap.url))
        upstream.provider.plan({1: Trouble(kind="abort")})
        with pytest.raises((httpx2.HTTPError, anthropic.APIError)):
            ask_claude(claude(tap.url))
    assert said.stop_reason == "tool_use"
    assert [each.whole for each in tap.passed] == [True, False]
    assert unlike(tap.passed, upstream.recorded) == []
    assert headers_lost(tap.passed, upstream.recorded) == []
    assert answers_unlike(tap.passed, upstream.recorded) == 0


def test_the_provider_runs_as_a_process_of_its_own():
    command = [sys.executable, "-m", "perdure.testing.upstream", "--script", "short", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdin is not None
            told = json.loads(process.stdout.readline())
            with urllib.request.urlopen(f"{told['url']}/v1/models", timeout=10) as answer:
                assert json.load(answer)["object"] == "list"
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            process.kill()
