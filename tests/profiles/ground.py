"""A user with a home and a project, for one client that is about to start."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from perdure.values.digest import Json
from perdure.wrap.profiles.dressing import dressed
from perdure.wrap.profiles.finding import found
from perdure.wrap.profiles.nouns import Dress, Seam, Surroundings, Whereabouts
from perdure.wrap.profiles.reading import known
from perdure.wrap.profiles.words import ClientProfile

BASE = "http://127.0.0.1:4321/-/secret"


def profile(name: str) -> ClientProfile:
    return next(each for each in known() if each.name == name)


class User:
    """One user's files; ``name`` is the client's profile."""

    def __init__(self, tmp_path: Path, name: str) -> None:
        self.profile = profile(name)
        self.home = tmp_path / "home"
        self.project = tmp_path / "project"
        self.folder = tmp_path / "overlay"
        for each in (self.home, self.project, self.folder):
            each.mkdir()
        self.environment: dict[str, str] = {"PATH": "/usr/bin", "HOME": str(self.home)}

    def writes(self, path: str, content: str | Mapping[str, object]) -> None:
        """``~/`` is the home, all else lies in the project."""
        file = self.home / path[2:] if path.startswith("~/") else self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    def stands(self, *arguments: str) -> Whereabouts:
        return Whereabouts(self.home, self.project, self.environment, arguments)

    def has(self, *arguments: str) -> Surroundings:
        return found(self.profile, self.stands(*arguments))

    def dressed(self, *arguments: str, hooks: Mapping[str, Json] | None = None) -> Dress:
        has = self.has(*arguments)
        shims = {each.name: ("/usr/bin/python", "-m", "shim", each.name) for each in has.servers}
        seam = Seam(BASE, "secret", self.folder, shims, hooks or {})
        return dressed(self.profile, self.stands(*arguments), has, seam)

    def digest(self) -> str:
        """Return what changes when any file of the user's does."""
        files = sorted(each for root in (self.home, self.project) for each in root.rglob("*"))
        told = hashlib.sha256()
        for each in files:
            told.update(f"{each} {each.lstat().st_mode} {each.lstat().st_mtime_ns}".encode())
            told.update(each.read_bytes() if each.is_file() else b"")
        return told.hexdigest()
