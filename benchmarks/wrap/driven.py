"""Real clients for benchmarks: each with a home of its own, a payment server in its own config, and a scripted provider.

The same command line runs bare, and behind ``perdure wrap --``: the user's config is the same in both.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec
import psutil

from benchmarks.wrap.metered import Metered
from benchmarks.wrap.processes import ROOT
from perdure.testing.payments_book import PaymentBook
from tests.clients.installing import installed
from tests.clients.kinds import CLIENTS_KNOWN, NODE
from tests.clients.place import CLIENTS, Place, environment

LEG_SECONDS_MAX = 240
POLL_SECONDS = 0.02


class Site(msgspec.Struct, frozen=True):
    """Where one client works: directories of its own, and who it speaks to."""

    base: Path
    url: str = ""
    mishaps: tuple[str, ...] = ()
    paying: bool = True
    broken: Path | None = None
    """what every Python process of the site starts with, to be broken by it"""

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def workspace(self) -> Path:
        return self.base / "workspace"

    @property
    def book(self) -> PaymentBook:
        return PaymentBook(self.base / "book")

    @property
    def store(self) -> Path:
        return self.base / "store"

    def payments(self) -> list[str]:
        """Return the command of the payment server."""
        told = [word for each in self.mishaps for word in ("--mishap", each)]
        return [sys.executable, "-m", "perdure.testing.payments", str(self.book.path), *told]


class Kind(msgspec.Struct, frozen=True):
    """A client: how it is told about its provider and its servers, and its command line."""

    name: str
    settle: Callable[[Site], None]
    argv: Callable[[Site, str, bool], list[str]]
    """from the prompt, and whether it goes on"""
    settings: Callable[[Site], dict[str, str]]


def _claude_settle(site: Site) -> None:
    command, *arguments = site.payments()
    server = {"payments": {"type": "stdio", "command": command, "args": arguments, "env": {}}}
    config = {"mcpServers": server if site.paying else {}, "hasCompletedOnboarding": True}
    (site.home / ".claude.json").write_text(json.dumps(config), encoding="utf-8")


def _claude_argv(site: Site, prompt: str, again: bool) -> list[str]:
    del site
    program = CLIENTS / "claude-code/node_modules/@anthropic-ai/claude-code-linux-x64/claude"
    tools = "Bash,Read,Write,Edit,mcp__payments__pay,mcp__payments__payments"
    more = ["--continue"] if again else []
    return [
        str(program),
        *more,
        "-p",
        prompt,
        "--output-format",
        "stream-json",
        "--verbose",
        "--allowedTools",
        tools,
    ]


def _claude_settings(site: Site) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": site.url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "ENABLE_TOOL_SEARCH": "false",
    }


def _codex_settle(site: Site) -> None:
    home = site.home / ".codex"
    home.mkdir(exist_ok=True)
    provider = {
        "name": "strict",
        "base_url": f"{site.url}/v1",
        "env_key": "OPENAI_API_KEY",
        "wire_api": "responses",
        "supports_websockets": False,
    }
    table = "".join(f"{name} = {json.dumps(value)}\n" for name, value in provider.items())
    command, *arguments = site.payments()
    server = f"[mcp_servers.payments]\ncommand = {json.dumps(command)}\nargs = {json.dumps(arguments)}\n"
    text = f'model = "gpt-5.5"\nmodel_provider = "strict"\n[model_providers.strict]\n{table}'
    (home / "config.toml").write_text(text + (server if site.paying else ""), encoding="utf-8")


def _codex_argv(site: Site, prompt: str, again: bool) -> list[str]:
    del site
    flags = ["--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    more = ["resume", "--last"] if again else []
    return [str(CLIENTS / "codex/node_modules/.bin/codex"), "exec", *more, *flags, prompt]


def _codex_settings(site: Site) -> dict[str, str]:
    return {"CODEX_HOME": str(site.home / ".codex")}


CLAUDE = Kind("claude-code", _claude_settle, _claude_argv, _claude_settings)
CODEX = Kind("codex", _codex_settle, _codex_argv, _codex_settings)
KINDS = (CLAUDE, CODEX)


def fetched(kinds: Sequence[Kind] = KINDS) -> None:
    """Have the clients here, as `make test-clients` has them. Raises ``NotInstalled``."""
    installed(NODE)
    for client in CLIENTS_KNOWN:
        if client.name in {kind.name for kind in kinds}:
            installed(client)


@contextmanager
def site_of(
    kind: Kind, url: str, *, mishaps: tuple[str, ...] = (), paying: bool = True, broken: Path | None = None
) -> Generator[Site]:
    """Yield a place for ``kind`` that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="perdure-wrap-", ignore_cleanup_errors=True) as made:
        site = Site(Path(made), url, mishaps, paying, broken)
        for directory in (site.home, site.workspace, site.home / "tmp"):
            directory.mkdir()
        kind.settle(site)
        yield site


class Life:
    """A client under way, alone or wrapped; ``with`` ends it and all that it started."""

    def __init__(
        self, kind: Kind, site: Site, prompt: str, *, again: bool = False, wrapped: Sequence[str] = ()
    ) -> None:
        place = Place(home=site.home, workspace=site.workspace, url=site.url)
        paths = [str(site.broken), str(ROOT)] if site.broken else [str(ROOT)]
        settings = {**environment(place), **kind.settings(site), "PYTHONPATH": os.pathsep.join(paths)}
        self._kind = kind
        self._result = site.base / f"result-{time.monotonic_ns()}"
        self._said = self._result.with_suffix(".said").open("w+b")
        metered = [sys.executable, "-m", "benchmarks.wrap.metered", str(self._result)]
        self.process = subprocess.Popen(
            [*metered, *wrapped, *kind.argv(site, prompt, again)],
            cwd=site.workspace,
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        for each in self._all():
            _struck(each)
        self.process.kill()
        self.process.wait()
        self._said.close()

    def clients(self) -> list[psutil.Process]:
        """Return the processes of the client itself, whoever started them."""
        folder = CLIENTS / self._kind.name
        return [each for each in self._all() if _of(folder, each)]

    def strike(self) -> int:
        """Kill the client, and nothing else, by SIGKILL; return how many processes that were."""
        struck = self.clients()
        for each in struck:
            _struck(each)
        return len(struck)

    def until(self, holds: Callable[[], bool], seconds: float = LEG_SECONDS_MAX) -> bool:
        """Return whether it came to hold while the client lived, and in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if holds():
                return True
            if self.process.poll() is not None:
                return holds()
            time.sleep(POLL_SECONDS)
        return False

    def ended(self, seconds: float = LEG_SECONDS_MAX) -> Metered:
        """Return how it went. Raises ``NeverEnded`` if that takes too long."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NeverEnded(f"{self._kind.name} runs after {seconds:.0f} s: {self.said()[-600:]}") from None
        return msgspec.json.decode(self._result.read_bytes(), type=Metered)

    def said(self) -> str:
        """Return all that was printed so far."""
        return Path(self._said.name).read_text(encoding="utf-8", errors="replace")

    def _all(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


class NeverEnded(Exception):
    """A client did not come to its end."""


def _of(folder: Path, process: psutil.Process) -> bool:
    """Tell whether a process runs the program in ``folder``, or Node a script of it."""
    try:
        program, words = Path(process.exe()), process.cmdline()
    except psutil.Error:
        return False
    script = Path(words[1]) if program.name == "node" and len(words) > 1 else program
    return any(each.is_relative_to(folder) for each in (program, script))


def _struck(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
