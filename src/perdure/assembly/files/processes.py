"""The services of a workspace as a part of its checkpoints: frozen into images, or at least known by name.

Invariants:
- An image is a tree in the store like any other, complete before anybody names it.
- What an image can't bring back is started anew by its command, and said.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from perdure.adapters.sandboxes.environment import clean_environment
from perdure.adapters.sandboxes.images.launcher import ImageLauncher
from perdure.adapters.sandboxes.images.notes import NAME as NOTE
from perdure.adapters.sandboxes.images.notes import read_note
from perdure.adapters.sandboxes.sandbox import Sandbox
from perdure.adapters.workspace.directory import Directory
from perdure.adapters.workspace.restore import apply_plan
from perdure.adapters.workspace.rules import IgnoreRules
from perdure.assembly.files.shelter import Shelter
from perdure.checkpoint.inspection import Inspection
from perdure.checkpoint.plan import plan_restore
from perdure.log.port import BlobStore
from perdure.values.errors import ImageFailed, PerdureError

ORDERS: Final = "orders.json"
"""The one file of an image that holds no memory: what was running, by name."""

Capture = Callable[[], Awaitable[Inspection]]


class Order(msgspec.Struct, frozen=True):
    """A service by name and command."""

    name: str
    command: str


class Frozen(NamedTuple):
    """Services and files of one moment. ``failed``: why no memory is in the image."""

    found: Inspection
    image: str
    failed: str = ""


class Processes:
    """What runs in one workspace."""

    def __init__(self, shelter: Shelter, store: BlobStore, scratch: Path) -> None:
        """Keep images of the services of ``shelter`` in ``store``."""
        self._shelter: Shelter = shelter
        self._store: BlobStore = store
        self._scratch: Path = scratch
        self._image: str = ""
        """the image that the living services are still known to be, if they have not run since"""

    @property
    def living(self) -> bool:
        """Whether any service lives."""
        sandbox = self._shelter.sandbox
        return sandbox is not None and bool(sandbox.services.living())

    def hot(self) -> set[str]:
        """Return the files that services can change through their memory, unseen."""
        sandbox = self._shelter.sandbox
        return sandbox.mapped_shared() if sandbox is not None else set()

    async def frozen(self, image: str, capture: Capture) -> Frozen:
        """Return files and services as they are at one moment; ``image`` where nothing has run since it.

        ``capture`` records the files, and may be called twice.
        """
        images = self._shelter.images
        if images is None:
            found = await capture()
            return Frozen(found, await asyncio.to_thread(self._ordered), _NO_MEMORY)
        if image and image == self._image and images.quiescent():
            found = await capture()
            if images.quiescent():
                return Frozen(found, image)
        try:
            return await self._dumped(images, capture)
        except ImageFailed as failed:
            found = await capture()
            return Frozen(found, await asyncio.to_thread(self._ordered), str(failed))

    async def ended(self) -> None:
        """No service lives."""
        self._image = ""
        if self._shelter.sandbox is not None:
            await self._shelter.sandbox.services.close()

    async def revived(self, image: str) -> tuple[str, ...]:
        """The services of ``image`` run again; return what had to be started anew, and why."""
        folder = self._scratch / "thawing"
        await asyncio.to_thread(self._laid_out, image, folder)
        sandbox = await self._shelter.opened()
        images = self._shelter.images
        environment = clean_environment({})
        if images is not None and (folder / NOTE).exists():
            thawed = await images.thaw(folder, environment)
            for service in thawed.services.values():
                sandbox.services.adopt(service.order, service)
            return thawed.notes
        return await self._restarted(sandbox, folder)

    async def _dumped(self, images: ImageLauncher, capture: Capture) -> Frozen:
        folder = self._scratch / "image"
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        try:
            _, found = await images.freeze(folder, capture)
            tree = await asyncio.to_thread(self._stored, folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        self._image = tree
        return Frozen(found, tree)

    def _stored(self, folder: Path) -> str:
        return Directory(folder, self._store, rules=IgnoreRules("", ()), secrets=()).record("", ()).tree

    def _ordered(self) -> str:
        """Store what runs by name; the same services give the same image."""
        sandbox = self._shelter.sandbox
        living = sandbox.services.living() if sandbox is not None else ()
        orders = [Order(each.name, each.command) for each in living]
        folder = self._scratch / "orders"
        folder.mkdir(parents=True, exist_ok=True)
        stored = msgspec.json.encode(orders)
        path = folder / ORDERS
        # Written only if it differs: its time is in the tree.
        if not path.exists() or path.read_bytes() != stored:
            path.write_bytes(stored)
        return self._stored(folder)

    def _laid_out(self, image: str, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        apply_plan(
            folder, plan_restore(self._store.get, "", image), self._store.get, owners=False, sync=False
        )

    async def _restarted(self, sandbox: Sandbox, folder: Path) -> tuple[str, ...]:
        notes: list[str] = []
        for order in await asyncio.to_thread(_orders, folder):
            try:
                await sandbox.start(order.name, order.command)
                notes.append(f"service {order.name} was started anew: what it had in memory is gone")
            except (OSError, PerdureError) as error:
                notes.append(f"service {order.name} could not be started: {error}")
        return tuple(notes)


_NO_MEMORY: Final = "services are known by name only: a restore starts them anew"


def _orders(folder: Path) -> list[Order]:
    if (folder / ORDERS).exists():
        return msgspec.json.decode((folder / ORDERS).read_bytes(), type=list[Order])
    return [Order(each.name, each.command) for each in read_note(folder).services]
