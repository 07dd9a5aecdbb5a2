"""Run a few lines in a real sandbox, and tell what they found."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, cast

import msgspec

from perdure.adapters.sandboxes.confinement import Overlay, confined, in_place, over
from perdure.adapters.sandboxes.view import View, before_workspace, furnished

_SECONDS_MAX: Final = 10

_decode = msgspec.json.Decoder(dict[str, bool]).decode

# Standard library alone, and little of it: this starts in 15 ms.
_SCRIPT: Final = """
import json, os, socket, sys
port, root, lower = int(sys.argv[1]), sys.argv[2], sys.argv[3]
found = {}
try:
    socket.create_connection(("127.0.0.1", port), 1).close()
    found["network"] = True
except OSError:
    found["network"] = False
os.listdir(root)
if lower:
    open(os.path.join(root, sys.argv[4]), "x").close()
    os.chdir(lower)
    with open("one", "a") as file:
        file.write("more")
    with open("two") as file:
        found["links"] = file.read() == "more"
    os.unlink("gone")
    try:
        os.rename("folder", "renamed")
        found["renames"] = True
    except OSError:
        found["renames"] = False
print(json.dumps(found))
"""


class Explored(NamedTuple):
    """What happened in the sandbox."""

    failed: str = ""
    """in the words of whatever failed; then nothing else is known"""
    network: bool = False
    links: bool = False
    renames: bool = False
    held_back: bool = False
    deletion: bool = False
    same_disk: bool = False


def explored(program: Path, root: Path, place: Path, *, overlay: bool) -> Explored:
    """Try a sandbox around ``root`` with everything of its own below ``place``."""
    # No name that the workspace has.
    mark = f".{place.name}"
    try:
        view = View(root, place / "view")
        furnished(view)
        around = tuple(before_workspace(view))
        over_root, over_sample = _overlay(place / "root"), _overlay(place / "sample")
        sample = _sample(place)
        workspace = in_place(root)
        if overlay:
            workspace = [*over(root, over_root), *over(sample, over_sample)]
        with _listener() as port:
            script = (
                sys.executable,
                "-I",
                "-S",
                "-c",
                _SCRIPT,
                str(port),
                str(root),
                str(sample) if overlay else "",
                mark,
            )
            words = confined(
                program, view, workspace, around=around, fds=None, loopback="own", command=script
            )
            said = subprocess.run(  # noqa: S603 - our own words
                words, capture_output=True, text=True, timeout=_SECONDS_MAX, check=False, env={}
            )
        if said.returncode:
            return Explored(failed=(said.stderr.strip().splitlines() or ["it ended without a word"])[-1])
        found = _decode(said.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Explored(failed=str(error))
    return Explored(
        network=found.get("network", True),
        links=found.get("links", False),
        renames=found.get("renames", False),
        held_back=(over_root.upper / mark).exists() and not (root / mark).exists(),
        deletion=_is_deletion(over_sample.upper / "gone") and (sample / "gone").exists(),
        same_disk=over_root.upper.stat().st_dev == root.stat().st_dev,
    )


def _overlay(place: Path) -> Overlay:
    made = Overlay(place / "upper", place / "work")
    for path in made:
        path.mkdir(parents=True, exist_ok=True)
    return made


def _sample(place: Path) -> Path:
    sample = place / "lower"
    if not sample.exists():
        (sample / "folder").mkdir(parents=True)
        (sample / "one").touch()
        os.link(sample / "one", sample / "two")
        (sample / "gone").touch()
    return sample


def _is_deletion(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.lstat().st_mode)
    except OSError:
        return False


@contextmanager
def _listener() -> Generator[int]:
    """Listen on a port of this machine that a sandbox must not reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = cast("tuple[str, int]", server.getsockname())
        yield address[1]
