"""A directory as one can write it down: what each file holds, where links lead, which directories are empty."""

import os
import stat
from pathlib import Path

Tree = dict[str, str]
"""By path: content, behind the permissions where they aren't 644; ``-> target`` of a link; ``dir/`` where it is empty."""


def tree_of(root: Path) -> Tree:
    """Return the tree under ``root``."""
    found: Tree = {}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        for name in [*folders, *files]:
            path = here / name
            spelled = str(path.relative_to(root))
            if path.is_symlink():
                found[spelled] = f"-> {path.readlink()}"
            elif path.is_file():
                mode = stat.S_IMODE(path.stat().st_mode)
                text = path.read_bytes().decode(errors="backslashreplace")
                found[spelled] = text if mode == 0o644 else f"{mode:o} {text}"
            elif not any(path.iterdir()):
                found[f"{spelled}/"] = ""
    return found


def unlike(found: Tree, wanted: Tree) -> str:
    """Return how ``found`` differs from ``wanted``; empty where it doesn't."""
    parts = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    parts += [f"{name} is there" for name in sorted(found.keys() - wanted.keys())]
    parts += [
        f"{name} holds {found[name][:60]!r}, not {wanted[name][:60]!r}"
        for name in sorted(found.keys() & wanted.keys())
        if found[name] != wanted[name]
    ]
    return "; ".join(parts)
