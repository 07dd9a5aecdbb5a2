"""Why a machine refuses sandboxes, and what would let them be."""

import os
import re
from pathlib import Path
from typing import Final

_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def cure() -> str:
    """Return what most likely allows user namespaces on this machine."""
    if _number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1:
        return "allow user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for bwrap"
    if _number("/proc/sys/kernel/unprivileged_userns_clone") == 0:
        return "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1"
    if _number("/proc/sys/user/max_user_namespaces") == 0:
        return "allow user namespaces: sysctl user.max_user_namespaces=15000"
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return (
            "start the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
        )
    return "allow unprivileged user namespaces and mounts within them"


def other_owner(root: Path) -> str:
    """Say so if the workspace belongs to a user that a sandbox of ours can't act for."""
    owner = root.stat().st_uid
    return (
        ""
        if owner == os.geteuid()
        else f"the workspace belongs to user {owner}, and perdure runs as {os.geteuid()}"
    )


def submounts(root: Path) -> list[str]:
    """Return the mount points within ``root``."""
    try:
        lines = (
            Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        )
    except OSError:
        return []
    places = [_OCTAL.sub(lambda found: chr(int(found[1], 8)), line.split(" ")[4]) for line in lines]
    return [place for place in places if place.startswith(f"{root}/")]


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
