"""A directory as a workspace: looked at, recorded, and put back."""

from perdure.adapters.workspace.directory import Directory, Present

__all__ = ["Directory", "Present"]
