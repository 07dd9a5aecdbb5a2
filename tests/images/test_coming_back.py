"""What a service was when its image was taken, it is again when it is thawed."""

import asyncio
import fcntl
import shutil
import sqlite3
from pathlib import Path

import pytest

from perdure.adapters.sandboxes.images.criu import Criu
from tests.images import programs
from tests.images.kit import Place, place, said, until


def test_a_counter_answers_with_its_value_at_the_freeze(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)
            await here.ask(8001)
            await here.ask(8001)
            await here.freeze("image")
            assert await here.ask(8001) == "3"
            await here.crash()
            thawed = await here.restore("image")
            assert thawed.notes == ()
            assert await here.ask(8001, "how many") == "2"
            assert await here.ask(8001) == "3"
            assert (here.root / "counted").read_text() == "1\n2\n3\n"

    asyncio.run(story())


def test_blanks_and_letters_of_any_language_in_paths_are_no_matter(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path / "it's a größe: 100%", criu) as here:
            await here.python("counter", programs.COUNTER)
            await here.ask(8001)
            await here.freeze("image")
            await here.crash()
            assert (await here.restore("image")).notes == ()
            assert await here.ask(8001) == "2"

    asyncio.run(story())


def test_it_comes_back_again_and_again_from_one_image(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)
            await here.ask(8001)
            await here.freeze("image")
            for _ in range(3):
                await here.restore("image")
                assert await here.ask(8001) == "2"

    asyncio.run(story())


def test_an_image_of_what_was_thawed_is_as_good(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)
            for turn in range(3):
                assert await here.ask(8001) == str(turn + 1)
                await here.freeze(f"image-{turn}")
                await here.crash()
                await here.restore(f"image-{turn}")
            assert await here.ask(8001) == "4"

    asyncio.run(story())


