"""Clients get an environment of their own each, under ``.clients/``, made once per version."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.clients.kinds import Client
from tests.clients.place import CLIENTS, node_bin

INSTALL_SECONDS_MAX = 900
FREE_BYTES_MIN = 2 << 30
"""Of disk, before another client is fetched: the largest takes 600 MB."""


class NotInstalled(Exception):
    """A client can't be had here; the message says why."""


def installed(client: Client) -> Path:
    """Return where ``client`` stands, fetched now if that version was not there. Raises ``NotInstalled``."""
    home = CLIENTS / client.folder
    mark = home / ".version"
    wanted = " ".join(client.packages)
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return home
    CLIENTS.mkdir(exist_ok=True)
    if shutil.disk_usage(CLIENTS).free < FREE_BYTES_MIN:
        raise NotInstalled("less than 2 GB of disk are free")
    shutil.rmtree(home, ignore_errors=True)
    print(f"installing {wanted}", file=sys.stderr, flush=True)
    if client.npm:
        home.mkdir()
        npm = [
            *npm_command(),
            "install",
            "--prefix",
            str(home),
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
            "--force",
        ]
        _ran([*npm, *client.packages])
    else:
        _ran([sys.executable, "-m", "venv", str(home)])
        pip = [str(home / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        _ran([*pip, *client.packages])
    mark.write_text(wanted, encoding="utf-8")
    return home


def npm_command() -> list[str]:
    """Return how npm is called: the one that came with the installed Node, whose own starter finds itself no more."""
    script = node_bin().parent / "lib/node_modules/npm/bin/npm-cli.js"
    return [str(node_bin() / "node"), str(script)] if script.exists() else ["npm"]


def _ran(command: list[str]) -> None:
    path = f"{node_bin()}{os.pathsep}{os.environ['PATH']}"
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS_MAX,
            check=False,
        )
    except (subprocess.TimeoutExpired, FileNotFoundError) as error:
        raise NotInstalled(str(error)) from error
    if done.returncode:
        raise NotInstalled(f"{' '.join(command[:4])} ...: {(done.stderr or done.stdout).strip()[-400:]}")
