"""The provider without its network: a request in, an answer out, and all of it kept.

Invariants:
- What breaks a rule is refused before anything is said, billed or cached.
- Every request is kept, with its exact bytes, also those that were refused.
"""

import hashlib
import threading
from collections.abc import Mapping
from typing import Final

import msgspec

from perdure.testing.upstream.caching import MarkedCache, Metered, PrefixCache
from perdure.testing.upstream.chat import read_chat
from perdure.testing.upstream.gemini import PATH as GEMINI
from perdure.testing.upstream.gemini import read_gemini, spoken_gemini
from perdure.testing.upstream.messages import read_messages
from perdure.testing.upstream.narrator import Narrator, Verse
from perdure.testing.upstream.question import Api, Question, Spoken
from perdure.testing.upstream.rejection import Rejection, shaped
from perdure.testing.upstream.responses import read_responses, whole_input
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.speech import Rendering, Shape, encoded, spoken_chat, spoken_messages
from perdure.testing.upstream.speech_responses import spoken_responses
from perdure.testing.upstream.troubles import STATUS, WORDS, Trouble
from perdure.values.digest import Json

BODY_MAX: Final = 32 << 20
PATHS: Final[dict[str, Api]] = {
    "/messages": "messages",
    "/messages/count_tokens": "messages",
    "/chat/completions": "chat",
    "/responses": "responses",
    "/responses/compact": "responses",
}


class Recorded(msgspec.Struct, frozen=True):
    """A request as it came, and what became of it."""

    number: int
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int
    at: float = 0.0
    """when it came, seconds"""
    api: Spoken | None = None
    purpose: str = ""
    """'main', 'side', 'compaction', 'count', 'compact', or empty where it was refused"""
    step: int = 0
    way: str = ""
    error: str = ""
    trouble: str = ""
    metered: Metered | None = None
    answer: bytes = b""
    """the bytes that would have been sent, had nothing gone wrong"""


class Delivery(msgspec.Struct, frozen=True):
    """What goes back: whole, or in events."""

    status: int
    headers: dict[str, str]
    whole: bytes
    events: tuple[bytes, ...] = ()
    trouble: Trouble | None = None


class Provider:
    """One strict provider, all APIs of it. Safe to ask from several threads."""

    def __init__(
        self,
        narrator: Narrator,
        signet: Signet,
        troubles: Mapping[int, Trouble] | None = None,
        *,
        caching: bool = True,
    ) -> None:
        self._narrator = narrator
        self._signet = signet
        self._troubles = dict(troubles or {})
        self._caching = caching
        self._marked = MarkedCache()
        self._prefix = PrefixCache()
        self._past: dict[str, list[Shape]] = {}
        self._mains = 0
        self._lock = threading.Lock()
        self.recorded: list[Recorded] = []

    def plan(self, troubles: Mapping[int, Trouble]) -> None:
        """Let these go wrong, counted from the next answer of the main loop."""
        with self._lock:
            self._troubles = {self._mains + number: trouble for number, trouble in troubles.items()}

    def ask(self, path: str, headers: tuple[tuple[str, str], ...], body: bytes, at: float) -> Delivery:
        """Answer one request."""
        with self._lock:
            number = len(self.recorded) + 1
            record = Recorded(number=number, path=path, headers=headers, body=body, status=0, at=at)
            try:
                given, record = self._answered(_api_at(path), record, at)
            except Rejection as refusal:
                shape = shaped(_shape_at(path), refusal, f"req_{number:06d}")
                given = Delivery(refusal.status, {"request-id": f"req_{number:06d}"}, encoded(shape))
                record = msgspec.structs.replace(record, api=_shape_at(path), error=refusal.message)
            whole = b"".join(given.events) or given.whole
            self.recorded.append(msgspec.structs.replace(record, status=given.status, answer=whole))
            return given

    def look(self, path: str, body: bytes) -> str:
        """Return what a request would be answered as, and keep nothing of it. Raises ``Rejection``."""
        with self._lock:
            question = self._read(_api_at(path), path, _parsed(body))
            return self._narrator.answer(question).purpose

    def _answered(self, api: Spoken, record: Recorded, at: float) -> tuple[Delivery, Recorded]:
        owner = _owner(api, dict(record.headers))
        body = _parsed(record.body)
        question = self._read(api, record.path, body)
        record = msgspec.structs.replace(record, api=api)
        if record.path.endswith(("/count_tokens", ":countTokens")):
            tokens = sum(unit.tokens for unit in question.units)
            field = "totalTokens" if api == "gemini" else "input_tokens"
            given = Delivery(200, {}, encoded({field: tokens}))
            return given, msgspec.structs.replace(record, purpose="count")
        if record.path == "/responses/compact":
            return self._compacted(question, body), msgspec.structs.replace(record, purpose="compact")
        verse = self._narrator.answer(question)
        record = msgspec.structs.replace(record, purpose=verse.purpose, step=verse.step, way=verse.way)
        trouble = self._trouble(verse)
        if trouble is not None:
            record = msgspec.structs.replace(record, trouble=trouble.kind)
            if trouble.kind in STATUS:
                return _failed(api, trouble, record.number), record
        metered = self._metered(api, f"{owner} {question.model}", question, at)
        spoken = self._spoken(question, verse, metered, int(at))
        if question.stored:
            self._past[str(spoken.whole["id"])] = [*whole_input(body, self._past), *spoken.items]
        record = msgspec.structs.replace(record, metered=metered)
        events = _streamed(spoken, body) if question.stream else ()
        headers = {"request-id": f"req_{record.number:06d}"}
        return Delivery(200, headers, encoded(spoken.whole), events, trouble), record

    def _read(self, api: Spoken, path: str, body: dict[str, Json]) -> Question:
        match api:
            case "messages":
                return read_messages(body, self._signet, counting=path.endswith("count_tokens"))
            case "chat":
                return read_chat(body)
            case "responses":
                return read_responses(body, self._signet, self._past)
            case "gemini":
                return read_gemini(body, path)

    def _trouble(self, verse: Verse) -> Trouble | None:
        if verse.purpose != "main":
            return None
        self._mains += 1
        return self._troubles.pop(self._mains, None)

    def _metered(self, api: Spoken, owner: str, question: Question, at: float) -> Metered:
        if not self._caching:
            return Metered(fresh=sum(unit.tokens for unit in question.units))
        cache = self._marked if api == "messages" else self._prefix
        return cache.ask(owner, question.units, at)

    def _spoken(self, question: Question, verse: Verse, metered: Metered, at: int) -> Rendering:
        said = verse.utterance
        match question.api:
            case "messages":
                return spoken_messages(question, said, metered, self._signet)
            case "chat":
                return spoken_chat(question, said, metered, self._signet, at)
            case "responses":
                return spoken_responses(question, said, metered, self._signet, at)
            case "gemini":
                return spoken_gemini(question, said, metered, self._signet)

    def _compacted(self, question: Question, body: dict[str, Json]) -> Delivery:
        """What the person said stays; all else is one sealed item."""
        told = [item for item in whole_input(body, self._past) if item.get("role") == "user"]
        sealed: Shape = {
            "id": self._signet.fresh("cmp_"),
            "type": "compaction",
            "encrypted_content": self._signet.seal(f"Step {self._narrator.done(question)} is done."),
        }
        output: list[Json] = [*told, sealed]
        tokens = sum(unit.tokens for unit in question.units)
        usage: Shape = {"input_tokens": tokens, "output_tokens": 40, "total_tokens": tokens + 40}
        shape: Shape = {
            "id": self._signet.fresh("resp_"),
            "object": "response.compaction",
            "created_at": 0,
            "output": output,
            "usage": usage,
        }
        return Delivery(200, {}, encoded(shape))


