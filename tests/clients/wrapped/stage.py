"""One client under ``perdure wrap``: its user's settings, its provider, the processes, and what becomes of them."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import psutil
from msgspec.structs import replace

from perdure.testing.upstream.plots import Plot
from perdure.testing.upstream.provider import Delivery, Provider
from perdure.testing.upstream.server import Upstream
from perdure.testing.upstream.signet import Signet
from perdure.wrap.profiles.documents import Table, table_in
from perdure.wrap.profiles.dressing import roots_own
from tests.clients.place import CLIENTS, ROOT, Place, environment, throw_away
from tests.clients.wrapped.kinds import Wrapped
from tests.clients.wrapped.plots import MARK, MARKING, SEED, TALKED, TREES, Careful, Dictating
from tests.clients.wrapped.trees import Tree, tree_of, unlike

LIFE_SECONDS_MAX = 120
END_SECONDS = 40
RUN = "session"
SERVER = "bank"
KEEPER = "perdure.wrap.keeper"
SHIM = "perdure.wrap.shim"


class Watched(Upstream):
    """A strict provider that lets somebody act the moment a step is asked for, before it is answered."""

    def __init__(self, *, seed: str, workspace: str, talks: bool) -> None:
        super().__init__((), seed=seed, workspace=workspace)
        self._seed = seed
        self._workspace = workspace
        self._talks = talks
        self._acts: dict[int, Callable[[], None]] = {}
        self._ask = self._watched

    def tell(self, plot: Plot) -> None:
        """Let this be what the model does."""
        signet = Signet(self._seed)
        narrator = Dictating(signet) if self._talks else Careful(plot, self.ledgers, signet, self._workspace)
        self.provider = Provider(narrator, signet)

    def at(self, step: int, act: Callable[[], None]) -> None:
        """Let ``act`` happen once, when ``step`` is asked for."""
        self._acts[step] = act

    def steps(self) -> list[int]:
        """Return the step that each request of the main loop asked for."""
        return [each.step for each in self.recorded if each.purpose == "main"]

    def _watched(self, path: str, headers: tuple[tuple[str, str], ...], body: bytes, at: float) -> Delivery:
        given = self.provider.ask(path, headers, body, at)
        mine = next((each for each in reversed(self.recorded) if each.body == body), None)
        if mine is not None and mine.purpose == "main":
            act = self._acts.pop(mine.step, None)
            if act is not None:
                act()
        return given


class Life(msgspec.Struct, frozen=True):
    """How a wrapped client ended."""

    status: int
    out: str
    err: str

    @property
    def tail(self) -> str:
        return f"{self.out[-500:]}\n{self.err[-900:]}".strip()


class Stage:
    """One scenario under way."""

    def __init__(self, kind: Wrapped, place: Place, upstream: Watched, base: Path | None = None) -> None:
        """``base``: where the store lies, if not with all else."""
        self.kind = kind
        self.upstream = upstream
        self.place = replace(place, url=upstream.url)
        self.store = (base or place.home) / "state"
        self.failed: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        first = {MARK: MARKING} if kind.talks else {SEED: "seed\n"}
        for name, text in first.items():
            (place.workspace / name).write_text(text, encoding="utf-8")
        self.own: dict[Path, Table] = {}

    @property
    def trees(self) -> tuple[Tree, ...]:
        """How the files stand after each step."""
        return TALKED if self.kind.talks else TREES

    def settle(self, write: Callable[[Place, dict[str, list[str]]], None], book: str) -> None:
        """The user has settings, with a payment server among them."""
        server = [sys.executable, "-m", "perdure.testing.payments", str(self.place.home / book)]
        write(self.place, {SERVER: server})
        files = [
            each for each in (*self.place.home.rglob("*"), *self.place.workspace.rglob("*")) if each.is_file()
        ]
        self.own = {each: table_in(each) for each in files if each.suffix in {".json", ".toml"}}

    def demand(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.failed.append(otherwise)

    def live(self, prompt: str, *options: str, words: bool = True) -> Life:
        """Wrap the client once, to its end."""
        place = replace(self.place, prompt=prompt)
        client = self.kind.client
        tail = ["--", *client.argv(place)] if words else []
        command = [sys.executable, "-m", "perdure.cli", "wrap", "--store", str(self.store), *options, *tail]
        with subprocess.Popen(
            command,
            cwd=place.workspace,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            self._process = process
            try:
                out, err = process.communicate(timeout=LIFE_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                below = psutil.Process(process.pid).children(recursive=True)
                told = "; ".join(" ".join(_words(each))[-160:] for each in below)
                self.kill("all")
                out, err = process.communicate()
                self.failed.append(f"it did not end within {LIFE_SECONDS_MAX} s: {told}")
        return Life(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def environment(self) -> dict[str, str]:
        own = environment(self.place) | self.kind.client.settings(self.place)
        return {**own, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}

    def told(self, *words: str) -> list[Any]:
        """Return the lines of JSON that a command of the CLI prints about the store."""
        done = subprocess.run(
            [sys.executable, "-m", "perdure.cli", *words, "--store", str(self.store), "--json"],
            cwd=self.place.home,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIFE_SECONDS_MAX,
        )
        if done.returncode:
            raise AssertionError(
                f"perdure {' '.join(words)}: {done.returncode} {(done.stdout + done.stderr)[-800:]}"
            )
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("{", "["))]

    # -- killing -------------------------------------------------------------------------------------

    def kill(self, target: str) -> None:
        """End the client with all that it started, the keeper, the wrapper, or each of them, by SIGKILL."""
        assert self._process is not None
        wrapper = psutil.Process(self._process.pid)
        below = wrapper.children(recursive=True)
        keepers = [each for each in below if KEEPER in _words(each)]
        clients = [each for each in below if each not in keepers and SHIM not in _words(each)]
        clients = [each for each in clients if not any(_under(each, keeper) for keeper in keepers)]
        chosen = {
            "client": clients,
            "keeper": keepers,
            "wrapper": [wrapper],
            "all": [wrapper, *keepers, *clients],
        }[target]
        if not chosen:
            self.failed.append(f"there was no {target} to kill")
        for each in chosen:
            with suppress(psutil.NoSuchProcess):
                each.kill()

    def kill_while_working(self, target: str, flag: Path, go: Path) -> threading.Thread:
        """Kill once the command of a step has begun, then let that command end."""

        def wait() -> None:
            until = time.monotonic() + LIFE_SECONDS_MAX
            while not flag.exists() and flag.parent.exists() and time.monotonic() < until:
                time.sleep(0.02)
            if flag.exists():
                self.kill(target)
                go.touch()

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        return thread

    # -- what has to hold ----------------------------------------------------------------------------

    def settled(self) -> None:
        """Nothing of it runs any more, the user's settings are as they were, and the log is whole."""
        left = self._left()
        self.demand(not left, f"still there: {left}")
        for path, before in self.own.items():
            after = table_in(path)
            self.demand(_within(before, after), f"{path.name} of the user was changed")
        for run in self.told("ls")[0]["runs"]:
            verified = self.told("verify", run["run"])[-1]
            self.demand(verified["ok"] is True, f"{run['run']} does not verify: {verified}")
        refused = [each for each in self.upstream.recorded if each.error]
        self.failed.extend(f"request {each.number} refused: {each.error}" for each in refused[:3])

    def files(self, steps: int, when: str) -> None:
        """The files are as they stand after so many steps."""
        found = {name: text for name, text in tree_of(self.place.workspace).items() if not _own(name)}
        difference = unlike(found, self.trees[steps])
        self.demand(not difference, f"{when}: {difference}")

    def _left(self) -> list[str]:
        """Return what still runs of this place, once it had time to end; it is ended then."""
        mine: list[psutil.Process] = []
        until = time.monotonic() + END_SECONDS
        while True:
            mine = [each for each in psutil.process_iter() if _of(each, self.place.home.parent)]
            if not mine or time.monotonic() > until:
                break
            psutil.wait_procs(mine, timeout=0.5)
        words = [" ".join(_words(each))[:160] for each in mine]
        for each in mine:
            with suppress(psutil.Error):
                each.kill()
        return words


