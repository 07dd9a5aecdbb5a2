"""With --isolate a client works in a copy of its directory, at the same path, and can change little else."""

import os

import pytest

from perdure.adapters.sandboxes.apart import check_apart
from perdure.values.errors import SandboxMissing
from tests.wrap.kit import Desk, Screen


@pytest.fixture(autouse=True)
def _possible() -> None:
    try:
        check_apart()
    except SandboxMissing as missing:
        pytest.skip(str(missing))


SCRIPT = """
printf 'new\\n' > made.txt
rm old.txt
pwd
touch /usr/perdure-was-here 2>/dev/null && echo escaped
umount "$PWD" 2>/dev/null && echo escaped
cat kept.txt
test -S "$PERDURE_SOCKET" && touch "$HOME/session" && echo reached
"""


def test_a_client_works_in_a_copy_at_the_same_path_beside_another_in_the_directory_itself(desk: Desk):
    for name in ("old.txt", "kept.txt"):
        (desk.work / name).write_text(f"{name}\n")
    other = desk.wrap("small", run="other")
    other.hears()
    wrapped = desk.wrap("sh", "-c", SCRIPT, run="apart", options=("--isolate",))
    out, err = wrapped.process.communicate(timeout=60)
    assert out.decode().splitlines() == [str(desk.work), "kept.txt", "reached"], err.decode()
    assert wrapped.process.returncode == 0
    copy = desk.store.with_name("store-copies") / "apart"
    assert str(copy) in err.decode()
    assert {each.name for each in copy.iterdir()} == {"kept.txt", "made.txt"}
    assert {each.name for each in desk.work.iterdir()} == {"kept.txt", "old.txt"}
    other.says("0")
    assert other.ends()[0] == 0
    # It goes on in its copy, without being told.
    again = desk.wrap("small", "list", run="apart", options=("--resume", "apart", "--quiet"))
    assert again.hears() == {"files": ["kept.txt", "made.txt"]}
    assert again.ends()[0] == 0


def test_its_terminal_is_the_real_one_all_the_same(desk: Desk):
    with Screen(desk, desk.words("small", "screen", run="tty", options=("--isolate",))) as screen:
        first = screen.await_line("tty")
        assert first["tty"] == [True, True, True]
        assert first["front"] is True
        assert first["parent"] == screen.pid
        screen.press(b"\x03")
        assert screen.await_line("heard") == {"heard": "SIGINT"}
        os.kill(screen.pid, 9)
        screen.pid, _ = 0, os.waitpid(screen.pid, 0)


def test_a_run_that_is_refused_leaves_no_copy(desk: Desk):
    refused = desk.wrap("small", run="none", options=("--isolate", "--resume", "none"))
    refused.process.communicate(timeout=60)
    assert refused.process.returncode == 2
    assert not (desk.store.with_name("store-copies") / "none").exists()
