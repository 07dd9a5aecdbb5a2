"""A place where services live: a workspace, its launcher, and a copy of the files at each image."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.images.criu import Criu
from perdure.adapters.sandboxes.images.freezing import Image
from perdure.adapters.sandboxes.images.launcher import ImageLauncher, Revival
from perdure.adapters.sandboxes.images.service import TreeService
from perdure.adapters.sandboxes.services import ServiceOrder
from perdure.adapters.sandboxes.view import HOME, View

ENVIRONMENT: Final = {
    "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    "HOME": HOME,
    "LANG": "C.UTF-8",
}
PATIENCE_SECONDS: Final = 30

# Says one line to a port, and prints the line that comes back.
_ASK: Final = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as line:
    line.sendall(sys.argv[2].encode() + b"\\n")
    print(line.makefile().readline().strip())
"""


class Place:
    """One run's workspace with services, below ``base``."""

    def __init__(self, base: Path, criu: Criu, root: Path | None = None) -> None:
        self.base = base
        self.root = root or base / "workspace"
        self.root.mkdir(parents=True, exist_ok=True)
        self.view = View(self.root, base / "scratch")
        self.launcher = ImageLauncher(self.view, base / "scratch" / "services", base / "images", criu)

    async def start(self, name: str, command: str) -> TreeService:
        folder = self.base / "scratch" / "services" / name
        return await self.launcher.launch(ServiceOrder(name, command, ENVIRONMENT, folder))

    async def python(self, name: str, text: str) -> TreeService:
        """Start a Python program, and return when it has said that it is up."""
        (self.root / f"{name}.py").write_text(text, encoding="utf-8")
        service = await self.start(name, f"exec {sys.executable} -u {name}.py")
        await until(lambda: "up\n" in said(service) or service.over)
        assert not service.over, said(service)
        return service

    async def ask(self, port: int, words: str = "more") -> str:
        """Say ``words`` to whoever listens on ``port`` in the services' network, and return the answer."""
        return await asyncio.to_thread(self._ask, port, words)

    async def freeze(self, name: str) -> Image:
        """Take an image, with a copy of the files of the same moment."""
        image, _ = await self.launcher.freeze(self.base / name, lambda: self._copied(name))
        return image

    async def crash(self) -> None:
        """Everything dies at once, and what it had written since stays where it is."""
        await self.launcher.close()

    async def put_back(self, name: str) -> None:
        """Make the workspace what it was when the image of that name was taken."""
        for entry in list(self.root.iterdir()):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.copytree(self.base / f"{name}.files", self.root, symlinks=True, dirs_exist_ok=True)

    async def restore(self, name: str) -> Revival:
        """Files first, then the services."""
        await self.put_back(name)
        return await self.launcher.thaw(self.base / name, ENVIRONMENT)

    async def _copied(self, name: str) -> None:
        await asyncio.to_thread(shutil.copytree, self.root, self.base / f"{name}.files", symlinks=True)

    def _ask(self, port: int, words: str) -> str:
        line = [*self.launcher.entrance(), sys.executable, "-I", "-S", "-c", _ASK, str(port), words]
        done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextlib.asynccontextmanager
async def place(base: Path, criu: Criu) -> AsyncGenerator[Place]:
    """Give a place, and leave nothing alive."""
    made = Place(base, criu)
    try:
        yield made
    finally:
        await made.launcher.close()


def said(service: TreeService) -> str:
    """Return all that a service has said."""
    try:
        return service.order.output.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


async def until(true: Callable[[], bool]) -> None:
    """Return when ``true()`` is: the fact is another program's, so it is looked at again and again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    """Whether a program with this id lives."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
