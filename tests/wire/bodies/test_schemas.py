"""A call of a tool whose schema was paged out is held against that schema, as the client spelled it."""

import json

import pytest

from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.schemas import misses, schema_of
from tests.wire.bodies.clients import CODEX
from tests.wire.bodies.sending import APIS, body_of, read, tools_of


@pytest.mark.parametrize("api", APIS)
def test_what_misses_the_schema_is_told_in_a_few_sentences(api: Api):
    request = read(api, body_of(api, [], tools=tools_of(api, "read")))
    schema = schema_of(request, request.tools[0])
    assert json.loads(schema)["required"] == ["path"]
    assert misses(schema, {"path": "a.py"}) == misses(schema, '{"path":"a.py"}') == []
    assert "path" in misses(schema, "{}")[0]
    assert misses(schema, {"path": 3})[0].startswith("path: ")
    assert "can't be read" in misses(schema, '{"path":')[0]
    assert "can't be read" in misses(schema, "[]")[0]


@pytest.mark.parametrize(
    "schema", [b"", b"null", b"3", b'{"type":"no such type"}', b'{"$ref":"https://a.example/s"}', b"{"]
)
def test_a_schema_that_can_not_be_checked_lets_the_client_judge(schema: bytes):
    assert misses(schema, {"any": "thing"}) == []


def test_a_tool_without_a_schema_has_none():
    request = read("responses", CODEX)
    assert [schema_of(request, tool) for tool in request.tools[1:]] == [b"", b'{"type": "object"}', b""]
