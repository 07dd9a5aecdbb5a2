"""What can't be captured is said, and nothing is worse than before."""

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.adapters.sandboxes.images import freezing, kept, packing, thawing
from perdure.adapters.sandboxes.images.criu import Criu
from perdure.adapters.sandboxes.images.tree import lives
from perdure.values.errors import ImageFailed
from tests.images import programs
from tests.images.kit import ENVIRONMENT, Place, alive, place, said, until


async def _nothing_left(here: Place, name: str) -> None:
    left = [path.name for path in here.base.iterdir() if path.name in (name, f"{name}.part", f"{name}.pipes")]
    assert left == [], "a failed image leaves nothing"


def test_a_socket_to_somebody_outside_can_not_be_captured_and_the_service_goes_on(
    tmp_path: Path, criu: Criu, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            monkeypatch.chdir(here.root)
            with socket.socket(socket.AF_UNIX) as outside:
                outside.bind("outside.sock")
                outside.listen()
                service = await here.python("outward", programs.OUTWARD)
                peer, _ = outside.accept()
                # While its peer is there: a program may end when that hangs up.
                with peer:
                    with pytest.raises(ImageFailed, match="outside of the sandbox"):
                        await here.freeze("image")
                    await _nothing_left(here, "image")
                    assert not service.over

    asyncio.run(story())


def test_a_process_that_a_debugger_holds_can_not_be_captured(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            service = await here.python("tracer", programs.TRACER)
            with pytest.raises(ImageFailed, match="service tracer can't be captured: a debugger holds it"):
                await here.freeze("image")
            assert not service.over

    asyncio.run(story())


def test_io_uring_is_refused_so_that_programs_do_without(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            service = await here.start("uring", f"{sys.executable} -c '{programs.URING}'")
            await service.ended()
            assert said(service) == "ENOSYS\nup\n"

    asyncio.run(story())


def test_what_an_image_may_hold_is_bounded(
    tmp_path: Path, criu: Criu, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)
            with monkeypatch.context() as bounded:
                bounded.setattr(freezing, "IMAGE_BYTES_MAX", 1 << 20)
                with pytest.raises(ImageFailed, match="at most 1"):
                    await here.freeze("image")
            (here.view.folder / "tmp" / "large").write_bytes(bytes(2 << 20))
            with monkeypatch.context() as bounded:
                bounded.setattr(kept, "TEMPORARY_BYTES_MAX", 1 << 20)
                with pytest.raises(ImageFailed, match="/tmp holds 2 MiB"):
                    await here.freeze("image")
            await _nothing_left(here, "image")
            assert await here.ask(8001) == "1"
            await here.freeze("image")

    asyncio.run(story())


def test_where_files_can_not_be_recorded_there_is_no_image_and_services_go_on(
    tmp_path: Path, criu: Criu
) -> None:
    async def refuse() -> None:
        raise OSError("the disk is full")

    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)
            await here.freeze("old")
            assert await here.ask(8001) == "1"
            with pytest.raises(OSError, match="the disk is full"):
                await here.launcher.freeze(here.base / "new", refuse)
            await _nothing_left(here, "new")
            assert await here.ask(8001) == "2"
            assert not here.launcher.quiescent()
            await here.crash()
            await here.restore("old")
            assert await here.ask(8001) == "1"

    asyncio.run(story())


def test_a_disk_that_is_full_costs_one_image_and_no_later_one(
    tmp_path: Path, criu: Criu, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)
            await here.freeze("first")
            assert await here.ask(8001) == "1"
            with monkeypatch.context() as full:
                full.setattr(packing, "_linked", _no_space)
                with pytest.raises(OSError, match="No space left"):
                    await here.freeze("second")
            await _nothing_left(here, "second")
            assert await here.ask(8001) == "2"
            shutil.rmtree(here.base / "second.files")
            # What a freeze that was killed may have left stands in nobody's way.
            (here.base / "second.part" / "left").mkdir(parents=True)
            (here.base / "second.pipes" / "left").mkdir(parents=True)
            await here.freeze("second")
            await here.crash()
            assert (await here.restore("second")).notes == ()
            assert await here.ask(8001) == "3"

    asyncio.run(story())


def _no_space(source: Path, target: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))


def test_services_do_not_stand_still_for_longer_than_the_bound(
    tmp_path: Path, criu: Criu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "FREEZE_SECONDS_MAX", 1)

    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)

            async def too_slow() -> None:
                # It answers again although this is not over: nobody keeps it still any more.
                assert await here.ask(8001) == "1"

            with pytest.raises(ImageFailed, match="within 1 s"):
                await here.launcher.freeze(here.base / "image", too_slow)
            assert await here.ask(8001) == "2"

    asyncio.run(story())


def test_a_freeze_that_is_cancelled_lets_the_services_go(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)
            frozen = asyncio.Event()

            async def forever() -> None:
                frozen.set()
                await asyncio.Event().wait()

            freeze = asyncio.create_task(here.launcher.freeze(here.base / "image", forever))
            await frozen.wait()
            freeze.cancel()
            with pytest.raises(asyncio.CancelledError):
                await freeze
            await _nothing_left(here, "image")
            assert await here.ask(8001) == "1"
            await here.freeze("image")

    asyncio.run(story())


