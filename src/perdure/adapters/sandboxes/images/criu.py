"""CRIU: where its program is, how it is run, and what it says when it can't.

A run is always bounded by ``timeout``, which is a process of its own: the bound holds also when the
one that asked for it is killed.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.sandboxes.images.members import below
from perdure.values.errors import ImageFailed

OLDEST: Final = (4, 1)
"""Older ones can't run on kernels from 6.13 on."""

CURE: Final = "run tests/setup/criu.sh, which builds one, or name one with PERDURE_CRIU"

_GRACE_SECONDS: Final = 5

_NOISE: Final = ("rlimit: Can't setup", "Dumping FAILED", "Restoring FAILED", "Can't set process dumpable")
_ERROR: Final = re.compile(r"^(?:\([^)]*\)\s+)?Error \([^)]*\):\s*(?:[\w-]+:\s*)?(.*)$", re.MULTILINE)
_WHOSE: Final = re.compile(r"\(pid: (\d+)\)|non-zombie (\d+) found")

_PLAIN: Final = (
    ("io_uring", "it uses io_uring, whose requests live in the kernel"),
    ("Unseizable", "a debugger holds it"),
    ("Dangling connection", "it holds a unix socket whose other end is outside of the sandbox"),
    ("xternal socket", "it holds a unix socket whose other end is outside of the sandbox"),
    ("half of stream unix", "it holds a unix socket whose other end is outside of the sandbox"),
    ("xternal pipe", "it holds a pipe whose other end is outside of the sandbox"),
    ("ghost", "it holds a deleted file that is larger than a ghost may be"),
    ("link remap", "it holds a deleted file that has another name somewhere"),
    ("bad size", "a file that it holds open is not as long as it was"),
    ("build-ID", "a program or library that it runs has been changed"),
    ("is already in use", "the address it listens on is taken"),
)
"""What CRIU's words mean for whoever wrote the service."""


class Criu(NamedTuple):
    """A CRIU that is new enough."""

    path: Path
    version: str


class NoCriu(NamedTuple):
    """Why there is none, and what would bring one."""

    why: str
    cure: str


def find_criu(environment: Mapping[str, str] | None = None) -> Criu | NoCriu:
    """Return the first CRIU that is new enough: of PERDURE_CRIU, of PATH, or that the setup script built."""
    given = os.environ if environment is None else environment
    if os.getuid() != 0:
        return NoCriu("this is not root, and CRIU needs it", "run as root, where that is what you want")
    old: list[str] = []
    for path in _places(given):
        version = _version(path)
        if _numbers(version) >= OLDEST:
            return Criu(path, version)
        if version:
            old.append(f"{path} is {version}")
    wanted = ".".join(map(str, OLDEST))
    return NoCriu(f"no CRIU of version {wanted} or newer" + "".join(f"; {each}" for each in old), CURE)


async def run_criu(words: Sequence[str], log: Path, *, seconds: int) -> None:
    """Run ``words``, which hold a CRIU that logs to ``log``; raises ``ImageFailed`` with its reason.

    When this is cancelled, CRIU goes on until it ends or its time is over: killing it in the middle
    of its work could harm what it works on. When its time is over, nothing that it made is left.
    """
    started = await asyncio.create_subprocess_exec(
        # Ours is the bound that counts; the other one holds also where we are killed.
        *("timeout", "--signal=KILL", str(seconds + _GRACE_SECONDS), *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C at the terminal is for perdure, not for a dump half done
    )
    ending = asyncio.create_task(started.communicate())
    done, _ = await asyncio.wait({ending}, timeout=seconds)
    if not done:
        # All that descends from it, since what CRIU restores is no child of ``timeout`` alone.
        for program in below(started.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(program, signal.SIGKILL)
        await ending
        raise ImageFailed(f"CRIU did not end within {seconds} s")
    if started.returncode in (137, -9):
        raise ImageFailed("CRIU was killed")
    if started.returncode != 0:
        said = ending.result()[1].decode(errors="replace").strip()
        raise ImageFailed(await asyncio.to_thread(reason, _text(log)) or said or "CRIU failed silently")


def reason(log: str) -> str:
    """Return what went wrong according to CRIU's ``log``: in plain words where they are known."""
    errors = [found[1].strip() for found in _ERROR.finditer(log)]
    telling = [error for error in errors if not any(noise in error for noise in _NOISE)]
    for sign, words in _PLAIN:
        for error in telling:
            if sign in error:
                return f"{words} ({error})"
    return telling[0] if telling else ""


def culprit(log: Path) -> int:
    """Return the id of the program that CRIU stumbled over, as seen from here; 0 if it names none."""
    found = _WHOSE.search(_text(log))
    return int(found[1] or found[2]) if found else 0


def _text(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _places(environment: Mapping[str, str]) -> list[Path]:
    home = environment.get("HOME") or str(Path.home())
    cache = environment.get("XDG_CACHE_HOME") or f"{home}/.cache"
    found = (
        environment.get("PERDURE_CRIU"),
        shutil.which("criu", path=environment.get("PATH")),
        f"{cache}/perdure/criu/bin/criu",
    )
    return [Path(path) for path in found if path and Path(path).exists()]


def _version(path: Path) -> str:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - the user's own program
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r"Version:\s*([\d.]+)", said.stdout)
    return found[1] if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)
