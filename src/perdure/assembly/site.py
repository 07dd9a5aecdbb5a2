"""Where a run has its workspace."""

from pathlib import Path
from typing import NamedTuple


class Site(NamedTuple):
    """A run's directory, and where perdure may write beside it."""

    run: str
    root: Path
    scratch: Path
    """outside of the workspace; everything in it may be deleted while nobody drives the run"""
    owner: str
    """the run that its children share the directory with"""