def _api_at(path: str) -> Spoken:
    api = PATHS.get(path)
    if api is not None:
        return api
    if GEMINI.fullmatch(path):
        return "gemini"
    raise Rejection(f"Unknown request URL: POST {path}", status=404, code="unknown_url")


def _shape_at(path: str) -> Spoken:
    return "gemini" if GEMINI.match(path) else PATHS.get(path, "chat")


def _parsed(body: bytes) -> dict[str, Json]:
    if len(body) > BODY_MAX:
        raise Rejection("Request exceeds the maximum size", status=413)
    try:
        return msgspec.json.decode(body, type=dict[str, Json])
    except msgspec.MsgspecError as error:
        raise Rejection(f"The request body is not valid JSON: {error}") from None


def _owner(api: Spoken, headers: dict[str, str]) -> str:
    """Return whose cache it is. Raises ``Rejection`` where nobody says."""
    lower = {name.lower(): value for name, value in headers.items()}
    key = (
        lower.get("x-api-key")
        or lower.get("x-goog-api-key")
        or lower.get("authorization", "").removeprefix("Bearer ").strip()
    )
    if api == "messages":
        if not key:
            raise Rejection("x-api-key header is required", status=401)
        if "anthropic-version" not in lower:
            raise Rejection("anthropic-version: header is required")
    if not key:
        raise Rejection("You didn't provide an API key.", status=401)
    if key.startswith("wrong"):
        raise Rejection("invalid x-api-key", status=401, code="invalid_api_key")
    return hashlib.sha256(key.encode()).hexdigest()


def _failed(api: Spoken, trouble: Trouble, number: int) -> Delivery:
    status = STATUS[trouble.kind]
    refusal = Rejection(
        WORDS[trouble.kind], status=status, code="rate_limit_exceeded" if status == 429 else None
    )
    headers = {"request-id": f"req_{number:06d}"}
    if status == 429 and trouble.retry_after:
        headers["retry-after"] = trouble.retry_after
    return Delivery(status, headers, encoded(shaped(api, refusal, f"req_{number:06d}")))


def _streamed(spoken: Rendering, body: dict[str, Json]) -> tuple[bytes, ...]:
    """Chat tells the usage in a stream only where that was asked for."""
    options = body.get("stream_options")
    if "messages" not in body or "choices" not in spoken.whole:
        return spoken.events
    if isinstance(options, dict) and options.get("include_usage") is True:
        return spoken.events
    return (*spoken.events[:-2], spoken.events[-1])
