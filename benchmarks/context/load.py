"""What a gateway adds to the time to the first token, beside a plain pass-through proxy in the same run.

``python -m benchmarks.context.load`` prints a table. Upstream, proxies and clients are processes of their own on this
machine, so they take the cores from each other: what is added is what the same clients see less without a proxy.

A stream is one request of 400 KB and its reply of some seconds, as an agent's turn is; a conversation has several, each
of which extends the one before. *Opening*: the first requests of 200 conversations, eight at a time; a proxy that
keeps a log has all of their 400 KB to read and to keep. *Alone*: one conversation, one request at a time. *Together*:
the 200 go on, and 200 streams are open at any time: a request comes every 20 ms, since the replies that the clients got
before ended spread over the time that one takes. *At once*, which is printed only: all 200 ask in the same instant,
as after a breakdown of the network; the last one waits for the other 199.

Where this may, the processes run before others on this machine, which would be measured instead.
"""

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
from aiohttp import web

BODY_BYTES: Final = 400_000
RESULT_BYTES: Final = 4_000
ALONE: Final = 40
STREAMS: Final = 200
OPENING: Final = 8
TURNS: Final = 2
EVENTS: Final = 16
STREAM_SECONDS: Final = 4.0
RAMP_SECONDS: Final = 2.0
"""In which the streams before the measured ones begin."""

SETTLING_SECONDS: Final = 1.0
"""Between the openings and what follows."""

_FIRST: Final = -20

_DELTA: Final = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "text_delta", "text": "some words "},
}


class Side(NamedTuple):
    """What clients saw on one way to the upstream, in milliseconds."""

    alone_p50: float
    alone_p99: float
    opening_p50: float
    """of the first requests of conversations, together"""
    opening_p99: float
    together_p50: float
    together_p99: float
    memory_mb: float
    """of the proxy, at most"""
    once_p50: float = 0.0
    """of 200 requests in one instant"""
    once_p99: float = 0.0


class Load(NamedTuple):
    """All three ways, in one run."""

    direct: Side
    plain: Side
    gateway: Side


def ttft() -> tuple[float, float, float]:
    """Return milliseconds added alone (median), added to the slowest hundredth with 200, and the gateway's MB."""
    found = measured()
    return (
        found.gateway.alone_p50 - found.direct.alone_p50,
        found.gateway.together_p99 - found.direct.together_p99,
        found.gateway.memory_mb,
    )


class Trial(NamedTuple):
    """How much is measured."""

    streams: int = STREAMS
    alone: int = ALONE
    turns: int = TURNS
    """streams of each client that are measured"""
    once: bool = False
    """whether all ask in one instant, too"""


WHOLE: Final = Trial()


def measured(trial: Trial = WHOLE) -> Load:
    """Measure all three ways, one after the other; the gateway for longer, since its slowest are what is asked."""
    short = trial._replace(turns=1)
    with tempfile.TemporaryDirectory() as directory, _process("upstream") as (up, _):
        direct = _side(f"http://127.0.0.1:{up}", None, short)
        with _process("plain", f"http://127.0.0.1:{up}") as (port, process):
            plain = _side(f"http://127.0.0.1:{port}", process, short)
        with _gateway(Path(directory) / "store", f"http://127.0.0.1:{up}") as (port, process):
            ours = _side(f"http://127.0.0.1:{port}", process, trial)
    return Load(direct, plain, ours)


# -- the upstream and the plain proxy ----------------------------------------------------------------


