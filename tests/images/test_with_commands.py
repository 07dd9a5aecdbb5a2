"""Commands of the sandbox and services of an image live side by side."""

import asyncio
import sys
from pathlib import Path

import pytest

from perdure.adapters.sandboxes.environment import clean_environment
from perdure.adapters.sandboxes.images.criu import Criu
from perdure.adapters.sandboxes.sandbox import Sandbox
from tests.images import programs
from tests.images.kit import Place, until


def _sandbox(here: Place) -> Sandbox:
    made = Sandbox(here.root, here.base / "scratch", launcher=here.launcher)
    if not made.ladder.rung("sandbox").ok:
        pytest.skip(f"no sandbox here: {made.ladder.rung('sandbox').why}")
    return made


_ASK = "import socket; s = socket.create_connection(('127.0.0.1', 8001)); s.sendall(b'more\\n'); print(s.recv(9))"


def test_a_command_asks_a_service_before_and_after_it_was_thawed(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        here = Place(tmp_path, criu)
        (here.root / "counter.py").write_text(programs.COUNTER)
        (here.root / "ask.py").write_text(_ASK)
        sandbox = _sandbox(here)
        asking = f"{sys.executable} -I -S ask.py"
        try:
            service = await sandbox.start("counter", f"exec {sys.executable} -u counter.py")
            await until(lambda: service.output.exists() and "up\n" in service.output.read_text())
            assert b"1" in (await sandbox.run(asking, timeout=30)).output
            await here.freeze("image")
            assert b"2" in (await sandbox.run(asking, timeout=30)).output
            await sandbox.stop("counter")
            assert not sandbox.services.living()
            await here.put_back("image")
            revived = await here.launcher.thaw(here.base / "image", clean_environment({}))
            for each in revived.services.values():
                sandbox.services.adopt(each.order, each)
            assert [each.name for each in sandbox.services.living()] == ["counter"]
            assert b"2" in (await sandbox.run(asking, timeout=30)).output
        finally:
            await sandbox.close()
            await here.launcher.close()

    asyncio.run(story())


def test_a_service_finds_what_a_command_left_in_tmp_for_it(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        here = Place(tmp_path, criu)
        sandbox = _sandbox(here)
        try:
            assert (await sandbox.run("cd /tmp && echo for you >letter", timeout=30)).exit == 0
            service = await sandbox.start("reader", "cd /tmp; cat letter; exec sleep 1000")
            await until(lambda: service.output.exists() and service.output.read_text() == "for you\n")
        finally:
            await sandbox.close()
            await here.launcher.close()

    asyncio.run(story())
