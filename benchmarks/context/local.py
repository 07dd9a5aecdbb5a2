"""A real cache of keys and values behind the gateway: what it gives, beside what the ledger expects.

``python -m benchmarks.context.local`` (or ``make test-local``, which also judges it) starts the small local model as a
server, the gateway in front of it, and on the providers' own SDKs an agent that the model drives by itself:

- *observe*: on Messages. The gateway ends between two turns, and another one goes on.
- *nocache*: on Messages. This server caches, so nothing may move.
- *room*: on Chat Completions. Two pages leave, the gateway is killed, the model recalls one of them, and goes on.
  Behind the kill nothing is expected: what the last reply took may not have been written down.

The server keeps what it wrote in its cache as well: the tokens of a reply but its last, which it never computed. The
ledger doesn't count on that. So a request is given what is expected and at most the reply before it.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from benchmarks.context.local_agent import READ_BARRED, Answer, begun, look, story
from perdure.adapters.models.local import local_weights
from perdure.assembly.accounts import ledger_of
from perdure.assembly.store import open_store
from perdure.page.ledger import Ledger

TEMPLATE: Final = Path(__file__).with_name("tools.jinja")
SECONDS: Final = 60.0
ROOM_TOKENS: Final = 1_700
FOX, KING, SMITH, COW, HEN = "q-5hd8wn2mtk", "q-2vz6ra9xcp", "q-7mj3ye8bgs", "q-9rt4hx6bnk", "q-8wd5jc3msz"
LIBRARY: Final = {
    FOX: story("fox"),
    KING: story("king"),
    SMITH: story("smith"),
    COW: "The cow ate the hay.",
    HEN: "The hen sat on the wall.",
}


class Played(NamedTuple):
    """One conversation, as both ends saw it."""

    name: str
    answers: tuple[Answer, ...]
    """one for each of the client's requests, in order"""
    run: str
    book: Ledger
    store: Path
    first_moved: str = ""
    """the page that was recalled"""


class Gateway:
    """``perdure gateway`` as a process, in front of ``upstream``."""

    def __init__(self, store: Path, upstream: str, *words: str) -> None:
        """Start it, and wait until it says where it listens."""
        command = [
            sys.executable,
            "-m",
            "perdure.cli",
            "gateway",
            "--json",
            "--port",
            "0",
            "--store",
            str(store),
        ]
        self._process = subprocess.Popen(
            [*command, "--upstream", upstream, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        said: Any = json.loads(self._process.stdout.readline() or b"{}")
        self.url: str = said["listening"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """It is gone, in the middle of whatever it did."""
        self._process.kill()
        self._process.communicate(timeout=SECONDS)

    def end(self) -> None:
        """Let it end in order."""
        self._process.terminate()
        self._process.wait(SECONDS)


@contextlib.contextmanager
def serving() -> Generator[str]:
    """Serve the small model, with a template that shows it tools, and give its address."""
    command = [sys.executable, "-P", "-m", "perdure.adapters.models.local_server"]
    with subprocess.Popen(
        [*command, str(local_weights()), str(TEMPLATE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().decode().strip()
        server.kill()


def observed(upstream: str, place: Path) -> Played:
    """A conversation on Messages that nobody touches, through two gateways."""
    store = place / "observe"
    with Gateway(store, upstream, "--mode", "observe") as gateway:
        agent = begun("messages", gateway.url)
        answers = look(agent, FOX, LIBRARY)
        gateway.end()
    with Gateway(store, upstream, "--mode", "observe") as gateway:
        agent.point(gateway.url)
        answers += look(agent, COW, LIBRARY)
        gateway.end()
    return _played("observe", answers, store)


def uncached(upstream: str, place: Path) -> Played:
    """One on Messages in the mode for providers that cache nothing."""
    store = place / "nocache"
    with Gateway(store, upstream, "--mode", "nocache") as gateway:
        agent = begun("messages", gateway.url)
        answers = [*look(agent, FOX, LIBRARY), *look(agent, COW, LIBRARY)]
        gateway.end()
    return _played("nocache", answers, store)


def roomy(upstream: str, place: Path) -> Played:
    """One on Chat Completions whose window is kept under its target, and that asks for what has left."""
    store, words = place / "room", ("--mode", "room", "--room", str(ROOM_TOKENS))
    with Gateway(store, upstream, *words) as gateway:
        agent = begun("chat", gateway.url)
        answers = [answer for page in (FOX, KING, SMITH, COW) for answer in look(agent, page, LIBRARY)]
    with Gateway(store, upstream, *words) as gateway:
        agent.point(gateway.url)
        answers += look(agent, HEN, LIBRARY)
        moved = _played("room", answers, store).book.moves
        wanted = next((move.page for move in moved if move.about == FOX), "")
        answers += look(agent, wanted, LIBRARY, READ_BARRED)
        answers += look(agent, COW, LIBRARY)
        gateway.end()
    return _played("room", answers, store)._replace(first_moved=wanted)


def main() -> None:
    """Play all three, and print a table of each."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, serving() as upstream:
        for play in (observed, uncached, roomy):
            print(table(play(upstream, Path(scratch))), flush=True)
    print(f"{time.monotonic() - begin:.0f} s")


def table(played: Played) -> str:
    """Return the requests of a conversation, with what was expected and what was given."""
    lines = [f"\n{played.name:10} window  expected     given  reply before"]
    before = 0
    for row, answer in zip(played.book.rows, played.answers, strict=True):
        expected = f"{row.expected_tokens:,}" if row.expected_tokens >= 0 else "?"
        given = f"{row.read_tokens:,}" if row.status == "answered" else row.status
        what = [f"{row.evicted} left"] * bool(row.evicted) + [f"{row.faults} recalled"] * bool(row.faults)
        lines.append(
            f"{row.number:10} {row.window_tokens:6,}  {expected:>8}  {given:>8}  {before:12}  {', '.join(what)}".rstrip()
        )
        before = answer.output_tokens
    return "\n".join(lines)


def _played(name: str, answers: list[Answer], store: Path) -> Played:
    with open_store(store, create=False) as opened:
        (run,) = [row.run for row in opened.runs() if row.position]
        return Played(name, tuple(answers), run, ledger_of(opened, run), store)


if __name__ == "__main__":
    main()
