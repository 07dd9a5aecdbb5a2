"""The peers' own environment: made once per set of pinned versions, outside the checkout, thrown away at will.

Peers never enter perdure's environment, so that neither's dependencies bend the other's. The directory is
named by the digest of what is in it: another pin or another Python makes another environment, and an
environment that was not finished is made again from nothing.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(__file__).parent / "peers" / "requirements.lock"
INSTALL_SECONDS_MAX = 600  # a cold download of some 40 MB over a slow line
CURE = """\
  cure: the peers come from a Python package index. Let `python -m pip download eventsourcing` succeed first:
        connect to the network, or name a mirror with PIP_INDEX_URL or in pip.conf. Then run this again."""


class PeersUnavailable(Exception):
    """The peers' environment can't be made here; the message says why and what cures it."""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def environment(lock: Path = LOCK) -> Path:
    """Where the environment for these pins and this Python stands, whether or not it has been made."""
    named = f"{platform.python_version()} {platform.platform()}\n".encode() + lock.read_bytes()
    return cache() / f"peers-{hashlib.sha256(named).hexdigest()[:16]}"


def cache() -> Path:
    """A directory for what can be made again; the system's temporary one where the user's can't be written."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "perdure-bench"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return home
    except OSError:
        elsewhere = Path(tempfile.gettempdir()) / f"perdure-bench-{os.getuid()}"
        elsewhere.mkdir(mode=0o700, exist_ok=True)
        return elsewhere


def peer_python(*, lock: Path = LOCK, report: Callable[[str], None] = say) -> Path:
    """The Python that has the peers, installed now if it was not there yet. Raises PeersUnavailable."""
    home = environment(lock)
    ready = home / "ready"
    with _alone(home.with_suffix(".lock")):
        if not ready.exists():
            shutil.rmtree(home, ignore_errors=True)
            try:
                _install(home, lock, report)
            except BaseException:
                shutil.rmtree(home, ignore_errors=True)
                raise
            ready.touch()
    return home / "bin" / "python"


def _install(home: Path, lock: Path, report: Callable[[str], None]) -> None:
    report("peers: making an environment of their own (once; about half a minute)")
    made = _run([sys.executable, "-m", "venv", str(home)])
    if made.returncode != 0:
        reason = _tail(made.stdout + made.stderr)
        raise PeersUnavailable(
            f"no environment for the peers: `python -m venv` failed\n{reason}\n"
            "  cure: install the venv module of this Python (Debian: the package python3-venv)."
        )
    count = sum("==" in line for line in lock.read_text().splitlines())
    report(f"peers: installing {count} pinned packages")
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    got = _run([*pip, "--quiet", "--no-deps", "--require-hashes", "--requirement", str(lock)])
    if got.returncode != 0:
        raise PeersUnavailable(f"the peers can't be installed\n{_tail(got.stderr)}\n{CURE}")
    report("peers: installed")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise PeersUnavailable(f"the peers were not there after {INSTALL_SECONDS_MAX} s\n{CURE}") from late


def _tail(text: str) -> str:
    said = [line for line in text.strip().splitlines() if not line.startswith("WARNING")]
    return "\n".join(f"  | {line}" for line in said[-4:])


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """Two benchmarks that start together make one environment: the second waits for the first."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        print(peer_python())
    except PeersUnavailable as reason:
        sys.exit(str(reason))
