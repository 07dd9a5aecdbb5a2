"""restic, brought from the distribution where this may install packages; else its reason is told."""

import os
import shutil
import subprocess

INSTALL_SECONDS_MAX = 120
COMMAND = ("apt-get", "install", "--yes", "--quiet", "restic")


def restic_installed() -> str:
    """Restic is here if it can be had; return why it can't, empty if it is."""
    if shutil.which("restic"):
        return ""
    if os.geteuid() != 0 or shutil.which(COMMAND[0]) is None:
        return "restic is not installed, and only root on Debian installs it here"
    try:
        done = subprocess.run(
            COMMAND, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"restic can't be installed: {error}"
    return "" if shutil.which("restic") else f"restic can't be installed: {done.stderr.strip()[-200:]}"