def test_what_a_service_had_said_is_put_back_and_goes_on(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("counter", programs.COUNTER)
            told = "echo one; while ! [ -e go ]; do sleep 0.02; done; echo two; exec sleep 1000"
            speaking = await here.start("speaking", told)
            await until(lambda: said(speaking) == "one\n")
            await here.freeze("image")
            speaking.order.output.write_text("something else\n")
            await here.crash()
            shutil.rmtree(here.base / "scratch" / "services")
            thawed = await here.restore("image")
            assert said(thawed.services["counter"]) == "up\n"
            assert said(thawed.services["speaking"]) == "one\n"
            (here.root / "go").touch()
            await until(lambda: said(thawed.services["speaking"]) == "one\ntwo\n")

    asyncio.run(story())


def test_a_deleted_file_that_is_held_open_is_there_again(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("ghost", programs.GHOST)
            await here.freeze("image")
            await here.crash()
            await here.restore("image")
            assert await here.ask(8002) == "nobody sees this"
            assert sorted(path.name for path in here.root.iterdir()) == ["ghost.py"]

    asyncio.run(story())


def _locked(path: Path) -> tuple[bool, bool]:
    """Return whether somebody holds each of the two kinds of locks."""
    held: list[bool] = []
    for name, take in (("flocked", fcntl.flock), ("posix", fcntl.lockf)):
        with (path / name).open("r+") as file:
            try:
                take(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.append(False)
            except OSError:
                held.append(True)
    return held[0], held[1]


def test_locks_are_held_again(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("lock", programs.LOCK)
            await here.freeze("image")
            assert _locked(here.root) == (True, True)
            await here.crash()
            assert _locked(here.root) == (False, False)
            await here.restore("image")
            assert _locked(here.root) == (True, True)
            assert await here.ask(8003) == "held"

    asyncio.run(story())


def test_children_come_back_under_their_ids_with_the_pipes_between(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("family", programs.FAMILY)
            child, count = (await here.ask(8004)).split(":")
            assert count == "1"
            await here.freeze("image")
            await here.ask(8004)
            await here.crash()
            await here.restore("image")
            assert await here.ask(8004) == f"{child}:2"

    asyncio.run(story())


def test_a_program_on_a_terminal_comes_back_with_it(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("terminal", programs.TERMINAL)
            assert await here.ask(8012) == "1"
            await here.freeze("image")
            assert await here.ask(8012) == "2"
            await here.crash()
            assert (await here.restore("image")).notes == ()
            assert await here.ask(8012) == "2"

    asyncio.run(story())


def test_a_file_mapped_shared_is_that_of_the_moment(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("mapped", programs.MAPPED)
            await here.ask(8005)
            await here.freeze("image")
            assert await here.ask(8005) == "2"
            await here.crash()
            await here.restore("image")
            assert await here.ask(8005, "how many") == "1"
            assert await here.ask(8005) == "2"
            assert (here.root / "mapped").read_bytes()[0] == 2

    asyncio.run(story())


def test_a_database_and_the_transaction_that_was_open_go_on(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            await here.python("database", programs.DATABASE)
            for words in ("more", "begin", "more"):
                await here.ask(8006, words)
            await here.freeze("image")
            assert await here.ask(8006, "more") == "3"
            await here.ask(8006, "commit")
            await here.crash()
            await here.restore("image")
            assert _rows(here) == 1, "what was not committed is seen by nobody else"
            assert await here.ask(8006, "commit") == "2"
            await here.crash()
            assert _rows(here) == 2

    asyncio.run(story())


def _rows(here: Place) -> int:
    db = sqlite3.connect(here.root / "rows.db")
    try:
        return int(db.execute("SELECT count(*) FROM rows").fetchone()[0])
    finally:
        db.close()


def test_two_services_and_the_connection_between_them_come_back_together(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            (here.root / "front.py").write_text(programs.FRONT)
            front = await here.start("front", "exec python3 -u front.py")
            await until(lambda: "listening" in said(front))
            await here.python("partner", programs.PARTNER)
            await until(lambda: "up" in said(front))
            assert await here.ask(8008) == "1"
            await here.freeze("image")
            assert await here.ask(8008) == "2"
            await here.crash()
            thawed = await here.restore("image")
            assert sorted(thawed.services) == ["front", "partner"]
            assert await here.ask(8008) == "2"

    asyncio.run(story())


def test_node_comes_back(tmp_path: Path, criu: Criu) -> None:
    node = shutil.which("node", path="/usr/bin:/usr/local/bin:/bin")
    if node is None:
        pytest.skip("there is no node in /usr")

    async def story() -> None:
        async with place(tmp_path, criu) as here:
            (here.root / "server.js").write_text(programs.NODE)
            service = await here.start("node", f"exec {node} server.js")
            await until(lambda: "up\n" in said(service))
            assert await here.ask(8011) == "1"
            await here.freeze("image")
            assert await here.ask(8011) == "2"
            await here.crash()
            await here.restore("image")
            assert await here.ask(8011) == "2"

    asyncio.run(story())


def test_a_loop_of_the_shell_goes_on_from_where_it_was(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            loop = "n=0; while :; do n=$((n+1)); echo $n >>ticks; sleep 0.01; done"
            await here.start("loop", loop)
            ticks = here.root / "ticks"
            await until(lambda: ticks.exists() and len(ticks.read_text().split()) > 5)
            await here.freeze("image")
            before = (here.base / "image.files" / "ticks").read_text().split()
            await until(lambda: len(ticks.read_text().split()) > len(before) + 5)
            await here.crash()
            await here.restore("image")
            await until(lambda: len(ticks.read_text().split()) > len(before) + 5)
            after = [int(line) for line in ticks.read_text().split()]
            assert after == list(range(1, len(after) + 1)), "no tick is lost and none is told twice"

    asyncio.run(story())


def test_what_lies_in_tmp_is_of_the_moment_too(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path, criu) as here:
            holding = "exec 5>/tmp/held; echo one >&5; echo up; exec sleep 1000"
            service = await here.start("holding", holding)
            await until(lambda: "up\n" in said(service))
            held = here.view.folder / "tmp" / "held"
            await here.freeze("image")
            held.write_text("something longer than before")
            (held.parent / "new").touch()
            await here.crash()
            assert (await here.restore("image")).notes == ()
            assert held.read_text() == "one\n"
            assert not (held.parent / "new").exists()

    asyncio.run(story())


def test_a_fork_goes_on_in_a_directory_of_its_own(tmp_path: Path, criu: Criu) -> None:
    async def story() -> None:
        async with place(tmp_path / "first", criu) as here:
            await here.python("counter", programs.COUNTER)
            await here.ask(8001)
            await here.freeze("image")
            async with place(tmp_path / "second", criu) as there:
                shutil.copytree(here.base / "image.files", there.root, dirs_exist_ok=True)
                thawed = await there.launcher.thaw(here.base / "image", {})
                assert thawed.notes == ()
                assert await there.ask(8001) == "2"
                assert await there.ask(8001) == "3"
                assert await here.ask(8001) == "2", "the first lives, on a loopback of its own"
                assert (there.root / "counted").read_text() == "1\n2\n3\n"
                assert (here.root / "counted").read_text() == "1\n2\n"

    asyncio.run(story())
