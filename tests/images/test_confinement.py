"""A service is root in its tree, and can do no harm outside of it."""

import asyncio
import socket
import sys
from pathlib import Path

from perdure.adapters.sandboxes.images.criu import Criu
from perdure.adapters.sandboxes.images.launcher import ImageLauncher
from perdure.adapters.sandboxes.services import ServiceOrder
from perdure.adapters.sandboxes.view import HOME
from tests.images.kit import ENVIRONMENT, Place, place, said, until


async def _tried(here: Place, command: str) -> str:
    (here.base / "scratch" / "services" / "trying" / "output").unlink(missing_ok=True)
    service = await here.start("trying", command)
    await service.ended()
    return said(service)


def test_it_can_write_to_its_workspace_and_nowhere_else(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            for where in ("/", "/usr", "/etc", "/proc/sys/kernel", str(Path(sys.prefix))):
                assert "ok" not in await _tried(here, f"touch {where}/perdure-was-here && echo ok"), where
            for where in (str(here.root), "/tmp", HOME, "/dev/shm"):
                assert await _tried(here, f"touch {where}/here && echo ok") == "ok\n", where

    asyncio.run(story())


def test_it_sees_no_secret_of_the_machine_and_no_process_outside(tmp_path: Path, criu: Criu) -> None:
    hidden = tmp_path / "to read" / "hidden"
    hidden.mkdir(parents=True)
    (hidden / "key").write_text("secret")
    (hidden.parent / "plain").write_text("plain")

    async def story() -> None:
        async with place(tmp_path, criu) as here:
            view = here.view._replace(readable=(str(hidden.parent),), hidden=(str(hidden),))
            here.launcher = ImageLauncher(view, tmp_path / "scratch" / "services", tmp_path / "images", criu)
            assert await _tried(here, "cat /etc/shadow; echo end") == "end\n"
            assert await _tried(here, f"cat '{hidden}/key' || cat '{hidden.parent}/plain'") == (
                f"cat: '{hidden}/key': No such file or directory\nplain"
            )
            assert await _tried(here, "ls -d /proc/[0-9]* | wc -l") < "9"
            assert await _tried(here, "kill -9 1; echo still here") == "still here\n"

    asyncio.run(story())


def test_it_has_no_capability_to_mount_or_to_make_devices(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            assert "ok" not in await _tried(here, "mount -t tmpfs none /tmp && echo ok")
            assert "ok" not in await _tried(here, "cd /tmp && mknod disk b 254 0 && echo ok")
            assert "ok" not in await _tried(here, "unshare --user true && unshare --mount true && echo ok")

    asyncio.run(story())


def test_it_reaches_no_port_of_the_machine(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            with socket.create_server(("127.0.0.1", 0)) as outside:
                port: int = outside.getsockname()[1]
                (here.root / "try.py").write_text(
                    f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
                )
                assert "ConnectionRefusedError" in await _tried(here, f"{sys.executable} try.py")

    asyncio.run(story())


def test_only_what_the_contract_lets_it_write_can_be_written(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            (here.root / "out").mkdir()
            services = tmp_path / "scratch" / "services"
            here.launcher = ImageLauncher(here.view, services, tmp_path / "images", criu, [here.root / "out"])
            assert "ok" not in await _tried(here, "touch here && echo ok")
            assert await _tried(here, "touch out/here && echo ok") == "ok\n"
            await here.start("asleep", "exec sleep 1000")
            await here.freeze("image")
            await here.crash()
            assert (await here.launcher.thaw(here.base / "image", ENVIRONMENT)).notes == ()
            assert "ok" not in await _tried(here, "touch here && echo ok")
            assert await _tried(here, "touch out/again && echo ok") == "ok\n"

    asyncio.run(story())


def test_stopping_one_ends_all_its_programs_and_no_other(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            other = await here.start("other", "exec sleep 1000")
            leaving = await here.start("leaving", "(setsid sleep 1000 &) ; sleep 1000 & exit 3")
            await until(lambda: leaving.exit is not None)
            assert leaving.exit == 3
            await until(lambda: len(leaving.programs()) == 2)
            leaving.kill()
            await leaving.ended()
            assert leaving.over
            assert not other.over

    asyncio.run(story())


def test_how_a_command_ended_is_known(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            for number, (command, state) in enumerate((("exit 7", 7), ("true", 0), ("kill -9 $$", -9))):
                folder = tmp_path / "scratch" / "services" / str(number)
                service = await here.launcher.launch(ServiceOrder(str(number), command, ENVIRONMENT, folder))
                await service.ended()
                assert service.exit == state
            killed = await here.start("killed", "exec sleep 1000")
            assert killed.exit is None
            killed.kill()
            await killed.ended()
            assert killed.exit == -9

    asyncio.run(story())