_DIES: str = """
import asyncio, os, signal, sys
from pathlib import Path
from perdure.adapters.sandboxes.images.criu import find_criu
from tests.images import programs
from tests.images.kit import Place

async def die():
    os.kill(os.getpid(), signal.SIGKILL)

async def main(base):
    here = Place(base, find_criu())
    await here.python("counter", programs.COUNTER)
    await here.ask(8001)
    await here.freeze("old")
    await here.ask(8001)
    await here.launcher.freeze(base / "new", die)

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_perdure_killed_in_the_middle_takes_its_services_along_and_leaves_the_image_before(
    tmp_path: Path, criu: Criu
) -> None:
    died = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path)], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    first, since = map(int, (tmp_path / "images" / "tree.note").read_text().split()[:2])

    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await until(lambda: not lives(first, since))
            assert not (here.base / "new").exists()
            assert (await here.restore("old")).notes == ()
            assert await here.ask(8001) == "2"

    asyncio.run(story())


def test_what_nobody_ended_is_ended_before_anything_else_is_done(
    tmp_path: Path, criu: Criu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever should have ended it was killed with perdure."""

    async def story() -> None:
        left = Place(tmp_path, criu)
        forgotten = await left.start("forgotten", "exec sleep 1000")
        async with place(tmp_path, criu) as here:
            await here.launcher.close()
            assert forgotten.over
        again = await left.start("again", "exec sleep 1000")
        async with place(tmp_path, criu) as here:
            await here.start("new", "exec sleep 1000")
            assert again.over
        await left.launcher.close()

    asyncio.run(story())


def test_a_stranger_with_the_id_of_what_was_left_is_not_harmed(tmp_path: Path, criu: Criu) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    async def story() -> None:
        async with place(tmp_path, criu) as here:
            stranger = await asyncio.create_subprocess_exec("sleep", "1000")
            (here.base / "images").mkdir(parents=True)
            (here.base / "images" / "tree.note").write_text(f"{stranger.pid} 1 {boot}")
            await here.start("asleep", "exec sleep 1000")
            assert stranger.returncode is None
            assert alive(stranger.pid)
            stranger.kill()
            await stranger.wait()

    asyncio.run(story())


async def _count_goes_on(here: Place, *, files_first: bool) -> None:
    await here.python("counter", programs.COUNTER)
    await here.ask(8001)
    await here.freeze("image")
    await here.ask(8001)
    await here.crash()
    if files_first:
        await here.restore("image")
    else:
        await here.launcher.thaw(here.base / "image", ENVIRONMENT)
        await here.put_back("image")
    assert await here.ask(8001) == "2"
    assert (here.root / "counted").read_text() == "1\n2\n", "it writes to a file that is no longer there"


def test_a_service_goes_on_writing_to_the_file_that_it_held_open(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await _count_goes_on(here, files_first=True)

    asyncio.run(story())


def test_the_count_catches_processes_that_are_thawed_before_the_files(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await _count_goes_on(here, files_first=False)

    with pytest.raises(AssertionError, match="no longer there"):
        asyncio.run(story())


def test_an_image_that_can_not_be_had_is_made_up_for_by_starting_its_services(
    tmp_path: Path, criu: Criu
) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)
            await here.ask(8001)
            await here.freeze("image")
            (here.base / "image" / "inventory.img").write_bytes(b"nothing")
            await here.crash()
            thawed = await here.restore("image")
            assert "started anew" in thawed.notes[0]
            await until(lambda: said(thawed.services["counter"]).count("up\n") == 2)
            assert await here.ask(8001) == "1"
            with pytest.raises(ImageFailed, match="is no image of services"):
                await here.launcher.thaw(here.root, ENVIRONMENT)

    asyncio.run(story())


def test_a_thaw_that_does_not_come_to_its_end_leaves_nothing_alive(
    tmp_path: Path, criu: Criu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRIU waits for ever for pages that a file lacks."""
    monkeypatch.setattr(thawing, "THAW_SECONDS_MAX", 2)

    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)
            await here.ask(8001)
            await here.freeze("image")
            packing.unpack(here.base / "image", here.base / "plain")
            for file in (here.base / "image").glob("pages-*.map"):
                file.unlink()
                pages = (here.base / "plain" / file.name).with_suffix(".img").read_bytes()
                (here.base / "image" / file.name).with_suffix(".img").write_bytes(pages[: len(pages) // 2])
            await here.crash()
            thawed = await here.restore("image")
            assert "did not end within 2 s" in thawed.notes[0]
            await until(lambda: said(thawed.services["counter"]).count("up\n") == 2)
            assert await here.ask(8001) == "1"
            assert _running(str(criu.path), str(here.base / "images" / "thaw")) == []

    asyncio.run(story())


def test_a_criu_that_is_killed_while_all_stand_still_harms_nobody(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)

            async def kill_criu() -> None:
                found = _running(str(criu.path), str(here.base / "image.part"))
                assert found
                for pid in found:
                    os.kill(pid, signal.SIGKILL)

            with pytest.raises(ImageFailed, match="was killed"):
                await here.launcher.freeze(here.base / "image", kill_criu)
            assert await here.ask(8001) == "1"
            await here.freeze("image")

    asyncio.run(story())


def _running(program: str, word: str) -> list[int]:
    """Return the ids of those that run ``program`` with ``word``."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (path / "cmdline").read_bytes().decode().split("\0")
            if line[0] == program and word in line:
                found.append(int(path.name))
    return found