@contextmanager
def staged(kind: Wrapped, seed: str) -> Generator[Stage]:
    """Yield a stage for ``kind``, in a place of its own."""
    with (
        throw_away() as place,
        Watched(seed=seed, workspace=str(place.workspace), talks=kind.talks) as upstream,
        ExitStack() as stack,
    ):
        base: Path | None = None
        if kind.owned and roots_own(CLIENTS):
            # The overlay lies beside the store, and such a client takes settings from no place that others can write.
            base = Path(stack.enter_context(TemporaryDirectory(prefix="place-", dir=CLIENTS)))
        yield Stage(kind, place, upstream, base)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _under(process: psutil.Process, above: psutil.Process) -> bool:
    try:
        return above in process.parents()
    except psutil.Error:
        return False


def _of(process: psutil.Process, base: Path) -> bool:
    """Tell whether a process belongs to ``base``: it works there, or was told of it."""
    if process.pid == os.getpid():
        return False
    try:
        return process.status() != psutil.STATUS_ZOMBIE and (
            process.environ().get("HOME", "").startswith(str(base))
            or any(str(base) in word for word in process.cmdline())
        )
    except psutil.Error:
        return False


def _own(name: str) -> bool:
    """Tell whether a file is the client's or the user's own, and no work of the model's."""
    return name.startswith((".aider", ".mcp.json", ".qwen/", ".gemini/", ".claude/", "opencode.json"))


def _within(before: Any, after: Any) -> bool:
    """Tell whether all that stood ``before`` stands there still; a client writes beside it what it likes."""
    if isinstance(before, dict) and isinstance(after, dict):
        return all(key in after and _within(value, after[key]) for key, value in before.items())
    return before == after
