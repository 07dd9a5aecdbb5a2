"""Paths in the arguments of a client's tools, as contracts see them: relative to the workspace where they lie in it.

Clients spell paths whole, or relative to the directory that their shell stands in. What counts is the file that is
meant: links are followed, so that a link within the workspace leads no glob astray.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from perdure.intention.declaration import Declaration
from perdure.values.digest import Json
from perdure.wrap.hooks.builtins import TOUCHED

_PATCHED = re.compile(r"^\*\*\* (?:Add File|Update File|Delete File|Move to): (.+?)\s*$", re.MULTILINE)
"""Lines of a patch that name files."""

_PATCH_TEXTS = ("command", "patchText", "input", "patch")
"""Arguments that a patch stands in, by client."""


def placed(
    declaration: Declaration, arguments: Mapping[str, Json], root: Path | None, standing: str
) -> dict[str, Json]:
    """Return ``arguments`` with their paths as contracts see them.

    ``standing`` is the directory that relative ones begin in. Paths that stand within a text are added.
    """
    known = dict(arguments)
    for name in (*declaration.reads, *declaration.writes):
        path = known.get(name)
        if isinstance(path, str) and path:
            known[name] = spelled_in(root, standing, path)
    if TOUCHED in declaration.reads and isinstance(pattern := arguments.get("pattern"), str):
        known[TOUCHED] = [_globbed(declaration, arguments, root, standing, pattern)]
    elif TOUCHED in declaration.writes:
        patch = next((arguments[name] for name in _PATCH_TEXTS if name in arguments), "")
        named = _PATCHED.finditer(patch) if isinstance(patch, str) else ()
        known[TOUCHED] = [spelled_in(root, standing, each[1]) for each in named]
    return known


def paths_of(declaration: Declaration, arguments: Mapping[str, Json]) -> list[str]:
    """Return the paths that the call names."""
    found: list[str] = []
    for name in (*declaration.reads, *declaration.writes):
        value = arguments.get(name)
        found += [value] if isinstance(value, str) else []
        found += [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    return found


def spelled_in(root: Path | None, standing: str, path: str) -> str:
    """Return ``path`` relative to ``root`` where the file lies in it, else whole."""
    if path.startswith("~") or "\x00" in path:
        # The contract has its own words for what can't be read in one way only.
        return path
    base = standing or (str(root) if root is not None else os.sep)
    whole = os.path.realpath(os.path.join(base, path))  # noqa: PTH118 - a path that starts at / replaces the base
    if root is None:
        return whole
    within = os.path.relpath(whole, os.path.realpath(root))
    return whole if within == ".." or within.startswith("../") else within


def _globbed(
    declaration: Declaration, arguments: Mapping[str, Json], root: Path | None, standing: str, pattern: str
) -> str:
    """Return what a pattern looks through: the part of it before its first wildcard is a path."""
    base = next((name for name in declaration.reads if name != TOUCHED), "")
    begins = arguments.get(base)
    start = str(Path(standing or "/", begins)) if isinstance(begins, str) and begins else standing
    fixed: list[str] = []
    parts = pattern.split("/")
    while parts and not re.search(r"[*?\[{]", parts[0]):
        fixed.append(parts.pop(0))
    place = spelled_in(root, start, "/".join(fixed) or ("/" if pattern.startswith("/") else "."))
    rest = "/".join(part for part in parts if part)
    return f"{place}/{rest}".removeprefix("./") if rest else place
