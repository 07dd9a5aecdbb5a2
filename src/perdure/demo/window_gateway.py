"""``perdure gateway`` as a process of its own, and the provider behind it."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from perdure.demo.window_agent import NAME
from perdure.demo.window_project import PLOT, Project
from perdure.testing.upstream.narrator import Narrator
from perdure.testing.upstream.provider import Delivery, Provider
from perdure.testing.upstream.server import Listening
from perdure.testing.upstream.signet import Signet
from perdure.values.digest import Json
from perdure.wire.reading import text_raw

_SECONDS: Final = 30


class NotListening(Exception):
    """A gateway ended before it listened."""


class Strict:
    """The provider, with a clock that may be set ahead."""

    def __init__(self, url: str, provider: Provider) -> None:
        """Stand for what listens at ``url``."""
        self.url = url
        self.provider = provider
        self.ahead = 0
        """seconds"""


@contextmanager
def open_provider(project: Project) -> Generator[Strict]:
    """Have a strict scripted provider, in a thread of its own, that knows the files only by name."""
    signet = Signet("orders")
    provider = Provider(Narrator(PLOT, project, signet), signet)
    strict = Strict("", provider)

    def ask(path: str, headers: tuple[tuple[str, str], ...], body: bytes, at: float) -> Delivery:
        return provider.ask(path, headers, body, at + strict.ahead)

    with Listening(ask) as listening:
        strict.url = listening.url
        yield strict


class Gateway:
    """One life of the gateway; ``with`` ends it, however it stands by then."""

    def __init__(self, store: Path, upstream: str, *, mode: str, port: int = 0, ahead: int = 0) -> None:
        """Start it, with the clock ``ahead`` seconds ahead, and return when it listens."""
        words = ["gateway", "--port", str(port), "--store", str(store), "--upstream", upstream]
        self._process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "perdure.demo.window_clock", str(ahead), *words, *_options(mode)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        )
        line = _first_line(self._process)
        if not line:
            self.end(signal.SIGKILL)
            raise NotListening(f"the gateway ended with {self._process.returncode} before it listened")
        self.url: str = text_raw(msgspec.json.decode(line, type=dict[str, Json]), "listening")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Return when it has ended by that signal, or had before."""
        with self._process:
            if self._process.poll() is None:
                self._process.send_signal(by)
            self._process.wait(_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(signal.SIGKILL)


def _options(mode: str) -> Sequence[str]:
    return ["--mode", mode, "--trust", NAME, "--json"]


def _first_line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline() if process.stdout else ""
