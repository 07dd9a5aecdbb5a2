"""Services live by name, share one loopback, and can be looked at from outside."""

import mmap
import socket
from pathlib import Path

import pytest

from perdure.adapters.sandboxes.sandbox import Sandbox
from perdure.adapters.sandboxes.services import Service, tail
from perdure.adapters.sandboxes.watching import tree
from perdure.values.errors import BadInput
from perdure.values.limits import SERVICES_MAX
from tests.sandbox.ground import Ground, confining, ground, in_place, played, processes, unconfining, until

SERVER = "python3 -m http.server {port} --bind 127.0.0.1"
ASK = "for i in $(seq 200); do curl -s 127.0.0.1:{port}/{path} && break; sleep 0.05; done"


@pytest.fixture
def here(tmp_path: Path) -> Ground:
    return ground(tmp_path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def said(service: Service, word: bytes) -> None:
    """Wait until the service has said ``word``."""
    await until(lambda: word in tail(service, 10_000))


def test_commands_and_services_share_a_loopback_that_nobody_else_reaches(here: Ground):
    box = here.sandbox()
    port = free_port()

    async def story() -> None:
        await box.start("one", SERVER.format(port=port))
        await box.start("two", SERVER.format(port=port + 1))
        (here.root / "file").write_text("served")
        both = "; ".join(ASK.format(port=number, path="file") for number in (port, port + 1))
        assert (await box.run(both, timeout=30)).output == b"servedserved"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        # Nor do they reach us.
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = server.getsockname()[1]
            tried = await box.run(f"curl -s -m 5 127.0.0.1:{ours}; echo $?", timeout=30)
            assert tried.output == b"7\n"
        assert box.confined
        await box.close()

    played(story())


def test_two_runs_have_two_loopbacks(here: Ground, tmp_path: Path):
    port = free_port()

    async def story() -> None:
        box, other = here.sandbox(), ground(tmp_path / "other").sandbox()
        await box.start("web", SERVER.format(port=port))
        await other.start("sleeper", "sleep 7801")
        await box.run(ASK.format(port=port, path=""), timeout=30)
        assert (await other.run(f"curl -s 127.0.0.1:{port}; echo $?", timeout=30)).output == b"7\n"
        await box.close()
        await other.close()

    played(story())


def test_while_a_service_lives_changes_are_made_in_place_and_not_known(here: Ground):
    box = here.sandbox()

    async def story() -> None:
        assert box.level == "L1"
        service = await box.start("writer", "echo from the service > file; echo written; sleep 7811")
        await said(service, b"written")
        assert (here.root / "file").read_text() == "from the service\n"
        assert box.level == "L0"
        assert (await box.run("cat file; echo too > file2", timeout=20)).level == "L0"
        assert (here.root / "file2").read_text() == "too\n"
        assert box.take_changes() is None
        await box.stop("writer")
        assert box.level == "L1"
        assert box.take_changes() is None
        assert box.take_changes() == frozenset()

    played(story())


@pytest.mark.parametrize("mode", ["sandbox", "plain"])
def test_a_stopped_service_leaves_no_process_and_keeps_its_output(here: Ground, mode: str):
    ladder = confining(here)
    box = here.sandbox(ladder=unconfining(ladder) if mode == "plain" else ladder)

    async def story() -> None:
        service = await box.start("sleeper", "echo hello; (setsid sleep 7821 &) ; sleep 7822")
        await said(service, b"hello")
        await until(lambda: len(processes("sleep\x00782")) >= 2)
        stopped = await box.stop("sleeper")
        assert processes("sleep\x00782") == []
        assert not stopped.alive
        assert tail(stopped, 100) == b"hello\n"
        assert [service.name for service in box.services.all()] == ["sleeper"]
        await box.close()

    played(story())


@pytest.mark.parametrize("mode", ["sandbox", "plain"])
def test_a_service_that_ends_by_itself_tells_how(here: Ground, mode: str):
    ladder = confining(here)
    box = here.sandbox(ladder=unconfining(ladder) if mode == "plain" else ladder)

    async def story() -> None:
        await box.start("short", "echo over; exit 3")
        await until(lambda: not box.services.living())
        service = box.services.all()[0]
        assert (service.exit, tail(service, 100)) == (3, b"over\n")
        assert box.services.living() == ()
        again = await box.start("short", "sleep 7831", env={"A": "b"})
        assert again.alive
        assert tail(again, 100) == b""
        assert box.services.order("short").env["A"] == "b"
        await box.close()

    played(story())


def test_a_name_belongs_to_one_living_service(here: Ground):
    box = here.sandbox()

    async def story() -> None:
        await box.start("one", "sleep 7841")
        with pytest.raises(BadInput, match="one is running"):
            await box.start("one", "sleep 7842")
        with pytest.raises(BadInput, match="no service"):
            await box.stop("two")
        for name in range(SERVICES_MAX - 1):
            await box.start(f"s{name}", "sleep 7843")
        with pytest.raises(BadInput, match=f"{SERVICES_MAX} services"):
            await box.start("more", "sleep 7844")
        await box.close()

    played(story())
    assert processes("sleep\x00784") == []


def test_the_loopback_comes_back_after_its_holder_was_killed(here: Ground):
    box = here.sandbox()
    port = free_port()

    async def story() -> None:
        await box.start("one", "sleep 7851")
        await box.close()
        await box.start("web", SERVER.format(port=port))
        assert b"Directory listing" in (await box.run(ASK.format(port=port, path=""), timeout=30)).output
        await box.close()

    played(story())


def test_a_service_sees_no_more_than_a_command(here: Ground, tmp_path: Path):
    (tmp_path / "secret").write_text("secret")
    box = here.sandbox()

    async def story() -> None:
        service = await box.start(
            "spy", f"cat {tmp_path}/secret; ls /proc/[0-9]* -d | wc -l; id -un; echo end; sleep 7861"
        )
        await said(service, b"end\n")
        assert b"No such file" in tail(service, 1000)
        assert b"agent\nend\n" in tail(service, 1000)
        await box.close()

    played(story())


MAPS = """
import mmap, os, time
for name, flags in (("shared", mmap.MAP_SHARED), ("private", mmap.MAP_PRIVATE)):
    with open(name, "r+b") as file:
        globals()[name] = mmap.mmap(file.fileno(), 0, flags)
reader = open("read", "rb")
only = mmap.mmap(reader.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
held = open("held", "w")
looked = open("looked")
os.unlink("held"), os.unlink("looked")
print("ready", flush=True)
time.sleep(7871)
"""


@pytest.mark.parametrize("mode", ["overlay", "in place", "plain"])
def test_files_that_services_can_change_unseen_are_found(here: Ground, mode: str):
    ladder = confining(here)
    box = here.sandbox(
        ladder={"overlay": ladder, "in place": in_place(ladder), "plain": unconfining(ladder)}[mode]
    )
    for name in ("shared", "private", "read", "held", "looked"):
        (here.root / name).write_bytes(b"x" * mmap.PAGESIZE)
    (here.root / "maps.py").write_text(MAPS)

    async def story() -> None:
        assert box.mapped_shared() == set()
        service = await box.start("maps", "python3 -u maps.py")
        await said(service, b"ready")
        assert box.mapped_shared() == {"shared"}
        assert {(file.path, file.writable) for file in box.open_deleted()} == {
            ("held", True),
            ("looked", False),
        }
        await box.close()
        assert box.mapped_shared() == set()

    played(story())


def test_the_run_time_of_an_idle_service_stands_still_and_that_of_a_busy_one_does_not(here: Ground):
    box = here.sandbox()

    async def story() -> None:
        service = await box.start("idle", "echo idle; exec sleep 7881")
        await said(service, b"idle")
        seen: list[int] = []
        # It has gone to sleep when it hasn't run between two looks, with time for others between them.
        await until(lambda: seen.append(box.runtime_ns()) or (len(seen) > 5 and len(set(seen[-5:])) == 1))
        assert seen[-1] > 0
        busy = await box.start("busy", "while :; do :; done")
        first = _run_of(box, busy)
        await until(lambda: _run_of(box, busy) > first + 1_000_000)
        await box.close()
        assert box.runtime_ns() == 0

    played(story())


def _run_of(box: Sandbox, service: Service) -> int:
    assert tree(service.pid)[0] == service.pid
    return box.runtime_ns()


def test_a_service_in_a_reach_can_not_leave_it(here: Ground):
    from perdure.adapters.sandboxes.reach import WriteReach

    for name in ("in", "out"):
        (here.root / name).mkdir()
    box = here.sandbox(reach=WriteReach.of(["in/**"]))

    async def story() -> None:
        service = await box.start("writer", "echo x > in/file; echo x > out/file; echo end")
        await said(service, b"end")
        assert sorted(path.name for path in here.root.rglob("file")) == ["file"]
        assert (here.root / "in" / "file").exists()
        await box.close()

    played(story())
