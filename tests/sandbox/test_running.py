"""Commands run to their end, are ended in time, and leave nothing behind."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perdure.adapters.sandboxes import crowding
from perdure.adapters.sandboxes.sandbox import Sandbox
from perdure.values.errors import SandboxMissing
from perdure.values.limits import SHELL_OUTPUT_BYTES_MAX
from tests.sandbox.ground import (
    Ground,
    all_end,
    appears,
    confining,
    ground,
    in_place,
    once_said,
    played,
    processes,
    unconfining,
)

MODES = ["overlay", "in place", "plain"]


@pytest.fixture
def here(tmp_path: Path) -> Ground:
    return ground(tmp_path)


def sandbox(here: Ground, mode: str) -> Sandbox:
    if mode == "overlay":
        return here.sandbox()
    ladder = confining(here)
    return here.sandbox(ladder=in_place(ladder) if mode == "in place" else unconfining(ladder))


@pytest.mark.parametrize("mode", MODES)
def test_output_comes_merged_in_its_order_with_the_exit_state(here: Ground, mode: str):
    ran = played(sandbox(here, mode).run("echo one; echo two >&2; echo three; exit 7", timeout=20))
    assert ran.output == b"one\ntwo\nthree\n"
    assert (ran.exit, ran.timed_out, ran.cut, ran.refused, ran.left) == (7, False, 0, (), ())


@pytest.mark.parametrize("mode", MODES)
def test_what_a_command_writes_is_in_the_workspace_afterwards(here: Ground, mode: str):
    box = sandbox(here, mode)
    assert (
        played(box.run("mkdir -p a/b; echo hello > a/b/c; pwd", timeout=20)).output
        == f"{here.root}\n".encode()
    )
    assert (here.root / "a/b/c").read_text() == "hello\n"
    assert box.level == ("L1" if mode == "overlay" else "L0")
    assert box.confined == (mode != "plain")


@pytest.mark.parametrize("mode", MODES)
def test_a_command_that_takes_too_long_is_ended_with_all_it_started(here: Ground, mode: str):
    command = "echo kept > file; sleep 7701 & (setsid sleep 7702 &) ; sleep 7703"
    box = sandbox(here, mode)
    for seconds in (0.5, 5, 20):
        # A busy machine may need more than the first for what comes before the end.
        ran = played(box.run(command, timeout=seconds))
        if (here.root / "file").exists():
            break
    assert ran.timed_out
    assert ran.exit is None
    assert processes("sleep\x00770") == []
    assert (here.root / "file").read_text() == "kept\n"


@pytest.mark.parametrize("mode", MODES)
def test_what_a_command_leaves_running_is_ended_and_named(here: Ground, mode: str):
    leaves = "exec 3>&1; left=$(setsid sleep 7711 >&3 & echo $!)"
    settles = 'until [ "$(cat /proc/$left/comm)" = sleep ]; do :; done'
    ran = played(sandbox(here, mode).run(f"{leaves}; {settles}; echo done", timeout=50))
    assert ran.output == b"done\n"
    assert "sleep" in ran.left
    assert processes("sleep\x007711") == []


@pytest.mark.parametrize("mode", MODES)
def test_a_cancelled_command_leaves_no_process(here: Ground, mode: str):
    box = sandbox(here, mode)

    async def story() -> None:
        begun = asyncio.Event()
        run = asyncio.create_task(
            box.run(
                "echo lost > file; sleep 7721 & echo begun; wait",
                timeout=50,
                hear=once_said(b"begun", begun.set),
            )
        )
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    played(story())
    assert processes("sleep\x007721") == []
    if mode == "overlay":
        assert list(here.root.iterdir()) == []
        assert box.take_changes() == frozenset()


@pytest.mark.parametrize("mode", MODES)
def test_the_next_command_runs_as_if_the_cancelled_one_had_not_been(here: Ground, mode: str):
    box = sandbox(here, mode)

    async def story() -> bytes:
        begun = asyncio.Event()
        run = asyncio.create_task(
            box.run("echo begun; sleep 7731", timeout=50, hear=once_said(b"begun", begun.set))
        )
        await begun.wait()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        return (await box.run("echo again", timeout=20)).output

    assert played(story()) == b"again\n"


def test_long_output_keeps_its_beginning_and_its_end(here: Ground):
    command = "echo first; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo last"
    ran = played(here.sandbox().run(command, timeout=20))
    assert ran.output.startswith(b"first\nxxx")
    assert ran.output.endswith(b"xxx\nlast\n")
    assert ran.cut == 5_000_000 + len(b"first\n\nlast\n") - SHELL_OUTPUT_BYTES_MAX
    assert f"[... {ran.cut} bytes cut ...]".encode() in ran.output
    assert len(ran.output) < SHELL_OUTPUT_BYTES_MAX + 100


def test_output_is_heard_while_the_command_runs(here: Ground):
    box = here.sandbox()
    go = here.scratch / "tmp" / "go"
    ran = played(
        box.run("echo ready; until [ -e $TMPDIR/go ]; do sleep 0.01; done; echo gone", timeout=30,
                hear=once_said(b"ready", go.touch))
    )  # fmt: skip
    assert ran.output == b"ready\ngone\n"


def test_commands_of_one_run_come_one_after_the_other(here: Ground):
    box = here.sandbox()

    async def story() -> None:
        await asyncio.gather(
            *(box.run(f"cat log 2>/dev/null; echo {n} >> log", timeout=30) for n in range(4))
        )

    played(story())
    assert (here.root / "log").read_text() == "0\n1\n2\n3\n"


KILLED = """
import asyncio, sys
from pathlib import Path
from perdure.adapters.sandboxes import crowding
from perdure.adapters.sandboxes.sandbox import Sandbox
root, scratch = map(Path, sys.argv[1:])
box = Sandbox(root, scratch)
def hear(piece):
    print(piece.decode(), flush=True)
