"""A small agent of somebody else's, a program of its own: one conversation, a shell, tools of MCP servers, a transcript.

    purser [--resume SESSION | --continue] WORDS

It speaks Anthropic's Messages API to ``ANTHROPIC_BASE_URL`` and MCP to the servers of ``$PURSER_HOME/servers.json``, or of
the file that ``PURSER_SERVERS`` names. Sessions are lines of JSON in ``$PURSER_HOME/sessions``. Calls of one reply go out
together; one whose answer was never stored is forgotten when a session is resumed.
"""

import http.client
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import msgspec

VERSION: Final = "1.4.0"
MODEL: Final = "claude-sonnet-4-5"
TRIES: Final = 60
PAUSE_SECONDS: Final = 0.25
REPLY_SECONDS: Final = 120
SYSTEM: Final = "You keep the books in the current directory. You have a shell, and servers that pay."
BASH: Final[dict[str, object]] = {
    "name": "bash",
    "description": "Run a command where the books are.",
    "input_schema": {
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
    },
}


class TextBlock(msgspec.Struct, tag="text"):
    """Words."""

    text: str


class UseBlock(msgspec.Struct, tag="tool_use"):
    """The model calls a tool."""

    id: str
    name: str
    input: dict[str, object]


class ResultBlock(msgspec.Struct, tag="tool_result", omit_defaults=True):
    """What a call came to."""

    tool_use_id: str
    content: str
    is_error: bool = False


class Spoken(msgspec.Struct):
    """One message, as it is stored and sent."""

    role: str
    content: list[TextBlock | UseBlock | ResultBlock]

    @property
    def uses(self) -> list[UseBlock]:
        """The calls in it."""
        return [each for each in self.content if isinstance(each, UseBlock)]


class Stored(msgspec.Struct, rename="camel"):
    """A line of a session."""

    type: str
    uuid: str
    parent_uuid: str | None
    session_id: str
    timestamp: str
    message: Spoken


class Growth(msgspec.Struct):
    """What a piece of a reply adds."""

    text: str = ""
    partial_json: str = ""


class Piece(msgspec.Struct):
    """A piece of a reply."""

    type: str
    content_block: TextBlock | UseBlock | None = None
    delta: Growth = msgspec.field(default_factory=Growth)


class Launch(msgspec.Struct):
    """How a server is started."""

    command: str
    args: list[str] = []


class Launches(msgspec.Struct, rename="camel"):
    """The file that names servers."""

    mcp_servers: dict[str, Launch]


class Part(msgspec.Struct):
    """A part of what a server says."""

    type: str
    text: str = ""


class Offered(msgspec.Struct, rename="camel"):
    """A tool of a server."""

    name: str
    input_schema: dict[str, object]
    description: str = ""


class Outcome(msgspec.Struct, rename="camel"):
    """What a request to a server came to, whichever it was."""

    tools: list[Offered] = []
    content: list[Part] = []
    is_error: bool = False


class Fault(msgspec.Struct):
    """That a request failed."""

    message: str


class Heard(msgspec.Struct):
    """A line from a server."""

    id: int | str | None = None
    method: str | None = None
    result: Outcome | None = None
    error: Fault | None = None


class Broken(Exception):
    """There was no whole reply: the same request is sent again."""


