"""A long body whose end is new costs little more than looking at its bytes once."""

import json
import time
import tracemalloc

import pytest

from perdure.values.digest import Json
from perdure.values.limits import WIRE_BODY_BYTES_MAX
from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.reading import Memo, read_request
from tests.wire.bodies.sending import APIS, Did, Spoke, body_of, tools_of


def long_body(api: Api, turns: int) -> bytes:
    """Return a body of some 3 KB for each turn."""
    listed = [
        Spoke(
            "",
            f"I look at {number}.",
            (Did(f"c_{number}", "Read", {"path": f"src/{number}.py"}, "line\n" * 500),),
            "hm",
        )
        for number in range(turns)
    ]
    tools: Json = tools_of(api, *(f"tool_{number}" for number in range(16)))
    return json.dumps(body_of(api, listed, tools=tools)).encode()


@pytest.mark.bench
@pytest.mark.parametrize("api", APIS)
def test_a_body_of_400_kb_with_two_new_messages_is_read_in_three_milliseconds(api: Api):
    before, after = long_body(api, 126), long_body(api, 127)
    took: list[float] = []
    for _ in range(20):
        memo = Memo()
        assert read_request(api, before, memo)
        begun = time.thread_time()
        request = read_request(api, after, memo)
        took.append(time.thread_time() - begun)
        assert request is not None
        assert len(request.results) == 127
    best, median = min(took), sorted(took)[len(took) // 2]
    print(f"{api}: {len(after) // 1024} KB, {best * 1e6:.0f} µs at best, {median * 1e6:.0f} µs in the middle")
    assert best < 0.003


@pytest.mark.bench
def test_the_largest_body_that_is_read_takes_a_few_times_its_size():
    message = {"role": "user", "content": "a" * (WIRE_BODY_BYTES_MAX - 1000)}
    body = json.dumps({"messages": [message]}).encode()
    tracemalloc.start()
    begun = time.perf_counter()
    request = read_request("messages", body, Memo())
    took = time.perf_counter() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert request is not None
    print(f"{len(body) >> 20} MB: {took * 1e3:.0f} ms, {peak / len(body):.1f} times its size")
    assert peak < 8 * len(body)
    larger = body + b" " * 1000
    begun = time.thread_time()
    assert read_request("messages", larger, Memo()) is None
    assert time.thread_time() - begun < 0.001