async def story():
    await box.start("waits", "sleep 7741")
    await box.stop("waits")
    await box.run("rm old; echo new > new; sleep 7742 & (setsid sleep 7743 &) ; echo begun; wait", timeout=50, hear=hear)
asyncio.run(story())
"""


def test_sigkill_of_our_process_ends_all_others_and_leaves_the_workspace_alone(here: Ground):
    confining(here)
    (here.root / "old").write_text("old")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *here], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        # The shell says so before the last of them is itself.
        for number in (7742, 7743):
            assert appears(f"sleep\0{number}")
        living = [*processes("sleep\x00774"), *processes(str(here.scratch))]
        assert len(living) >= 3
        program.send_signal(signal.SIGKILL)
    assert all_end([pid for pid in living if pid != program.pid])
    assert [(path.name, path.read_text()) for path in here.root.iterdir()] == [("old", "old")]


def test_an_overlay_that_a_killed_process_left_is_thrown_away(here: Ground):
    left = here.scratch / "layers" / "1" / "upper"
    left.mkdir(parents=True)
    (left / "half").write_text("a command's")
    left.chmod(0)
    box = here.sandbox()
    assert list((here.scratch / "layers").iterdir()) == []
    assert played(box.run("ls -A", timeout=20)).output == b""


def test_no_scratch_is_left_of_a_command(here: Ground):
    box = here.sandbox()
    played(box.run("mkdir -p a/b; touch a/b/c; chmod 0 a/b a", timeout=20))
    played(box.run("chmod 700 a; chmod 700 a/b; rm -r a", timeout=20))
    played(box.close())
    assert list((here.scratch / "layers").iterdir()) == []
    assert list(here.root.iterdir()) == []


def test_a_sandbox_that_breaks_is_no_command_that_failed(here: Ground):
    box = here.sandbox()
    here.root.rename(here.root.with_name("elsewhere"))
    with pytest.raises((SandboxMissing, OSError)):
        played(box.run("echo hello", timeout=20))


def test_no_key_of_our_environment_gets_in(here: Ground, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-123")
    monkeypatch.setenv("LC_TIME", "C")
    ran = played(here.sandbox().run("env", timeout=20, env={"ASKED": "for"}))
    names = {line.split(b"=")[0] for line in ran.output.splitlines()}
    assert {b"ASKED", b"LC_TIME", b"HOME", b"PATH"} <= names
    assert b"sk-123" not in ran.output


BREEDS = """
import os, time
made = 0
try:
    while made < 400:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        made += 1
except OSError as error:
    print(error.strerror)
print(made)
"""


def crowds() -> set[str]:
    """Return the groups of processes that sandboxes of this machine have."""
    return {path.name for path in Path("/sys/fs/cgroup").glob("**/perdure-*")}


@pytest.mark.parametrize("mode", MODES[:2])
def test_a_command_that_forks_without_end_is_held(here: Ground, mode: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(crowding, "SANDBOX_PROCESSES_MAX", 60)
    before = crowds()
    (here.root / "breeds.py").write_text(BREEDS)
    box = sandbox(here, mode)
    ran = played(box.run(f"{sys.executable} breeds.py", timeout=30))
    said = ran.output.decode().split("\n")
    assert said[0] == "Resource temporarily unavailable", ran
    assert 20 < int(said[1]) <= 60
    until = time.monotonic() + 60
    # Other tests' commands come and go beside this one; what stays is what was left.
    while (left := crowds() - before) and time.monotonic() < until:
        before |= crowds() - left
        time.sleep(0.05)
    assert not left