class Helpdesk:
    """One MCP server, spoken to on its standard streams."""

    def __init__(self, launch: Launch) -> None:
        """Start it, and learn its tools."""
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [launch.command, *launch.args], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._asked: int = 0
        self._early: dict[int, Heard] = {}

    def greet(self) -> int:
        """Say who is there; return the name of that request."""
        who = {"name": "purser", "version": VERSION}
        return self.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=who)

    def learn(self, greeting: int) -> list[Offered]:
        """Return its tools, once it has answered the greeting."""
        _ = self.hear(greeting)
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return (self.hear(self.ask("tools/list")).result or Outcome()).tools

    def ask(self, method: str, **params: object) -> int:
        """Send a request; return its name."""
        self._asked += 1
        self._write({"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params})
        return self._asked

    def hear(self, asked: int) -> Heard:
        """Return the answer to a request."""
        while asked not in self._early:
            line = _pipe(self._process.stdout).readline()
            if not line:
                return Heard(error=Fault("the server has gone"))
            heard = msgspec.json.decode(line, type=Heard)
            if heard.method is None and isinstance(heard.id, int):
                self._early[heard.id] = heard
        return self._early.pop(asked)

    def leave(self) -> None:
        """It has ended, as it does when nobody speaks to it any more."""
        _pipe(self._process.stdin).close()
        self._process.wait()

    def _write(self, message: Mapping[str, object]) -> None:
        stream = _pipe(self._process.stdin)
        stream.write(msgspec.json.encode(message) + b"\n")
        stream.flush()


class Session:
    """A conversation in a file, which holds a message before anything follows from it."""

    def __init__(self, path: Path) -> None:
        """Go on with the one at ``path``, or begin it."""
        self._path: Path = path
        lines = path.read_bytes().splitlines() if path.exists() else []
        stored = _branch([msgspec.json.decode(line, type=Stored) for line in lines])
        if stored and stored[-1].message.uses:
            del stored[-1]
        self._last: str | None = stored[-1].uuid if stored else None
        self.messages: list[Spoken] = [each.message for each in stored]

    def add(self, role: str, content: Sequence[TextBlock | UseBlock | ResultBlock]) -> Spoken:
        """A message more is in the file, and returned."""
        message = Spoken(role, list(content))
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = Stored(role, str(uuid.uuid4()), self._last, self._path.stem, now, message)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
        self._last = line.uuid
        self.messages.append(message)
        return message


class Purser:
    """The agent at work."""

    def __init__(self, session: Session, servers: Mapping[str, Helpdesk]) -> None:
        """Go on with ``session``, with the tools of ``servers``."""
        self._session: Session = session
        self._desks: dict[str, tuple[Helpdesk, str]] = {}
        self._tools: list[dict[str, object]] = [BASH]
        greetings = {name: desk.greet() for name, desk in servers.items()}
        for name, desk in servers.items():
            for tool in desk.learn(greetings[name]):
                whole = f"mcp__{name}__{tool.name}"
                self._desks[whole] = (desk, tool.name)
                self._tools.append(
                    {"name": whole, "description": tool.description, "input_schema": tool.input_schema}
                )

    def work(self) -> None:
        """Ask, and do what the model calls for, until it calls for nothing."""
        while True:
            said = self._session.add("assistant", self._asked())
            for each in said.content:
                if isinstance(each, TextBlock):
                    print(each.text, flush=True)
            if not said.uses:
                return
            self._session.add("user", self._done(said.uses))

    def _asked(self) -> list[TextBlock | UseBlock]:
        """Return the model's reply; a line that breaks off is tried again, as all SDKs do."""
        body = msgspec.json.encode(
            {
                "model": MODEL,
                "max_tokens": 4000,
                "stream": True,
                "system": SYSTEM,
                "tools": self._tools,
                "messages": self._session.messages,
            }
        )
        for _ in range(TRIES):
            try:
                return list(_reply(body))
            except Broken:
                time.sleep(PAUSE_SECONDS)
        sys.exit("purser: the model can't be reached")

    def _done(self, uses: Sequence[UseBlock]) -> list[ResultBlock]:
        asked = {
            use.id: desk[0].ask("tools/call", name=desk[1], arguments=use.input)
            for use in uses
            if (desk := self._desks.get(use.name)) is not None
        }
        return [self._told(use, asked.get(use.id)) for use in uses]

    def _told(self, use: UseBlock, asked: int | None) -> ResultBlock:
        if asked is None:
            return ResultBlock(use.id, _ran(str(use.input.get("command", ""))))
        heard = self._desks[use.name][0].hear(asked)
        if heard.error is not None or heard.result is None:
            return ResultBlock(use.id, heard.error.message if heard.error else "no result", is_error=True)
        text = "\n".join(part.text for part in heard.result.content)
        return ResultBlock(use.id, text or "(no output)", is_error=heard.result.is_error)


def _branch(stored: Sequence[Stored]) -> list[Stored]:
    """Return the lines that lead to the last one; what was forgotten stays in the file beside them."""
    known = {each.uuid: each for each in stored}
    chain: list[Stored] = []
    at = stored[-1].uuid if stored else None
    while at is not None:
        chain.insert(0, known[at])
        at = known[at].parent_uuid
    return chain


def _reply(body: bytes) -> Iterator[TextBlock | UseBlock]:
    """Yield the blocks of a reply. Raises ``Broken``; ends the program where the provider says no."""
    base = urlsplit(os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com"))
    kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
    line = kind(base.netloc, timeout=REPLY_SECONDS)
    headers = {
        "content-type": "application/json",
        "user-agent": f"purser/{VERSION}",
        "x-api-key": os.environ.get("ANTHROPIC_API_KEY", ""),
        "anthropic-version": "2023-06-01",
    }
    try:
        line.request("POST", f"{base.path}/v1/messages", body, headers)
        with line.getresponse() as answer:
            if answer.status != http.client.OK:
                sys.exit(f"purser: {answer.status} {answer.read().decode()}")
            blocks = _heard(answer)
    except (OSError, http.client.HTTPException) as error:
        raise Broken(str(error)) from error
    finally:
        line.close()
    yield from blocks


def _heard(answer: http.client.HTTPResponse) -> list[TextBlock | UseBlock]:
    blocks: list[TextBlock | UseBlock] = []
    spelled = ""
    for line in answer:
        if not line.startswith(b"data: "):
            continue
        piece = msgspec.json.decode(line[6:], type=Piece)
        if piece.content_block is not None:
            blocks.append(piece.content_block)
            spelled = ""
        spelled += piece.delta.partial_json
        match blocks[-1:], piece.type:
            case [TextBlock() as block], _:
                block.text += piece.delta.text
            case [UseBlock() as block], "content_block_stop":
                block.input = msgspec.json.decode(spelled or "{}", type=dict[str, object])
            case _:
                pass
        if piece.type == "message_stop":
            return blocks
    raise Broken("the reply broke off")


def _ran(command: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr or "(no output)"


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise Broken("there is no pipe")
    return stream


def _session_file(arguments: Sequence[str], sessions: Path) -> tuple[Path, Sequence[str]]:
    """Return the file of the session, and what is left of the arguments."""
    match arguments:
        case ["--resume", name, *rest]:
            return sessions / f"{name}.jsonl", rest
        case ["--continue", *rest]:
            return max(sessions.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns), rest
        case rest:
            return sessions / f"{uuid.uuid4()}.jsonl", rest


def main() -> None:
    """Work until the model is done."""
    if sys.argv[1:] == ["--version"]:
        print(f"purser {VERSION}")
        return
    home = Path(os.environ.get("PURSER_HOME") or Path.home() / ".purser")
    (home / "sessions").mkdir(parents=True, exist_ok=True)
    path, words = _session_file(sys.argv[1:], home / "sessions")
    known = Path(os.environ.get("PURSER_SERVERS") or home / "servers.json")
    launches = msgspec.json.decode(known.read_bytes(), type=Launches).mcp_servers
    servers = {name: Helpdesk(launch) for name, launch in launches.items()}
    session = Session(path)
    if words:
        session.add("user", [TextBlock(" ".join(words))])
    Purser(session, servers).work()
    for server in servers.values():
        server.leave()


if __name__ == "__main__":
    main()
