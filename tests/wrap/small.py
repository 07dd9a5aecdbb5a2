"""A client of the smallest kind, real all the same: a program of a terminal, which asks a model and calls MCP tools.

What it does is said by its first argument. It knows nothing of perdure: it is pointed by the variable and the file that
its profile names.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

VERSION = "1.2.0"


def say(**words: object) -> None:
    print(json.dumps(words), flush=True)


def size() -> list[int]:
    found = os.get_terminal_size(0)
    return [found.lines, found.columns]


def screen() -> int:
    """An interactive program: it tells what it sees of its terminal, and what comes from there."""
    signal.signal(signal.SIGWINCH, lambda *_: say(size=size()))
    signal.signal(signal.SIGINT, lambda *_: say(heard="SIGINT"))
    signal.signal(signal.SIGCONT, lambda *_: say(heard="SIGCONT", front=front()))
    say(
        tty=[os.isatty(each) for each in (0, 1, 2)],
        name=os.ttyname(0),
        size=size(),
        front=front(),
        pid=os.getpid(),
        parent=os.getppid(),
    )
    while True:
        match read_line():
            case "raw":
                tty.setraw(0)
                os.write(1, b"in raw mode\r\n")
                while (key := os.read(0, 1)) != b"q":
                    os.write(1, b"key %d\r\n" % key[0])
                return 3
            case "die raw":
                tty.setraw(0)
                os.write(1, b"in raw mode\r\n")
                os.kill(os.getpid(), signal.SIGKILL)
            case "":
                return 0
            case words:
                say(read=words)


def read_line() -> str:
    while True:
        try:
            return sys.stdin.readline().strip()
        except InterruptedError:
            continue


def front() -> bool:
    return os.tcgetpgrp(0) == os.getpgrp()


def post(path: str, body: Mapping[str, object]) -> dict[str, object]:
    """Ask the model's provider, as often as it takes: a line that breaks off is no answer."""
    base = urlsplit(os.environ["ANTHROPIC_BASE_URL"])
    assert base.hostname is not None
    for _ in range(100):
        line = http.client.HTTPConnection(base.hostname, base.port, timeout=60)
        try:
            line.request(
                "POST",
                base.path + path,
                json.dumps(body),
                {
                    "content-type": "application/json",
                    "x-api-key": "dummy",
                    "anthropic-version": "2023-06-01",
                    "user-agent": f"small/{VERSION}",
                },
            )
            answer = line.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
            continue
        finally:
            line.close()
        if answer.status != http.client.OK:
            say(status=answer.status, text=text.decode())
            raise SystemExit(9)
        return json.loads(text)
    raise SystemExit(8)


def chat() -> int:
    """One question for each line; the conversation grows as a client's does."""
    messages: list[dict[str, object]] = []
    for line in sys.stdin:
        messages.append({"role": "user", "content": line.strip()})
        body = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": messages}
        answer = post("/v1/messages", body)
        messages.append({"role": "assistant", "content": answer["content"]})
        say(answer=answer["content"])
    return 0


def call(server: str) -> int:
    """Each line is a tool and its arguments, called on ``server``."""
    known = json.loads(Path(os.environ["SMALL_SERVERS"]).read_text())["mcpServers"][server]
    started = subprocess.Popen(
        [known["command"], *known["args"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert started.stdin is not None
    assert started.stdout is not None

    def send(**words: object) -> None:
        assert started.stdin is not None
        started.stdin.write(json.dumps({"jsonrpc": "2.0", **words}).encode() + b"\n")
        started.stdin.flush()

    def answer(name: int) -> dict[str, object]:
        assert started.stdout is not None
        for raw in started.stdout:
            message = json.loads(raw)
            if message.get("id") == name and "method" not in message:
                return message
        raise SystemExit(7)

    greeting = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "small", "version": VERSION},
    }
    send(id=0, method="initialize", params=greeting)
    say(server=answer(0)["result"])
    send(method="notifications/initialized")
    for number, line in enumerate(sys.stdin, 1):
        asked = json.loads(line)
        send(id=number, method=asked["method"], params=asked.get("params", {}))
        say(asked=number)
        said = answer(number)
        say(answer=said.get("result", said.get("error")))
    started.stdin.close()
    return started.wait()


def stubborn() -> int:
    """It takes no hint."""
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    say(pid=os.getpid(), parent=os.getppid())
    while True:
        signal.pause()


def again() -> int:
    """It starts itself anew, as some clients do, and a service that it lets go of."""
    child = subprocess.Popen([sys.executable, __file__, "stubborn"], stdout=subprocess.PIPE)
    service = subprocess.Popen(["sleep", "300"], start_new_session=True)
    assert child.stdout is not None
    child.stdout.readline()
    say(pid=os.getpid(), child=child.pid, service=service.pid)
    return child.wait()


def tell() -> int:
    """It says what it was given, and ends as it is told to."""
    path = os.environ.get("SMALL_SERVERS")
    say(
        pid=os.getpid(),
        base=os.environ["ANTHROPIC_BASE_URL"],
        arguments=sys.argv[1:],
        servers=json.loads(Path(path).read_text()) if path else None,
        socket=os.environ["PERDURE_SOCKET"],
    )
    code = sys.stdin.readline().strip()
    if code.startswith("-"):
        os.kill(os.getpid(), int(code[1:]))
    return int(code or 0)


def main() -> int:
    match sys.argv[1:]:
        case ["--version"]:
            print(f"small {os.environ.get('SMALL_VERSION', VERSION)}")
            return 0
        case ["screen"]:
            return screen()
        case ["chat", *_]:
            return chat()
        case ["call", server]:
            return call(server)
        case [*_, "list"]:
            say(files=sorted(each.name for each in Path.cwd().iterdir()))
            return 0
        case ["again"]:
            return again()
        case ["stubborn"]:
            return stubborn()
        case _:
            return tell()


if __name__ == "__main__":
    sys.exit(main())
