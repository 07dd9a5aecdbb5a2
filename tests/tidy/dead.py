"""What nobody uses any more, as vulture sees it, less what it can't judge: ``python -m tests.tidy.dead``.

A field of a record is read by whoever prints, stores or sends the record whole, and a parameter of a port
by its adapters; an agent that a test runs as a process is named by text. Vulture sees none of them. Unused
locals and parameters of functions are ruff's to report. What remains is functions, methods, properties,
classes, imports, constants, and code that can't be reached.
"""

import ast
import re
import sys
import tomllib
from pathlib import Path

from vulture import Vulture

FIELDS = {"variable", "attribute"}


def constants(path: Path, root: Path) -> set[str]:
    """Return the names that the file at ``path`` assigns on its outermost level, if a user installs it."""
    found: set[str] = set()
    if not path.is_relative_to(root / "src"):
        return found
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case _:
                continue
    return found


def named_in_casts(path: Path) -> set[str]:
    """Return the names that the file at ``path`` uses only as the quoted type of a cast."""
    quoted = re.findall(r"""\bcast\(\s*["']([^"']+)["']""", path.read_text(encoding="utf-8"))
    return {name for text in quoted for name in re.findall(r"\w+", text)}


def dead(root: Path) -> list[str]:
    """Return what is unused below ``root``, with the settings of its ``pyproject.toml``."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["vulture"]
    paths = [str(root / path) for path in settings["paths"] if (root / path).exists()]
    vulture = Vulture(ignore_names=settings["ignore_names"], ignore_decorators=settings["ignore_decorators"])
    vulture.scavenge(paths)
    return [
        f"{Path(item.filename).relative_to(root)}:{item.first_lineno}: {item.message}"
        for item in vulture.get_unused_code(min_confidence=settings["min_confidence"])
        if (item.typ not in FIELDS or item.name in constants(Path(item.filename), root))
        and item.name not in named_in_casts(Path(item.filename))
    ]


if __name__ == "__main__":
    found = dead(Path.cwd())
    print("\n".join(found))
    sys.exit(bool(found))
