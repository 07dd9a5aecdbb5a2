"""What the last `make test-clients` showed, and whether it was of these sources."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHOWN = Path(__file__).with_name("clients.json")


def source_digest(root: Path = ROOT) -> str:
    """Name the sources that clients were run against: every file of the package."""
    running = hashlib.sha256()
    for path in sorted((root / "src/perdure").rglob("*.py")):
        running.update(f"{path.relative_to(root).as_posix()}\0".encode())
        running.update(hashlib.sha256(path.read_bytes()).digest())
    return running.hexdigest()


def commit(root: Path = ROOT) -> str:
    """Name the commit that is checked out; empty outside a repository."""
    done = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def last(path: Path = SHOWN, root: Path = ROOT) -> dict[str, Any]:
    """Return what was shown last. ``stale`` says why it may no longer hold; empty if it was of these sources.

    Never run: nothing has passed, and ``stale`` says so.
    """
    if not path.exists():
        none: dict[str, Any] = {"clients": {}, "clients_passed": 0, "clients_total": 0, "prefix_breaks": None}
        return none | {"commit": "", "stale": "make test-clients was never run here"}
    shown: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    same = shown["source"] == source_digest(root)
    stale = "" if same else f"the sources have changed since {shown['date']}, commit {shown['commit'][:10]}"
    if shown["changed"]:
        stale = f"the sources changed while the clients ran, until {shown['date']}"
    return shown | {"stale": stale}
