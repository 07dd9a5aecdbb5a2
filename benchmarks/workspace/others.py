"""What people use instead, behind the same port: a full copy, a shadow git repository, restic.

Each gets perdure's own coordinator for nothing: it works while the model thinks, and only the next deed waits
for it. In their own products they stand on the path, before or after each turn.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from perdure.checkpoint.inspection import Inspection, Restored, Window


class Method(Protocol):
    """A way to keep a directory; it holds all that it keeps below ``store``."""

    async def save(self) -> str:
        """Return the name of the directory's present state, kept."""
        ...

    async def load(self, name: str) -> None:
        """The directory is as it was under that name."""
        ...


class Copies:
    """The whole directory, copied each time."""

    def __init__(self, root: Path, store: Path) -> None:
        """Copy ``root`` into ``store``."""
        self._root, self._store = root, store
        store.mkdir(parents=True, exist_ok=True)

    async def save(self) -> str:
        """Copy."""
        name = f"{sum(1 for _ in self._store.iterdir()):06}"
        await _run("cp", "-a", str(self._root), str(self._store / name))
        return name

    async def load(self, name: str) -> None:
        """Copy back."""
        await _swap(self._store / name, self._root)


class ShadowGit:
    """A git repository outside of the directory that commits all of it."""

    def __init__(self, root: Path, store: Path) -> None:
        """Commit ``root`` into ``store``."""
        self._env = {
            **os.environ,
            "GIT_DIR": str(store),
            "GIT_WORK_TREE": str(root),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{
                f"GIT_{who}_{what}": "bench@localhost"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }
        self._store = store
        store.mkdir(parents=True, exist_ok=True)

    async def save(self) -> str:
        """Commit what is there, if it is another than before."""
        if not (self._store / "HEAD").exists():
            await self._git("init", "--quiet")
            # A pack in the background would be counted to whoever is measured next.
            await self._git("config", "gc.auto", "0")
        await self._git("add", "--all")
        await self._git("commit", "--quiet", "--message", "turn", check=False)
        return (await self._git("rev-parse", "HEAD")).strip()

    async def load(self, name: str) -> None:
        """Make the directory that commit."""
        await self._git("reset", "--quiet", "--hard", name)
        await self._git("clean", "--quiet", "-ffdx")

    async def _git(self, *arguments: str, check: bool = True) -> str:
        return await _run("git", *arguments, env=self._env, check=check)


class Restic:
    """restic's own repository."""

    def __init__(self, root: Path, store: Path) -> None:
        """Back ``root`` up into ``store``."""
        self._root, self._store = root, store
        self._env = {**os.environ, "RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": str(store)}

    async def save(self) -> str:
        """Back up."""
        if not (self._store / "config").exists():
            await self._restic("init", "--quiet")
        await self._restic("backup", "--quiet", str(self._root))
        names = sorted((self._store / "snapshots").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return names[-1].name

    async def load(self, name: str) -> None:
        """Restore beside it, then swap: this restic deletes nothing by itself."""
        aside = self._root.with_name(self._root.name + ".restic")
        await self._restic("restore", name, "--quiet", "--target", str(aside))
        await _swap(aside / self._root.relative_to("/"), self._root)
        shutil.rmtree(aside)

    async def _restic(self, *arguments: str) -> str:
        return await _run("restic", *arguments, env=self._env)


class OtherPlace:
    """A workspace kept by one of these methods."""

    def __init__(self, method: Method) -> None:
        """Keep by ``method``."""
        self._method = method
        self._names: dict[str, str] = {}

    async def record(self, known: str, image: str, windows: Sequence[Window]) -> Inspection:
        """Keep the directory."""
        del image, windows
        name = await self._method.save()
        tree = hashlib.sha256(name.encode()).hexdigest()
        self._names[tree] = name
        return Inspection(tree, "none" if tree == known else "files")

    async def restore(
        self, tree: str, image: str, keep: Sequence[str], windows: Sequence[Window] | None, seen: str = ""
    ) -> Restored:
        """Put the directory back."""
        del image, keep, windows, seen
        await self._method.load(self._names[tree])
        return Restored(0, 0)

    def hurry(self) -> None:
        """Nothing can be hurried."""

    async def close(self) -> None:
        """Nothing is held."""


async def _swap(source: Path, root: Path) -> None:
    """``root`` holds what ``source`` holds, and nothing else; it stays the same directory."""
    await _run("rm", "-rf", *await asyncio.to_thread(_below, root))
    await _run("cp", "-a", f"{source}/.", str(root))


def _below(root: Path) -> list[str]:
    return [str(each) for each in root.iterdir()]


async def _run(*command: str, env: Mapping[str, str] | None = None, check: bool = True) -> str:
    running = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, wrong = await running.communicate()
    if check and running.returncode != 0:
        raise OSError(f"{command[0]} failed: {wrong.decode(errors='replace').strip()}")
    return said.decode()