async def _upstream(request: web.BaseRequest) -> web.StreamResponse:
    body = await request.read()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    usage = {"input_tokens": 12, "cache_read_input_tokens": len(body) // 3, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "x", "usage": usage}
    await response.write(_event({"type": "message_start", "message": message}))
    block = {"type": "text", "text": ""}
    await response.write(_event({"type": "content_block_start", "index": 0, "content_block": block}))
    pause = float(request.headers["x-seconds"]) / EVENTS
    for _ in range(EVENTS):
        await asyncio.sleep(pause)
        await response.write(_event(_DELTA))
    await response.write(_event({"type": "content_block_stop", "index": 0}))
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": EVENTS}}
    await response.write(_event(end) + _event({"type": "message_stop"}))
    return response


def _event(body: Mapping[str, object]) -> bytes:
    return f"event: {body['type']}\ndata: {json.dumps(body)}\n\n".encode()


def _plain(target: str):  # noqa: ANN202 - a handler of aiohttp's
    session: list[aiohttp.ClientSession] = []

    async def passed(request: web.BaseRequest) -> web.StreamResponse:
        if not session:
            session.append(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
            )
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        body = await request.read()
        async with session[0].request(
            request.method, target + request.raw_path, headers=headers, data=body
        ) as given:
            kept = {
                name: value for name, value in given.headers.items() if name.lower() != "transfer-encoding"
            }
            response = web.StreamResponse(status=given.status, headers=kept)
            await response.prepare(request)
            async for piece in given.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    return passed


async def _served(handler) -> None:  # noqa: ANN001 - as above
    class Large(web.BaseRequest):
        """Takes bodies of any size."""

        def __init__(self, *given, **named) -> None:  # noqa: ANN002, ANN003 - aiohttp's
            super().__init__(*given, client_max_size=1 << 28, **named)

    def made(message, payload, protocol, writer, task) -> web.BaseRequest:  # noqa: ANN001 - aiohttp's
        return Large(message, payload, protocol, writer, task, asyncio.get_running_loop())

    runner = web.ServerRunner(web.Server(handler, request_factory=made, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.Event().wait()


# -- clients -----------------------------------------------------------------------------------------


class Conversation:
    """What one client sends: a history of 400 KB that grows by a result with each turn."""

    def __init__(self, name: str) -> None:
        self._name = name
        tools = [
            {"name": "Bash", "description": "runs", "input_schema": {"type": "object", "properties": {}}}
        ]
        head = {
            "model": "claude-sonnet-4-5",
            "max_tokens": 100,
            "stream": True,
            "tools": tools,
            "messages": [],
        }
        self._head = json.dumps(head).encode()[:-2]
        self._messages: list[bytes] = [json.dumps({"role": "user", "content": f"the task {name}"}).encode()]
        while sum(map(len, self._messages)) < BODY_BYTES:
            self.extend()

    def extend(self) -> None:
        """One more call, and its result."""
        number = len(self._messages)
        call = {
            "type": "tool_use",
            "id": f"toolu_{number}",
            "name": "Bash",
            "input": {"command": f"cat {number}"},
        }
        line = f"{self._name} {number} a line of a file that an agent read, with some words in it\n"
        text = line * (RESULT_BYTES // len(line))
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": text}
        self._messages.append(json.dumps({"role": "assistant", "content": [call]}).encode())
        self._messages.append(json.dumps({"role": "user", "content": [result]}).encode())

    def body(self) -> bytes:
        """Return the request as it is sent now."""
        return self._head + b",".join(self._messages) + b"]}"


async def _first(
    session: aiohttp.ClientSession, base: str, talk: Conversation, name: str, *, seconds: float = 0.0
) -> float:
    """Return the milliseconds until the first piece of the reply, which takes ``seconds`` and is read to its end."""
    headers = {
        "x-api-key": "k",
        "User-Agent": "anthropic/python 1",
        "x-session-id": name,
        "x-seconds": str(seconds),
    }
    body = talk.body()
    begun = time.perf_counter()
    async with session.post(f"{base}/v1/messages", data=body, headers=headers) as answer:
        whole = await answer.content.readany()
        first = (time.perf_counter() - begun) * 1000
        whole += await answer.content.read()
        if answer.status != 200 or b"message_stop" not in whole:
            raise AssertionError(f"{answer.status} {whole[-200:]!r}")
    return first


class Times(NamedTuple):
    """What the clients of one way saw, in milliseconds."""

    alone: list[float]
    openings: list[float]
    together: list[float]
    once: list[float]


async def _clients(base: str, trial: Trial) -> Times:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        talk = Conversation("alone")
        times = Times([], [], [], [])
        for turn in range(trial.alone + 3):
            took = await _first(session, base, talk, "alone")
            talk.extend()
            if turn >= 3:
                times.alone.append(took)
        door = asyncio.Semaphore(OPENING)
        all_there = asyncio.Barrier(trial.streams)

        async def converse(number: int) -> None:
            name = f"together-{number}"
            share = number / trial.streams
            async with door:
                mine = Conversation(name)
                times.openings.append(await _first(session, base, mine, name))
            await all_there.wait()
            await asyncio.sleep(SETTLING_SECONDS + RAMP_SECONDS * share)
            mine.extend()
            await _first(
                session, base, mine, name, seconds=RAMP_SECONDS + (STREAM_SECONDS - RAMP_SECONDS) * share
            )
            for _ in range(trial.turns):
                mine.extend()
                times.together.append(await _first(session, base, mine, name, seconds=STREAM_SECONDS))
            if trial.once:
                mine.extend()
                await all_there.wait()
                times.once.append(await _first(session, base, mine, name))

        await asyncio.gather(*(converse(number) for number in range(trial.streams)))
        return times


def _side(base: str, process: "subprocess.Popen[bytes] | None", trial: Trial) -> Side:
    words = [sys.executable, "-m", "benchmarks.context.load", "clients", base, json.dumps(trial)]
    client = _started(words)
    most = 0.0
    while client.poll() is None:
        most = max(most, _memory_mb(process))
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(0.1)
    assert client.stdout is not None
    with client.stdout as told:
        one, openings, together, once = json.loads(told.read())
    return Side(
        statistics.median(one), _slowest(one), statistics.median(openings), _slowest(openings),
        statistics.median(together), _slowest(together), most,
        statistics.median(once) if once else 0.0, _slowest(once) if once else 0.0,
    )  # fmt: skip


def _slowest(values: list[float]) -> float:
    """Return what a hundredth takes longer than."""
    return sorted(values)[min(int(len(values) * 0.99), len(values) - 1)]


def _memory_mb(process: "subprocess.Popen[bytes] | None") -> float:
    if process is None:
        return 0.0
    with contextlib.suppress(OSError):
        return (
            int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        )
    return 0.0


@contextlib.contextmanager
def _process(role: str, *words: str) -> "Generator[tuple[int, subprocess.Popen[bytes]]]":
    yield from _begun([sys.executable, "-m", "benchmarks.context.load", role, *words])


@contextlib.contextmanager
def _gateway(store: Path, upstream: str) -> "Generator[tuple[int, subprocess.Popen[bytes]]]":
    words = [sys.executable, "-m", "perdure.cli", "gateway", "--port", "0", "--json", "--store", str(store)]
    yield from _begun([*words, "--upstream", upstream])


def _begun(words: list[str]) -> "Generator[tuple[int, subprocess.Popen[bytes]]]":
    process = _started(words)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["port"], process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _started(words: list[str]) -> "subprocess.Popen[bytes]":
    """Start a process that runs before all others, where that is allowed."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, _FIRST)
        # Where each session has its share of the time, its processes' order counts within that alone.
        Path(f"/proc/{process.pid}/autogroup").write_text(str(_FIRST))
    return process


def main(words: list[str]) -> None:
    """Be one of the processes, or measure and print."""
    match words:
        case ["upstream"]:
            asyncio.run(_served(_upstream))
        case ["plain", target]:
            asyncio.run(_served(_plain(target)))
        case ["clients", base, trial]:
            print(json.dumps(asyncio.run(_clients(base, Trial(*json.loads(trial))))))
        case _:
            found = measured(Trial(once=True))
            heads = ("alone p50", "p99", "opening p50", "p99", "200 p50", "p99", "MB", "at once p50", "p99")
            print(f"{'ms':8}" + "".join(f"{head:>12}" for head in heads))
            for name, side in found._asdict().items():
                print(f"{name:8}" + "".join(f"{value:12.1f}" for value in side))


if __name__ == "__main__":
    main(sys.argv[1:])
