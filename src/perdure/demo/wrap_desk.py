"""The processes of the fourth scene: a provider, a client bare or wrapped, its payment servers, and commands of perdure."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec
import psutil

from perdure.demo.purser import ResultBlock, Stored
from perdure.demo.wrap_plot import BANK, CARD, Books, Model
from perdure.testing.payments_book import BookLine, PaymentBook, let_go
from perdure.testing.upstream.provider import Delivery, Provider
from perdure.testing.upstream.server import Listening
from perdure.testing.upstream.signet import Signet

SECONDS_MAX: Final = 150.0
"""For anything that is waited for; on a quiet machine nothing takes four."""
_LOOK_SECONDS: Final = 0.02
_PYTHON: Final = (sys.executable, "-P", "-m")
_HERE: Final = Path(__file__).parent
_KEEPER: Final = "perdure.wrap.keeper"
_EFFECTS: Final = f"""\
servers:
  {BANK}:
    tools:
      pay: {{effect: once, identity: [invoice], volatile: [reference]}}
"""

T = TypeVar("T")


class Strayed(Exception):
    """The scene took another course than it has; the message says where."""


class Strict:
    """The provider, which may do something before it answers a step."""

    def __init__(self, provider: Provider) -> None:
        """Stand for ``provider``."""
        self.provider: Provider = provider
        self.url: str = ""
        self._first: dict[int, Callable[[], None]] = {}

    def before(self, step: int, deed: Callable[[], None]) -> None:
        """``deed`` is done once the next request for ``step`` has come, and before it is answered."""
        self._first[step] = deed

    def ask(self, path: str, headers: tuple[tuple[str, str], ...], body: bytes, at: float) -> Delivery:
        """Answer one request."""
        given = self.provider.ask(path, headers, body, at)
        newest = self.provider.recorded[-1]
        deed = self._first.pop(newest.step, None) if newest.purpose == "main" else None
        if deed is not None:
            deed()
        return given

    def sent(self, step: int) -> list[bytes]:
        """Return the requests to which ``step`` was the answer."""
        return [each.body for each in self.provider.recorded if each.purpose == "main" and each.step == step]

    def refused(self) -> list[str]:
        """Return what was refused, as a real provider would."""
        return [each.error for each in self.provider.recorded if each.error]


@contextmanager
def open_strict(books: Books) -> Generator[Strict]:
    """Have a strict scripted provider in a thread of its own, for one client."""
    signet = Signet("books")
    strict = Strict(Provider(Model(books, signet), signet))
    with Listening(strict.ask) as listening:
        strict.url = listening.url
        yield strict


class Desk:
    """One user's machine: the books, the client and its settings, and what its servers have paid."""

    def __init__(self, folder: Path, books: Books, url: str) -> None:
        """Set it up in ``folder``; the client's provider is at ``url``."""
        self.books: Path = folder / "books"
        self.home: Path = folder / "purser"
        self.effects: Path = folder / "effects.yaml"
        self.profile: Path = folder / "purser.toml"
        self.store: Path = folder / "store"
        self.paid: dict[str, PaymentBook] = {
            name: PaymentBook(folder / f"{name}.ledger") for name in (BANK, CARD)
        }
        self._said: Path = folder / "said"
        programs = folder / "bin"
        for each in (self.books, self.home, self._said, programs):
            each.mkdir(parents=True)
        books.lay_out(self.books)
        program = programs / "purser"
        program.write_text(f"#!{sys.executable} -P\n{(_HERE / 'purser.py').read_text(encoding='utf-8')}")
        program.chmod(0o755)
        shutil.copy(_HERE / "purser.toml", self.profile)
        self.effects.write_text(_EFFECTS, encoding="utf-8")
        (self.home / "servers.json").write_bytes(msgspec.json.encode({"mcpServers": self._servers()}))
        known = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PERDURE_", "ANTHROPIC_")) and not name.lower().endswith("_proxy")
        }
        self._environment: dict[str, str] = {
            **known,
            "PATH": f"{programs}{os.pathsep}{known.get('PATH', os.defpath)}",
            "PURSER_HOME": str(self.home),
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": "sk-of-nobody",
        }
        self._lives: int = 0

    def _servers(self) -> dict[str, dict[str, object]]:
        return {
            name: {
                "command": sys.executable,
                "args": ["-P", "-m", "perdure.testing.payments", str(book.path), "--mishap", "1:hold"],
            }
            for name, book in self.paid.items()
        }

    def begin(self, *words: str) -> "Life":
        """Start a program in the books; it is the client's or a wrapper of it."""
        self._lives += 1
        return Life(words, self.books, self._environment, self._said / f"{self._lives}")

    def wrapped(self, *options: str, words: Sequence[str]) -> "Life":
        """Start the client under ``perdure wrap``."""
        own = ("--profile", str(self.profile), "--effects", str(self.effects), "--store", str(self.store))
        return self.begin(*_PYTHON, "perdure.cli", "wrap", *options, *own, "--", "purser", *words)

    def typed(self, *words: str) -> str:
        """Type a command of perdure; return what it said. Raises ``Strayed`` where it fails."""
        done = subprocess.run(
            [*_PYTHON, "perdure.cli", *words, "--store", str(self.store)],
            cwd=self.books,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        if done.returncode:
            raise Strayed(f"perdure {' '.join(words)} ended with {done.returncode}: {done.stderr[-600:]}")
        return done.stdout

    def bought(self, payee: object) -> list[BookLine]:
        """Return the payments to ``payee``."""
        return [line for book in self.paid.values() for line in book.paid() if line.payee == payee]

    def let_go(self) -> None:
        """What the servers hold back is answered."""
        for book in self.paid.values():
            let_go(book.path).touch()

    def left(self) -> list[int]:
        """Return the servers that outlive their clients for longer than an end takes."""
        started = [
            line.process for book in self.paid.values() for line in book.lines() if line.kind == "started"
        ]
        latest = time.monotonic() + SECONDS_MAX
        while (left := [each for each in started if not is_gone(each)]) and time.monotonic() < latest:
            time.sleep(_LOOK_SECONDS)
        return left

    def sessions(self) -> list[Path]:
        """Return the client's sessions, the newest first."""
        found = (self.home / "sessions").glob("*.jsonl")
        return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def results(self, session: Path) -> list[ResultBlock]:
        """Return what the model was told of its calls, in order."""
        lines = [msgspec.json.decode(line, type=Stored) for line in session.read_bytes().splitlines()]
        return [block for line in lines for block in line.message.content if isinstance(block, ResultBlock)]


class Life:
    """One life of a client, bare or wrapped; ``with`` ends it with all that it began."""

    def __init__(
        self, words: Sequence[str], directory: Path, environment: dict[str, str], said: Path
    ) -> None:
        """Start it; what it says goes into the file ``said``."""
        self._said: Path = said
        with said.open("wb") as out:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                words, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def client(self) -> psutil.Process:
        """Return the client's process."""
        top = psutil.Process(self._process.pid)
        return self.until(lambda: next((each for each in (top, *top.children()) if _is_purser(each)), None))

    def keeper(self) -> psutil.Process:
        """Return the process that keeps the run."""
        top = psutil.Process(self._process.pid)
        return self.until(lambda: next((each for each in top.children() if _KEEPER in _words(each)), None))

    def until(self, look: Callable[[], T | None]) -> T:
        """Return what ``look`` finds, once it finds something. Raises ``Strayed``."""
        latest = time.monotonic() + SECONDS_MAX
        while time.monotonic() < latest:
            found = look()
            if found:
                return found
            if self._process.poll() is not None:
                raise Strayed(
                    f"it ended with {self._process.returncode} before its time: {self.said()[-800:]}"
                )
            time.sleep(_LOOK_SECONDS)
        raise Strayed(f"nothing came of it in {SECONDS_MAX:.0f} s: {self.said()[-800:]}")

    def struck(self) -> None:
        """The client is dead, by SIGKILL."""
        self.client().kill()

    def ended(self) -> int:
        """Return its exit code, once it has ended. Raises ``Strayed``."""
        try:
            return self._process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired as late:
            raise Strayed(f"it did not end: {self.said()[-800:]}") from late

    def well(self) -> None:
        """Return once it has ended as it should. Raises ``Strayed``."""
        code = self.ended()
        if code:
            raise Strayed(f"it ended with {code}: {self.said()[-800:]}")

    def said(self) -> str:
        """Return what it said so far."""
        return self._said.read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            inside = psutil.Process(self._process.pid).children(recursive=True)
            self._process.send_signal(signal.SIGTERM)
            for each in inside:
                _killed(each)
            self._process.kill()
            psutil.wait_procs(inside, timeout=SECONDS_MAX)
        self._process.wait(SECONDS_MAX)


def struck_down(process: psutil.Process) -> None:
    """It is dead, by SIGKILL, before this returns; it isn't a child of ours."""
    process.kill()
    psutil.wait_procs([process], timeout=SECONDS_MAX)


def is_gone(process: int) -> bool:
    """Tell whether nothing of a process is left but its number."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _killed(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _is_purser(process: psutil.Process) -> bool:
    words = _words(process)
    return any(word.endswith("/bin/purser") for word in words) and "--version" not in words


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
