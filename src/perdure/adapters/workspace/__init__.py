"""A directory as a workspace: looked at, recorded, and put back."""

from perdure.adapters.workspace.directory import Directory, Present
from perdure.adapters.workspace.old import DirectoryWorkspace

__all__ = ["Directory", "DirectoryWorkspace", "Present"]
