"""Where a store is that nobody named."""

import os
from pathlib import Path


def home_store() -> Path:
    """Return where the runs of wrapped clients are: outside of every directory that one would work in."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "perdure"
