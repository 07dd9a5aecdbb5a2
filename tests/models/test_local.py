"""A small real model on this machine: it is asked, it answers, and asking again is not a replay."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.adapters.models.local import LocalModel
from perdure.intention.declaration import Declaration
from perdure.intention.reply import Reply
from perdure.values.digest import Json
from perdure.values.errors import BadInput
from perdure.wire.prompt import Prompt, UserText

TOLD = Prompt("You tell stories.", (), (UserText("Tell me of a fox, in two sentences."),), {"max_tokens": 24})


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    try:
        LocalModel()
    except BadInput as absent:
        pytest.skip(f"{absent}: {absent.hint}")


async def asked(model: LocalModel, prompt: Prompt, times: int) -> list[Reply]:
    try:
        return [await model.ask(prompt, key=f"k{turn}", on_text=None, timeout=60) for turn in range(times)]
    finally:
        await model.close()


@pytest.mark.local_model
def test_it_answers_in_pieces_that_make_the_whole():
    told: list[str] = []

    async def main() -> Reply:
        model = LocalModel(settings={"temperature": 0})
        try:
            return await model.ask(TOLD, key="k", on_text=told.append, timeout=60)
        finally:
            await model.close()

    reply = asyncio.run(main())
    assert len(told) > 3
    assert "".join(told) == reply.text
    assert reply.stop in {"end", "length"}
    assert reply.usage.input_tokens > 10
    assert 0 < reply.usage.output_tokens <= 24
    assert reply.usage.cost_microusd == 0


@pytest.mark.local_model
def test_asking_again_is_not_a_replay():
    replies = asyncio.run(asked(LocalModel(), TOLD, 4))
    assert len({reply.text for reply in replies}) > 1, "the same question was answered alike four times"


@pytest.mark.local_model
def test_it_can_be_made_to_call_a_tool_and_mints_another_id_each_time():
    pay = Declaration(
        "pay",
        description="Pay an invoice.",
        schema={
            "type": "object",
            "properties": {"invoice": {"enum": ["A-1", "A-2"]}},
            "required": ["invoice"],
            "additionalProperties": False,
        },
    )
    settings: dict[str, Json] = {"tool_choice": "required", "max_tokens": 200}
    prompt = Prompt("You pay invoices.", (pay,), (UserText("Pay invoice A-1."),), settings)
    replies = asyncio.run(asked(LocalModel(), prompt, 3))
    calls = [call for reply in replies for call in reply.calls]
    assert [call.tool for call in calls] == ["pay"] * 3
    assert len({call.id for call in calls}) == 3
    assert all(call.arguments and call.arguments["invoice"] in {"A-1", "A-2"} for call in calls)


SERVING = """
import asyncio, os, sys
from perdure.adapters.models.local import LocalModel
from perdure.wire.prompt import Prompt, UserText

async def main():
    model = LocalModel(settings={"max_tokens": 1})
    await model.ask(Prompt("", (), (UserText("hi"),)), key="k", on_text=None, timeout=60)
    print(model._server.pid, flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""


@pytest.mark.local_model
def test_its_server_ends_with_us_also_when_we_are_killed():
    with subprocess.Popen(
        [sys.executable, "-c", SERVING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        server = int(owner.stdout.readline())
        assert Path(f"/proc/{server}").exists()
        held = os.pidfd_open(server)
        os.kill(owner.pid, signal.SIGKILL)
        ended, _, _ = select.select([held], [], [], 30)
        os.close(held)
    assert ended, "the server outlived its owner by 30 seconds"
