"""What a command can't see and can't do: each is tried for real."""

import os
import socket
import sys
from pathlib import Path

import pytest

from perdure.adapters.sandboxes.view import HOME, secret_in_etc
from tests.sandbox.ground import Ground, confining, ground, in_place, played

LEVELS = ["overlay", "in place"]

SYSTEM_CALL = """
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
number = {numbers}[platform.machine()]
said = libc.syscall(number, {arguments})
print(os.strerror(ctypes.get_errno()) if said < 0 else "allowed")
"""


@pytest.fixture
def here(tmp_path: Path) -> Ground:
    return ground(tmp_path)


def tried(here: Ground, command: str, level: str = "overlay", **asked: object) -> str:
    """Return what the command says in a sandbox of that level."""
    ladder = confining(here)
    hidden = asked.get("hidden", ())
    assert isinstance(hidden, tuple)
    box = here.sandbox(
        ladder=ladder if level == "overlay" else in_place(ladder),
        network=bool(asked.get("network")),
        hidden=tuple(map(str, hidden)),
    )
    return played(box.run(command, timeout=30)).output.decode()


@pytest.mark.parametrize("level", LEVELS)
def test_a_port_of_this_machine_can_not_be_reached(here: Ground, level: str):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = tried(here, f"(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>&1 && echo reached", level)
    assert "reached" not in said
    assert "refused" in said


def test_the_same_port_is_reached_where_the_network_is_open(here: Ground):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = tried(here, f"(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>&1 && echo reached", network=True)
    assert "reached" in said


def test_an_abstract_socket_of_this_machine_can_not_be_reached(here: Ground):
    name = f"perdure-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        said = tried(
            here, f'python3 -c "import socket; socket.socket(socket.AF_UNIX).connect(chr(0) + {name!r})" 2>&1'
        )
    assert "Connection refused" in said


@pytest.mark.parametrize("level", LEVELS)
def test_homes_the_store_and_the_scratch_are_not_there(here: Ground, tmp_path: Path, level: str):
    store = tmp_path / "store"
    store.mkdir()
    (store / "secret").write_text("secret")
    wanted = f"{Path.home()}/.[a-z]* {store}/* {here.scratch}/* {Path.home()}/.ssh /run/* /sys"
    seen = tried(here, f"ls -d {wanted} 2>/dev/null", level).splitlines()
    # The running Python may itself lie in a home.
    assert [path for path in seen if not sys.base_prefix.startswith(path)] == []
    assert tried(here, "echo $HOME; ls -A ~", level) == f"{HOME}\n"


@pytest.mark.parametrize("level", LEVELS)
def test_hidden_paths_are_empty_even_within_the_workspace(here: Ground, level: str):
    (here.root / "keys").mkdir()
    (here.root / "keys" / "id").write_text("secret")
    (here.root / ".env").write_text("TOKEN=secret")
    hidden = (here.root / "keys", here.root / ".env")
    said = tried(here, "ls keys; cat .env; echo x > keys/id; echo x > .env; echo over", level, hidden=hidden)
    assert "secret" not in said
    assert said.endswith("over\n")
    assert (here.root / "keys" / "id").read_text() == "secret"
    assert (here.root / ".env").read_text() == "TOKEN=secret"


def test_of_etc_only_what_everybody_may_read_is_shown(here: Ground):
    assert "/etc/shadow" in secret_in_etc()
    assert tried(here, "cat /etc/shadow /etc/gshadow 2>/dev/null; grep -c . /etc/passwd") == "2\n"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "command",
    [
        "ln -s {outside} link; echo x > link",
        "echo x > {outside}",
        "echo x > ../outside",
        "echo x > /proc/1/root{outside}",
        "echo x > /proc/1/cwd/../outside",
        "ln {outside} hard && echo x > hard",
        "mkdir -p {folder}; echo x > {outside}",
        "mount --bind / /mnt; mount -o remount,rw /usr; echo x > /usr/escape",
        "unshare -Urm sh -c 'mount --bind /proc/1/root /mnt; echo x > /mnt{outside}'",
        "umount -l . ; echo x > {outside}",
        "mknod disk b 8 0 || mknod disk b 254 0",
        "exec 9< ..; echo x > /proc/self/fd/9/outside",
        "chroot / sh -c 'echo x > {outside}'",
    ],
)
def test_nothing_outside_of_the_workspace_is_changed(here: Ground, tmp_path: Path, command: str, level: str):
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    before = outside.stat()
    tried(here, command.format(outside=outside, folder=tmp_path), level)
    assert outside.read_text() == "untouched"
    assert outside.stat().st_nlink == before.st_nlink
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "scratch", "workspace"]
    assert not Path("/usr/escape").exists()
    assert not (here.root / "disk").exists()


def test_a_directory_turned_into_a_link_takes_nothing_outside_along(here: Ground, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")
    (here.root / "d").mkdir()
    (here.root / "d" / "file").write_text("inside")
    box = here.sandbox()
    ran = played(
        box.run(
            f"rm -r d; ln -s {outside} d; echo x > d/file; rm -f d/file; mkdir -p e; echo y > e/file",
            timeout=20,
        )
    )
    assert ran.refused == ()
    assert (here.root / "d").readlink() == outside
    assert (outside / "file").read_text() == "untouched"
    # The link stands now; what a command makes of it next stays inside all the same.
    played(box.run("rm d; mkdir d; echo z > d/file", timeout=20))
    assert (here.root / "d" / "file").read_text() == "z\n"
    assert (outside / "file").read_text() == "untouched"


def test_no_process_outside_is_seen_signalled_or_traced(here: Ground):
    pid = os.getpid()
    said = tried(here, f"ls -d /proc/{pid}; kill -9 {pid}; kill -0 -1; ls -d /proc/[0-9]* | wc -l")
    assert f"/proc/{pid}\n" not in said
    assert "No such process" in said
    assert int(said.splitlines()[-1]) <= 5


def test_a_command_can_not_end_the_lines_that_watch_it(here: Ground):
    box = here.sandbox()
    ran = played(box.run("kill -9 1 $PPID; echo done > file; kill -9 $$", timeout=20))
    assert ran.exit == 137
    assert (here.root / "file").read_text() == "done\n"


@pytest.mark.parametrize(
    ("numbers", "arguments"),
    [
        ({"x86_64": 425, "aarch64": 425}, "8, ctypes.create_string_buffer(256)"),
        ({"x86_64": 0x40000000 + 425, "aarch64": 425}, "8, ctypes.create_string_buffer(256)"),
        ({"x86_64": 250, "aarch64": 219}, "0, -3, 1"),
    ],
)
def test_io_uring_and_the_keyring_are_not_there(here: Ground, numbers: dict[str, int], arguments: str):
    (here.root / "call.py").write_text(SYSTEM_CALL.format(numbers=numbers, arguments=arguments))
    assert tried(here, "python3 call.py") == "Function not implemented\n"


def test_other_system_calls_are_there(here: Ground):
    (here.root / "call.py").write_text(
        SYSTEM_CALL.format(numbers={"x86_64": 39, "aarch64": 172}, arguments="0")
    )
    assert tried(here, "python3 call.py") == "allowed\n"


def test_programs_run_as_somebody_who_is_not_root(here: Ground):
    assert tried(here, "id -un; touch file; stat -c %U file; chown 12 file 2>/dev/null || echo refused") == (
        "agent\nagent\nrefused\n"
    )
    assert (here.root / "file").stat().st_uid == os.getuid()
