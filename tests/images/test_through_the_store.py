"""An image is a tree of the store like any other: recorded, laid out again, thawed."""

import asyncio
import shutil
from pathlib import Path

import pytest

from perdure.adapters.sandboxes.images.criu import Criu
from perdure.adapters.workspace.directory import Directory
from perdure.adapters.workspace.restore import apply_plan
from perdure.adapters.workspace.rules import IgnoreRules
from perdure.checkpoint.plan import plan_restore
from perdure.log.port import BlobStore
from perdure.values.errors import BlobMissing
from tests.images import programs
from tests.images.kit import Place, place, said, until


class Blobs(BlobStore):
    """What is put is there; counts the bytes that were not there before."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.new = 0

    def get(self, digest: str, start: int = 0, size: int | None = None) -> bytes:
        if digest not in self.kept:
            raise BlobMissing(digest)
        return self.kept[digest][start : None if size is None else start + size]

    def put(self, digest: str, content: bytes) -> None:
        if digest not in self.kept:
            self.kept[digest] = content
            self.new += len(content)

    def has(self, digest: str) -> bool:
        return digest in self.kept

    def flush(self) -> None:
        return


def _recorded(folder: Path, store: BlobStore) -> str:
    return Directory(folder, store, rules=IgnoreRules("", ()), secrets=()).record("", ()).tree


def _laid_out(tree: str, folder: Path, store: BlobStore) -> None:
    folder.mkdir(parents=True)
    apply_plan(folder, plan_restore(store.get, "", tree), store.get, owners=False, sync=False)


async def _kept(here: Place, store: Blobs) -> tuple[str, str]:
    """Take an image with the files of its moment, keep both in the store alone, and return their trees."""

    async def files() -> str:
        return await asyncio.to_thread(_recorded, here.root, store)

    image, tree = await here.launcher.freeze(here.base / "image", files)
    kept = await asyncio.to_thread(_recorded, image.folder, store)
    shutil.rmtree(image.folder)
    return tree, kept


def test_services_come_back_from_the_store_alone(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        store = Blobs()
        async with place(tmp_path / "first", criu) as here:
            await here.python("counter", programs.COUNTER)
            await here.python("ghost", programs.GHOST)
            await here.ask(8001)
            tree, image = await _kept(here, store)
        async with place(tmp_path / "second", criu) as there:
            shutil.rmtree(there.root)
            _laid_out(tree, there.root, store)
            _laid_out(image, there.base / "laid out", store)
            assert (await there.launcher.thaw(there.base / "laid out", {})).notes == ()
            assert await there.ask(8001) == "2"
            assert await there.ask(8002) == "nobody sees this"

    asyncio.run(story())


LARGE = f"import random\nballast = random.Random(1).randbytes(32 << 20)\n{programs.COUNTER}"


@pytest.mark.parametrize("thawed", [False, True])
def test_the_next_image_of_a_large_service_costs_little(tmp_path: Path, criu: Criu, *, thawed: bool) -> None:
    async def story() -> None:
        store = Blobs()
        async with place(tmp_path, criu) as here:
            await here.python("large", LARGE)
            await here.ask(8001)
            tree, image = await _kept(here, store)
            assert store.new > 32 << 20
            if thawed:
                await here.crash()
                _laid_out(image, here.base / "laid out", store)
                await here.launcher.thaw(here.base / "laid out", {})
            store.new = 0
            await here.ask(8001)
            assert await _kept(here, store) != (tree, image)
            assert store.new < 2 << 20

    asyncio.run(story())


def test_what_a_program_said_without_end_is_kept_by_its_end(
    tmp_path: Path, criu: Criu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.adapters.sandboxes.images.freezing.SERVICE_OUTPUT_KEPT_BYTES", 10)

    async def story() -> None:
        async with place(tmp_path, criu) as here:
            talking = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done; exec sleep 1000"
            service = await here.start("talking", talking)
            await until(lambda: "line 100\n" in said(service))
            length = len(said(service))
            await here.freeze("image")
            await here.crash()
            thawed = await here.restore("image")
            assert thawed.notes == ()
            assert said(thawed.services["talking"]) == "\0" * (length - 10) + "\nline 100\n"

    asyncio.run(story())
