"""Starts services so that they can be frozen into an image and thawed: the launcher of level L2.

Invariants:
- All services of a run live in one tree, so that an image holds all of them at one moment, with the
  connections between them.
- Nothing is started in the tree while it is being frozen.
- The tree ends with the process that holds this launcher, however that ends.
- ``quiescent`` is true only if no program of the tree has run since the image, none began or ended, and
  none wrote to anything in the moment between its image and the first look at it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from perdure.adapters.sandboxes.images.criu import Criu
from perdure.adapters.sandboxes.images.freezing import Image, freeze_tree
from perdure.adapters.sandboxes.images.layout import Layout, layout
from perdure.adapters.sandboxes.images.leash import Leash, leashed
from perdure.adapters.sandboxes.images.members import Pulse, pulse
from perdure.adapters.sandboxes.images.notes import ImageNote, ServiceNote, read_note
from perdure.adapters.sandboxes.images.packing import Packs
from perdure.adapters.sandboxes.images.service import TreeService, begin
from perdure.adapters.sandboxes.images.thawing import thaw_tree
from perdure.adapters.sandboxes.images.tree import Tree, fell, grow, swept
from perdure.adapters.sandboxes.services import ServiceOrder
from perdure.adapters.sandboxes.view import View, furnished
from perdure.values.errors import ImageFailed

T = TypeVar("T")


class Revival(NamedTuple):
    """The services of an image, alive again; ``notes`` says which had to be started anew, and why."""

    services: Mapping[str, TreeService]
    notes: tuple[str, ...] = ()


class ImageLauncher:
    """Services of one run, started in a tree of their own and seen by CRIU.

    They have a loopback of their own and no other network, also where the machine's is open to commands.
    """

    def __init__(
        self, view: View, folders: Path, scratch: Path, criu: Criu, writable: Sequence[Path] | None = None
    ) -> None:
        """Show services what ``view`` says; each has its folder below ``folders``. ``scratch`` is ours alone.

        Where ``writable`` is given, services can change only those paths of the workspace.
        """
        self._writable: Sequence[Path] | None = writable
        self._view: View = view
        self._folders: Path = folders
        self._scratch: Path = scratch
        self._criu: Criu = criu
        self._tree: Tree | None = None
        self._leash: Leash | None = None
        self._packs: Packs | None = None
        self._services: dict[str, TreeService] = {}
        self._since: Pulse | None = None
        self._alone: asyncio.Lock = asyncio.Lock()

    async def launch(self, order: ServiceOrder) -> TreeService:
        """Start a service; raises ``OSError`` where that can't be done."""
        async with self._alone:
            tree = self._tree if self._tree and self._tree.lives() else await self._grown()
            service = await begin(order, tree, self._folders)
            self._services[order.name] = service
            return service

    def entrance(self) -> tuple[str, ...]:
        """Return the words that let a command start on the services' loopback; none without services."""
        return tuple(self._tree.entrance("net")) if self._tree and self._tree.lives() else ()

    def living(self) -> tuple[str, ...]:
        """Return the names of the services of which a program lives."""
        return tuple(sorted(name for name, service in self._services.items() if service.programs()))

    async def freeze(self, into: Path, capture: Callable[[], Awaitable[T]]) -> tuple[Image, T]:
        """Write an image of all living services into the new folder ``into``, with ``capture`` at that moment.

        Returns the image and what ``capture`` returned. Raises ``ImageFailed`` with the reason, or what
        ``capture`` raised: then ``into`` isn't there, and the services go on.
        """
        async with self._alone:
            living = [self._services[name] for name in self.living()]
            if self._tree is None or not living:
                raise ImageFailed("no service lives of which an image could be taken")
            self._since = None
            packs = await self._kept()
            image, captured = await freeze_tree(self._criu, self._tree, living, into, capture, packs.pack)
            self._since = image.stood
            return image, captured

    def quiescent(self) -> bool:
        """Return whether the image taken last is still what the services are.

        Ask after the files were recorded: then it holds for the time of the recording as well. After a
        thaw it is false, since nobody saw what the programs did first: a new image is due.
        """
        if self._tree is None or self._since is None:
            return False
        now = pulse(self._tree.first)
        return now is not None and now.still and now.threads == self._since.threads

    async def thaw(self, folder: Path, environment: Mapping[str, str]) -> Revival:
        """End what lives, and bring the image in ``folder`` back; the files have to be those of its moment.

        A service whose programs can't be brought back is started by its command, in ``environment``, and
        the notes say so. Raises ``OSError`` if that fails too, and ``ImageFailed`` if it is no image.
        """
        async with self._alone:
            await self._ended()
            noted = await asyncio.to_thread(read_note, folder)
            made = await self._made(noted.inside)
            try:
                tree = await thaw_tree(
                    self._criu, folder, noted, made, self._folders, note=self._scratch / "tree.note"
                )
            except ImageFailed as failed:
                return await self._anew(noted, environment, str(failed))
            await self._taken(tree)
            await asyncio.to_thread((await self._kept()).learn, folder)
            for each in noted.services:
                order = self._order(each, environment)
                self._services[each.name] = TreeService(order, tree, each.pid, self._folders)
            return Revival(dict(self._services))

    async def close(self) -> None:
        """End every program of every service, and of one that a killed perdure left here."""
        async with self._alone:
            await self._ended()

    async def _kept(self) -> Packs:
        """Return the packs of the last image, none at first."""
        if self._packs is None:
            self._packs = await asyncio.to_thread(Packs, self._scratch / "packs")
        return self._packs

    async def _grown(self) -> Tree:
        return await self._taken(await grow(await self._made(""), self._scratch / "tree.note"))

    async def _taken(self, tree: Tree) -> Tree:
        """Take the tree as ours: it ends with us."""
        if self._leash is not None:
            self._leash.let_go()
        self._tree = tree
        self._leash = await leashed(tree)
        return tree

    async def _made(self, inside: str) -> Layout:
        """Return the root's layout, after what a killed perdure left alive here was ended."""
        await asyncio.to_thread(furnished, self._view)
        await asyncio.to_thread(self._folders.mkdir, parents=True, exist_ok=True)
        root = self._scratch / "root"
        made = layout(self._view, self._folders, root, inside=inside, writable=self._writable)
        await asyncio.to_thread(made.root.mkdir, parents=True, exist_ok=True)
        await swept(self._scratch / "tree.note")
        return made

    async def _anew(self, noted: ImageNote, environment: Mapping[str, str], why: str) -> Revival:
        tree = await self._grown()
        notes: list[str] = []
        for each in noted.services:
            order = self._order(each, environment)
            self._services[each.name] = await begin(order, tree, self._folders)
            notes.append(f"service {each.name} was started anew by its command: {why}")
        return Revival(dict(self._services), tuple(notes))

    def _order(self, note: ServiceNote, environment: Mapping[str, str]) -> ServiceOrder:
        return ServiceOrder(note.name, note.command, environment, self._folders / note.folder)

    async def _ended(self) -> None:
        if self._tree is not None:
            await fell(self._tree.first, self._tree.since)
        if self._leash is not None:
            self._leash.let_go()
        await swept(self._scratch / "tree.note")
        self._tree = self._leash = self._since = None
        self._services.clear()
