"""Whole runs of real clients are read: each request extends the one before, and every result has its call."""

import json
from pathlib import Path

import pytest

from perdure.wire.bodies.changing import result_replaced, tool_added
from perdure.wire.bodies.reading import Memo, endpoint_of, read_request
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.splicing import splice
from tests.clients.recordings import all_recordings, loaded
from tests.wire.bodies.test_changing import RECALL

RECORDED = list(all_recordings())


def read_run(path: Path) -> list[RequestBody]:
    """Return the requests of a recorded run, in order; the client's own, all in one memory."""
    memo = Memo()
    run: list[RequestBody] = []
    for passed in loaded(path).passed:
        endpoint = endpoint_of(passed.path)
        if endpoint is not None and passed.body:
            request = read_request(endpoint, passed.body, memo)
            assert request is not None
            run.append(request)
    return run


def test_clients_of_all_three_apis_are_recorded():
    assert {request.api for path in RECORDED for request in read_run(path)[:1]} == {
        "messages",
        "chat",
        "responses",
    }


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name.partition(".")[0])
def test_a_recorded_run_extends_itself_from_request_to_request(path: Path):
    before: dict[tuple[str, str, str], tuple[str, ...]] = {}
    grown = 0
    for request in read_run(path):
        if request.purpose != "main":
            continue
        known = before.get((request.session, request.system, request.tools_digest), ())
        assert request.digests[: len(known)] == known
        before[request.session, request.system, request.tools_digest] = request.digests
        grown += len(request.digests) > len(known) > 0
    assert grown >= 3
    assert len(before) <= 2


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name.partition(".")[0])
def test_every_result_of_a_recorded_run_can_be_replaced_where_it_stands(path: Path):
    last = max(read_run(path), key=lambda request: len(request.results))
    assert last.results
    for result in last.results:
        assert result.made is not None
        assert result.made.about
        assert last.text(result) or result.size == 0
    edits = [result_replaced(last, result, "gone") for result in last.results if not result.fixed]
    offered = tool_added(last, RECALL)
    assert offered is not None
    made = splice(last.body, [*edits, offered])
    again = read_request(last.endpoint, made, Memo())
    assert again is not None
    assert {again.text(result) for result in again.results if not result.fixed} == {"gone"}
    assert [result.made for result in again.results] == [result.made for result in last.results]
    assert [tool.name for tool in again.tools] == [*(tool.name for tool in last.tools), RECALL.name]
    unchanged = {"messages", "input", "tools"}
    bodies = [json.loads(body) for body in (last.body, made)]
    kept = [{name: value for name, value in body.items() if name not in unchanged} for body in bodies]
    assert kept[0] == kept[1]
