"""Gemini's generateContent: what a request has to be before the provider answers it, and how the answer goes back."""

import re
from typing import Final

from perdure.testing.upstream.caching import Metered
from perdure.testing.upstream.chat import spelled
from perdure.testing.upstream.pieces import pieces
from perdure.testing.upstream.question import Offer, Passage, Question, Utterance
from perdure.testing.upstream.rejection import Rejection
from perdure.testing.upstream.schemas import valid_schema
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.speech import Rendering, Shape, encoded, output_tokens, parts
from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dicts_at, text_raw

PATH: Final = re.compile(
    r"/v1(?:beta|alpha)?/models/([\w.-]+):(generateContent|streamGenerateContent|countTokens)"
)
KNOWN: Final = frozenset(
    [
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "safetySettings",
        "generationConfig",
        "cachedContent",
        "labels",
    ]
)


def read_gemini(body: dict[str, Json], path: str) -> Question:
    """Return what the request asks. Raises ``Rejection`` as the provider would."""
    model, verb = path.rpartition("/")[2].split(":")
    for name in body:
        if name not in KNOWN:
            raise Rejection(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    contents = dicts_at(body, "contents")
    if not contents:
        raise Rejection("* GenerateContentRequest.contents: contents is not specified")
    for place, content in enumerate(contents):
        if text_raw(content, "role") not in {"user", "model"}:
            raise Rejection("Please use a valid role: user, model.")
        if not dicts_at(content, "parts"):
            raise Rejection(
                f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty."
            )
    _ruled_pairs(contents)
    tools = [each for tool in dicts_at(body, "tools") for each in dicts_at(tool, "functionDeclarations")]
    system = dict_at(body, "systemInstruction")
    config = dict_at(body, "generationConfig")
    wanted = dict_at(config, "responseJsonSchema") or dict_at(config, "responseSchema")
    return Question(
        api="gemini",
        model=model,
        stream=verb.startswith("stream"),
        system="\n".join(text_raw(part, "text") for part in dicts_at(system, "parts")),
        offers=tuple(_offer(tool) for tool in tools),
        passages=tuple(_passages(contents)),
        units=pieces([*tools, system, *contents]),
        wanted=wanted or None,
    )


def spoken_gemini(question: Question, said: Utterance, metered: Metered, signet: Signet) -> Rendering:
    """Return an answer: whole, and as the events of a stream."""
    output = output_tokens(said)
    usage: Shape = {
        "promptTokenCount": metered.whole,
        "candidatesTokenCount": output,
        "totalTokenCount": metered.whole + output,
        "cachedContentTokenCount": metered.read,
    }
    head: Shape = {"modelVersion": question.model, "responseId": signet.fresh("")}
    calls: list[Json] = [
        {"functionCall": {"id": call.id, "name": call.offer.name, "args": call.arguments}}
        for call in said.calls
    ]
    texts: list[Json] = [{"text": piece} for piece in parts(said.text)]
    pieces_said = [*texts, *calls] or [{"text": ""}]

    def chunk(part: Json, *, last: bool) -> Shape:
        candidate: Shape = {"content": {"role": "model", "parts": [part]}, "index": 0}
        if last:
            candidate["finishReason"] = "STOP"
        return {**head, "candidates": [candidate], "usageMetadata": usage}

    events = tuple(
        b"data: " + encoded(chunk(part, last=place == len(pieces_said) - 1)) + b"\r\n\r\n"
        for place, part in enumerate(pieces_said)
    )
    whole_parts: list[Json] = [*([{"text": said.text}] if said.text or not calls else []), *calls]
    whole: Shape = {
        **head,
        "candidates": [
            {"content": {"role": "model", "parts": whole_parts}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": usage,
    }
    return Rendering(whole, events)


def _ruled_pairs(contents: list[dict[str, Json]]) -> None:
    """Right behind a turn of calls stand responses under their names; a resumed session has each of them twice."""
    calls: list[str] = []
    for content in contents:
        answers = [text_raw(dict_at(p, "functionResponse"), "name") for p in dicts_at(content, "parts")]
        answers = [each for each in answers if each]
        if set(answers) != set(calls):
            raise Rejection(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        calls = [
            text_raw(dict_at(part, "functionCall"), "name")
            for part in dicts_at(content, "parts")
            if "functionCall" in part
        ]
        if calls and text_raw(content, "role") != "model":
            raise Rejection("Please ensure that function call turn comes immediately after a user turn.")
    if calls:
        raise Rejection(
            "Please ensure that function response turn comes immediately after a function call turn."
        )


def _offer(tool: dict[str, Json]) -> Offer:
    name = text_raw(tool, "name")
    schema = dict_at(tool, "parametersJsonSchema") or _lower(dict_at(tool, "parameters"))
    if not name or (schema and not valid_schema(schema)):
        raise Rejection(f"Invalid function declaration {name!r}.")
    return Offer(name, schema)


def _lower(schema: dict[str, Json]) -> dict[str, Json]:
    """Return a schema of the API's own spelling, whose types stand in capitals, as JSON Schema."""
    made: dict[str, Json] = {}
    for key, value in schema.items():
        match value:
            case str() if key == "type":
                made[key] = value.lower()
            case dict():
                made[key] = _lower(value)
            case list():
                made[key] = [_lower(each) if isinstance(each, dict) else each for each in value]
            case _:
                made[key] = value
    return made


def _passages(contents: list[dict[str, Json]]) -> list[Passage]:
    """A response that names no call is that of the call before it with its name, as in a resumed session."""
    found: list[Passage] = []
    calls: dict[str, str] = {}
    for content in contents:
        for part in dicts_at(content, "parts"):
            call, answer = dict_at(part, "functionCall"), dict_at(part, "functionResponse")
            if call:
                calls[text_raw(call, "name")] = text_raw(call, "id")
                found.append(
                    Passage("call", spelled(call.get("args")), text_raw(call, "id"), text_raw(call, "name"))
                )
            elif answer:
                name = text_raw(answer, "id") or calls.get(text_raw(answer, "name"), "")
                found.append(Passage("result", spelled(answer.get("response")), name))
            elif text_raw(part, "text") and part.get("thought") is not True:
                role = "assistant" if text_raw(content, "role") == "model" else "user"
                found.append(Passage(role, text_raw(part, "text")))
    return found
