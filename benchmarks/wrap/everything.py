"""``python -m benchmarks.wrap.everything``: a server with every feature of MCP that the conformance suite asks for.

It is written on the official SDK, and knows nothing of perdure. Where its suite wants a tool or a resource, it wants
it by name; the names here are those. ``--http PORT`` serves sessions on loopback, else the standard streams.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import uvicorn
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata

Context = ServerRequestContext[Any, Any]
Schema = dict[str, Any]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
STEP_SECONDS = 0.05
RETRY_MS = 200

ADDRESSED: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}
ANSWERED: Schema = {
    "type": "object",
    "properties": {"response": {"type": "string", "description": "What the person says"}},
    "required": ["response"],
}
DEFAULTS: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
    "required": [],
}
TITLED = [{"const": f"value{number}", "title": f"The {number}."} for number in (1, 2, 3)]
PLAIN = ["option1", "option2", "option3"]
CHOICES: Schema = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": PLAIN},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
        "untitledMulti": {"type": "array", "maxItems": 3, "items": {"type": "string", "enum": PLAIN}},
        "titledMulti": {"type": "array", "maxItems": 3, "items": {"anyOf": TITLED}},
    },
    "required": [],
}  # fmt: skip


# -- tools -------------------------------------------------------------------------------------------


def text(words: str) -> types.TextContent:
    return types.TextContent(type="text", text=words)


def image() -> types.ImageContent:
    return types.ImageContent(type="image", data=PIXEL, mime_type="image/png")


def embedded(uri: str, words: str, kind: str = "text/plain") -> types.EmbeddedResource:
    inside = types.TextResourceContents(uri=uri, mime_type=kind, text=words)
    return types.EmbeddedResource(type="resource", resource=inside)


async def logging(context: Context, arguments: Schema) -> list[types.ContentBlock]:
    del arguments
    for words in ("begun", "under way", "done"):
        params = types.LoggingMessageNotificationParams(level="info", data=words)
        await context.session.send_notification(
            types.LoggingMessageNotification(params=params), context.request_id
        )
        await anyio.sleep(STEP_SECONDS)
    return [text("told in three messages")]


async def progressing(context: Context, arguments: Schema) -> list[types.ContentBlock]:
    del arguments
    token = (context.meta or {}).get("progress_token", 0)
    for done in (0, 50, 100):
        params = types.ProgressNotificationParams(progress_token=token, progress=done, total=100)
        await context.session.send_notification(types.ProgressNotification(params=params), context.request_id)
        await anyio.sleep(STEP_SECONDS)
    return [text(str(token))]


async def sampling(context: Context, arguments: Schema) -> list[types.ContentBlock]:
    asked = types.SamplingMessage(role="user", content=text(str(arguments["prompt"])))
    request = types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[asked], max_tokens=100)
    )
    on_its_stream = ServerMessageMetadata(related_request_id=context.request_id)
    said = await context.session.send_request(request, types.CreateMessageResult, metadata=on_its_stream)
    return [text(f"LLM response: {getattr(said.content, 'text', '')}")]


def eliciting(
    schema: Schema, question: str = ""
) -> Callable[[Context, Schema], Awaitable[list[types.ContentBlock]]]:
    async def elicited(context: Context, arguments: Schema) -> list[types.ContentBlock]:
        message = question or str(arguments["message"])
        said = await context.session.elicit_form(message, schema, context.request_id)
        return [text(f"User response: action={said.action}, content={json.dumps(said.content or {})}")]

    return elicited


async def reconnecting(context: Context, arguments: Schema) -> list[types.ContentBlock]:
    del arguments
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    await anyio.sleep(STEP_SECONDS * 2)
    return [text("heard by who came back")]


async def failing(context: Context, arguments: Schema) -> list[types.ContentBlock]:
    del context, arguments
    raise ValueError("this tool fails, as it should")


def saying(*content: types.ContentBlock) -> Callable[[Context, Schema], Awaitable[list[types.ContentBlock]]]:
    async def said(context: Context, arguments: Schema) -> list[types.ContentBlock]:
        del context, arguments
        return list(content)

    return said


def taking(name: str) -> Schema:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


NOTHING: Schema = {"type": "object", "properties": {}}
AUDIO = types.AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")
MIXED = embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
TOOLS: dict[str, tuple[Schema, Callable[[Context, Schema], Awaitable[list[types.ContentBlock]]]]] = {
    "test_simple_text": (NOTHING, saying(text("plain text"))),
    "test_image_content": (NOTHING, saying(image())),
    "test_audio_content": (NOTHING, saying(AUDIO)),
    "test_embedded_resource": (NOTHING, saying(embedded("test://embedded-resource", "inside"))),
    "test_multiple_content_types": (NOTHING, saying(text("three kinds"), image(), MIXED)),
    "test_tool_with_logging": (NOTHING, logging),
    "test_tool_with_progress": (NOTHING, progressing),
    "test_error_handling": (NOTHING, failing),
    "test_reconnection": (NOTHING, reconnecting),
    "test_sampling": (taking("prompt"), sampling),
    "test_elicitation": (taking("message"), eliciting(ANSWERED)),
    "test_elicitation_sep1034_defaults": (NOTHING, eliciting(DEFAULTS, "Is this right?")),
    "test_elicitation_sep1330_enums": (NOTHING, eliciting(CHOICES, "Which?")),
    "json_schema_2020_12_tool": (ADDRESSED, saying(text("addressed"))),
}


async def listed(context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    del context, params
    told = [
        types.Tool(name=name, description=f"The suite's {name}.", input_schema=schema)
        for name, (schema, _) in TOOLS.items()
    ]
    return types.ListToolsResult(tools=told)


async def called(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    if params.name not in TOOLS:
        raise MCPError(types.INVALID_PARAMS, f"there is no tool {params.name}")
    try:
        content = await TOOLS[params.name][1](context, dict(params.arguments or {}))
    except (ValueError, KeyError) as wrong:
        return types.CallToolResult(content=[text(str(wrong))], is_error=True)
    return types.CallToolResult(content=content)


# -- resources ---------------------------------------------------------------------------------------

WORDS = {"test://static-text": "static text", "test://watched-resource": "watched"}
TEMPLATE = ("test://template/", "/data")


async def resources(
    context: Context, params: types.PaginatedRequestParams | None
) -> types.ListResourcesResult:
    del context, params
    kinds = dict.fromkeys(WORDS, "text/plain") | {"test://static-binary": "image/png"}
    told = [
        types.Resource(
            uri=uri, name=uri.removeprefix("test://"), description="For the suite.", mime_type=kind
        )
        for uri, kind in kinds.items()
    ]
    return types.ListResourcesResult(resources=told)


async def templates(
    context: Context, params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    del context, params
    one = types.ResourceTemplate(
        uri_template="{id}".join(TEMPLATE), name="template", mime_type="application/json"
    )
    return types.ListResourceTemplatesResult(resource_templates=[one])


async def resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    del context
    uri = str(params.uri)
    before, after = TEMPLATE
    if uri in WORDS:
        found = types.TextResourceContents(uri=uri, mime_type="text/plain", text=WORDS[uri])
    elif uri == "test://static-binary":
        found = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PIXEL)
    elif uri.startswith(before) and uri.endswith(after):
        shape = {"id": uri.removeprefix(before).removesuffix(after), "templateTest": True}
        found = types.TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(shape))
    else:
        raise MCPError(-32002, "there is no such resource", {"uri": uri})
    return types.ReadResourceResult(contents=[found])


async def subscribed(
    context: Context, params: types.SubscribeRequestParams | types.UnsubscribeRequestParams
) -> types.EmptyResult:
    del context, params
    return types.EmptyResult()


# -- prompts, completion, levels ---------------------------------------------------------------------

PROMPTS = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
}


async def prompts(context: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    del context, params
    told = [
        types.Prompt(
            name=name,
            description=f"The suite's {name}.",
            arguments=[
                types.PromptArgument(name=each, description="a text", required=True) for each in names
            ],
        )
        for name, names in PROMPTS.items()
    ]
    return types.ListPromptsResult(prompts=told)


async def prompt(context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
    del context
    given = params.arguments or {}
    told: dict[str, list[types.ContentBlock]] = {
        "test_simple_prompt": [text("simple")],
        "test_prompt_with_arguments": [text(f"arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")],
        "test_prompt_with_embedded_resource": [
            embedded(given.get("resourceUri", "test://none"), "embedded"),
            text("Go through it."),
        ],
        "test_prompt_with_image": [image(), text("Look at it.")],
    }
    if params.name not in told:
        raise MCPError(types.INVALID_PARAMS, f"there is no prompt {params.name}")
    return types.GetPromptResult(
        messages=[types.PromptMessage(role="user", content=each) for each in told[params.name]]
    )


async def completed(context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    del context, params
    return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))


async def levelled(context: Context, params: types.SetLevelRequestParams) -> types.EmptyResult:
    del context, params
    return types.EmptyResult()


# -- the server --------------------------------------------------------------------------------------


class Events(EventStore):
    """What went out on each stream, for who comes back with the last that he heard."""

    def __init__(self) -> None:
        self._sent: list[tuple[StreamId, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: StreamId, message: types.JSONRPCMessage | None) -> EventId:
        self._sent.append((stream_id, message))
        return str(len(self._sent))

    async def replay_events_after(
        self, last_event_id: EventId, send_callback: EventCallback
    ) -> StreamId | None:
        last = int(last_event_id)
        stream = self._sent[last - 1][0]
        for number, (own, message) in enumerate(self._sent[last:], start=last + 1):
            if own == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def everything() -> Server:
    """Return the server."""
    server = Server(
        "everything",
        version="1",
        on_list_tools=listed,
        on_call_tool=called,
        on_list_resources=resources,
        on_list_resource_templates=templates,
        on_read_resource=resource,
        on_subscribe_resource=subscribed,
        on_unsubscribe_resource=subscribed,
        on_list_prompts=prompts,
        on_get_prompt=prompt,
        on_completion=completed,
    )
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, levelled)
    return server


async def on_streams() -> None:
    """Serve one client on the standard streams."""
    server = everything()
    changing = NotificationOptions(tools_changed=True, resources_changed=True, prompts_changed=True)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options(changing))


def on_http(port: int) -> None:
    """Serve sessions on loopback; the first line of output says where."""
    app = everything().streamable_http_app(event_store=Events(), retry_interval=RETRY_MS)
    listener = socket.create_server(("127.0.0.1", port))
    print(f"listening at http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listener])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", type=int, metavar="PORT", help="serve at this port; 0: any that is free")
    port = parser.parse_args().http
    if port is None:
        anyio.run(on_streams)
    else:
        on_http(port)
    sys.stdout.flush()
    os._exit(0)  # streams that clients left open hold up nobody


if __name__ == "__main__":
    main()
