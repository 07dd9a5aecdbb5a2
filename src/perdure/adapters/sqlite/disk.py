"""Names made durable: a file that was renamed or created is only there once its directory is synced."""

import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Names in ``directory`` are durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
