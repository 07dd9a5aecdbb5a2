"""Nothing outside of the workspace is read or written, whatever names say and whoever changes them meanwhile."""

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.adapters.tools.coding import files
from perdure.adapters.tools.coding.beneath import reached
from perdure.adapters.tools.context import Context
from perdure.adapters.tools.outcomes import NotDone
from perdure.values.limits import LINKS_FOLLOWED_MAX
from tests.tools.coding.attack import DONE_MIN, INSIDE, SECRET, SWAPS_MIN, Account, Ground, fought
from tests.tools.coding.desk import TOOLS, PlainDesk, text

pytestmark = pytest.mark.timeout(120)

SECONDS = 2.5
"""Of one attack: on a busy core an attacker makes some 100,000 swaps in it."""


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """A workspace, and what lies beside it."""
    return Ground.made(tmp_path.resolve())


@pytest.fixture(params=["held", "plain"])
def opening(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to open a file: held unopened first, and where the system can't do that."""
    if request.param == "plain":
        monkeypatch.setattr(files, "_HELD", "/nowhere")
    return str(request.param)


def calls_on(desk: PlainDesk, path: str) -> dict[str, Callable[[], object]]:
    """Return each tool as a call on ``path``, made in the thread that calls it."""
    ctx = Context(key="k", desk=desk)
    number = iter(range(1_000_000_000))

    def call(name: str, **arguments: object) -> object:
        return TOOLS[name].call(ctx, arguments)

    return {
        "read": lambda: call("read", path=path),
        "write": lambda: call("write", path=path, content=f"{INSIDE}{next(number)}\n"),
        "edit": lambda: call("edit", path=path, old="what", new="what!"),
        "new": lambda: call("write", path=f"{Path(path).parent}/n/e/{next(number)}", content="x"),
        "grep": lambda: call("grep", pattern=".", path=path),
        "walk": lambda: call("grep", pattern="nobody", path="."),
        "glob": lambda: call("glob", pattern="**/*"),
    }


# -- names that lead out -----------------------------------------------------------------------------


def led_out(ground: Ground) -> dict[str, str]:
    """Return paths that lead to the secret, by how they do, with all links made."""
    root, outside = ground.root, ground.outside
    links = {
        "absolute": str(outside / "f"),
        "relative": "../outside/f",
        "directory": str(outside),
        "up": "..",
        "chain": "relative",
        "proc": "/proc/self/root",
        "cwd": "/proc/self/cwd",
        "round": "d/../../outside/f",
        "back": f"{root}/../outside/f",
        "slashes": f"//{outside}/f",
        "prefix": f"{root}2/f",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    Path(f"{root}2").mkdir()
    (Path(f"{root}2") / "f").write_text(SECRET)
    return {
        "dots": "../outside/f",
        "dots within": "d/../../outside/f",
        "absolute path": str(outside / "f"),
        "absolute dots": f"{root}/../outside/f",
        "prefix path": f"{root}2/f",
        "proc path": f"/proc/self/root{outside}/f",
        "proc path within": f"/proc/self/root{root}/d/f",
        "fd path": "/proc/self/fd/0",
        "home": "~/f",
        "nul": "d/f\0/../../outside/f",
        "link absolute": "absolute",
        "link relative": "relative",
        "link in the middle": "directory/f",
        "link up": "up/outside/f",
        "link up twice": "up/ws/up/outside/f",
        "link chain": "chain",
        "link proc": f"proc{outside}/f",
        "link proc within": f"proc{root}/d/f",
        "link cwd": "cwd/f",
        "link round": "round",
        "link back": "back",
        "link slashes": "slashes",
        "link prefix": "prefix",
    }


def test_no_path_and_no_link_leads_out(ground: Ground, opening: str):
    del opening
    desk = PlainDesk(ground.root)
    for how, path in led_out(ground).items():
        for name, call in calls_on(desk, path).items():
            if name in {"walk", "glob", "new"}:
                continue
            with pytest.raises(NotDone) as caught:
                call()
            assert SECRET not in str(caught.value), (how, name)
    for name in ("walk", "glob"):
        assert SECRET not in str(calls_on(desk, "d")[name]())
    for place in ("directory/new", "up/new", "up/outside/deep/new", "absolute/new", "proc/tmp/new", "back"):
        with pytest.raises(NotDone):
            text(desk, "write", path=place, content="x")
    assert ground.harmed() == []
    assert desk.changed == {}


def test_links_within_the_workspace_work_and_stay_links(ground: Ground):
    desk = PlainDesk(ground.root)
    (ground.root / "to").mkdir()
    links = {"one": "d/f", "two": "one", "to/three": "../d/f", "four": str(ground.root / "d" / "f"),
             "five": "to/../d/./f", "dir": "d", "whole": str(ground.root), "six": "whole/dir/f"}  # fmt: skip
    for name, target in links.items():
        (ground.root / name).symlink_to(target)
    for path in (
        *[name for name in links if name not in {"dir", "whole"}],
        "dir/f",
        "whole/d/f",
        "to/../dir/f",
    ):
        assert text(desk, "read", path=path) == f"1\t{INSIDE.strip()}"
    assert text(desk, "edit", path="six", old="what", new="all that").startswith("d/f: 1 place")
    assert text(desk, "write", path="two", content="x").startswith("d/f: replaced")
    assert (ground.root / "d" / "f").read_text() == "x"
    assert all((ground.root / name).is_symlink() for name in links)
    (ground.root / "dangling").symlink_to("made/by/write")
    assert text(desk, "write", path="dangling", content="y").startswith("made/by/write: new")
    assert (ground.root / "dangling").read_text() == "y"


def test_links_in_a_circle_end(ground: Ground):
    desk = PlainDesk(ground.root)
    (ground.root / "a").symlink_to("b")
    (ground.root / "b").symlink_to("a")
    (ground.root / "self").symlink_to("self/self")
    (ground.root / "d" / "again").symlink_to("..")
    for path in ("a", "self"):
        with pytest.raises(NotDone, match=f"more than {LINKS_FOLLOWED_MAX}"):
            text(desk, "read", path=path)
    assert text(desk, "glob", pattern="**/*") == "a\nb\nd/\nd/again\nd/f\nself"


def test_a_file_outside_is_never_written_through_a_hard_link(ground: Ground):
    desk = PlainDesk(ground.root)
    os.link(ground.outside / "f", ground.root / "hard")
    said = text(desk, "edit", path="hard", old="nobody", new="everybody")
    assert said.endswith("it had 2 names (hard links), and under the others the old content stays")
    os.link(ground.outside / "f", ground.root / "hard2")
    text(desk, "write", path="hard2", content="x")
    assert ground.harmed() == []
    assert (ground.root / "hard2").read_text() == "x"


# -- what is never opened ----------------------------------------------------------------------------


def test_a_fifo_is_never_opened_and_blocks_nobody(ground: Ground, opening: str):
    del opening
    desk = PlainDesk(ground.root)
    fifo = ground.root / "d" / "fifo"
    os.mkfifo(fifo)
    met = threading.Event()

    def wait_for_a_reader() -> None:
        os.close(os.open(fifo, os.O_WRONLY))
        met.set()

    waiting = threading.Thread(target=wait_for_a_reader, daemon=True)
    waiting.start()
    for name, call in calls_on(desk, "d/fifo").items():
        if name in {"read", "write", "edit"}:
            with pytest.raises(NotDone, match="FIFO, which is never opened"):
                call()
        elif name != "new":
            call()
    assert not met.is_set()
    os.close(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
    waiting.join(60)
    assert stat.S_ISFIFO(fifo.lstat().st_mode)


def test_sockets_and_devices_are_never_opened(ground: Ground, opening: str):
    del opening
    desk = PlainDesk(ground.root)
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(ground.root)  # the name of a socket has to be short
        listening.bind("sock")
        os.chdir(here)
        for name in ("read", "edit", "write"):
            with pytest.raises(NotDone, match="socket"):
                calls_on(desk, "sock")[name]()
    try:
        os.mknod(ground.root / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")
    for name in ("read", "edit", "write"):
        with pytest.raises(NotDone, match="device"):
            calls_on(desk, "zero")[name]()
    assert SECRET not in str(calls_on(desk, "zero")["walk"]())


@pytest.mark.parametrize(
    "name",
    [" ", "a b", "-rf", "--", "a\nb", "a\tb", "'\"$(x)`", "*", "[a]", "{b}", "\\", "é", "e\u0301", "名", "🎉",
     "n" * 255, "\udcff", ".", "..." , ".perdure", "con", "a:b", "%2e%2e", "\u202egnp"],
)  # fmt: skip
def test_odd_names_are_names_like_others(ground: Ground, name: str):
    desk = PlainDesk(ground.root)
    path = f"odd/{name}/{name}" if name != "." else "odd/./x/./y"
    text(desk, "write", path=path, content="one\n")
    assert (ground.root / path).read_text() == "one\n"
    text(desk, "edit", path=path, old="one", new="two")
    assert text(desk, "read", path=path) == "1\ttwo"
    assert "two" in text(desk, "grep", pattern="two", path=path)
    assert len(text(desk, "glob", pattern="odd/*/*").replace("a\nb", "")) > len("odd/")
    assert ground.harmed() == []


def test_a_path_deeper_than_a_name_may_be_long_is_reached(ground: Ground):
    desk = PlainDesk(ground.root)
    deep = "/".join(["d" * 100] * 60)
    text(desk, "write", path=f"{deep}/f", content="down here\n")
    assert text(desk, "read", path=f"{deep}/f") == "1\tdown here"
    assert text(desk, "grep", pattern="down here", names_only=True) == f"{deep}/f"


# -- names that change meanwhile ---------------------------------------------------------------------


def fight(ground: Ground, calls: dict[str, Callable[[], object]], decoy: Path, place: str) -> Account:
    """Return what happens when all ``calls`` are made while ``place`` and ``decoy`` are exchanged."""
    refusals = (NotDone, OSError)
    slow = [call for name, call in calls.items() if name in {"grep", "walk"}]
    quick = [call for name, call in calls.items() if name not in {"grep", "walk"}]
    account = fought([*(10 * quick), *slow], refusals, ground.root / place, decoy, seconds=SECONDS)
    assert account.swaps >= SWAPS_MIN
    assert account.done >= DONE_MIN
    return account


@pytest.mark.parametrize("target", ["absolute", "relative", "proc"])
def test_a_directory_that_is_swapped_for_a_link_leads_nobody_out(ground: Ground, target: str, opening: str):
    del opening
    desk = PlainDesk(ground.root)
    decoy = ground.root / "decoy"
    outside = {
        "absolute": str(ground.outside),
        "relative": "../outside",
        "proc": f"/proc/self/root{ground.outside}",
    }
    decoy.symlink_to(outside[target])
    account = fight(ground, calls_on(desk, "d/f"), decoy, "d")
    assert account.refused > 0, "the attack never hit"
    assert account.seen == []
    assert ground.harmed() == []


def test_a_file_that_is_swapped_for_a_link_leads_nobody_out(ground: Ground, opening: str):
    del opening
    desk = PlainDesk(ground.root)
    decoy = ground.root / "decoy"
    decoy.symlink_to(ground.outside / "f")
    calls = {name: call for name, call in calls_on(desk, "d/f").items() if name not in {"write", "edit"}}
    account = fight(ground, calls, decoy, "d/f")
    assert account.refused > 0, "the attack never hit"
    assert account.seen == []
    # whoever writes replaces a name, so the attacker loses what it swaps and ends: then as well
    for name in ("write", "edit"):
        for _ in range(200):
            (ground.root / "d" / "f").unlink(missing_ok=True)
            (ground.root / "d" / "f").symlink_to(ground.outside / "f")
            with pytest.raises(NotDone):
                calls_on(desk, "d/f")[name]()
    assert ground.harmed() == []


def test_a_file_that_is_swapped_for_a_fifo_blocks_nobody(ground: Ground, opening: str):
    del opening
    desk = PlainDesk(ground.root)
    decoy = ground.root / "decoy"
    os.mkfifo(decoy)
    calls = {name: call for name, call in calls_on(desk, "d/f").items() if name in {"read", "grep", "walk"}}
    account = fight(ground, calls, decoy, "d/f")
    assert account.refused > 0, "the attack never hit"
    assert account.slowest < 20, "a call waited for somebody to write"


def test_what_is_asked_of_the_reach_is_where_the_file_was_opened(ground: Ground):
    desk = PlainDesk(ground.root)
    (ground.root / "allowed").mkdir()
    (ground.root / "allowed" / "f").write_text("fine")
    (ground.root / "way").symlink_to("allowed")
    (ground.root / "decoy").symlink_to("d")
    wrong: list[str] = []

    def look() -> str:
        with reached(ground.root, "way/f") as spot, files.opened(spot) as descriptor:
            content = os.read(descriptor, 100).decode()
            if (spot.path, content) not in {("allowed/f", "fine"), ("d/f", INSIDE)}:
                wrong.append(spot.path)
            return spot.path

    assert desk.root == ground.root
    account = fought([look], (NotDone, OSError), ground.root / "way", ground.root / "decoy", seconds=SECONDS)
    assert account.swaps >= SWAPS_MIN
    assert wrong == []


# -- a tool set that looks first and opens then is caught --------------------------------------------


FIGHTS_MAX = 8
"""One is enough on a quiet machine; on a busy one the two threads may never meet in it."""


def careless(root: Path) -> dict[str, Callable[[], object]]:
    """Return tools that check where a path leads, and then open it by its name."""

    def checked() -> Path:
        path = root / "d" / "f"
        if not path.resolve().is_relative_to(root):
            raise NotDone("it leads out")
        return path

    def write() -> int:
        path = checked()
        part = path.with_name("part")
        part.write_text(INSIDE)
        part.replace(path)
        return 1

    return {"read": lambda: checked().read_text(), "write": write}


def test_tools_that_look_first_and_open_then_are_caught(ground: Ground):
    decoy = ground.root / "decoy"
    decoy.symlink_to(ground.outside)
    assert any(
        fight(ground, careless(ground.root), decoy, "d").seen != [] or ground.harmed() != []
        for _ in range(FIGHTS_MAX)
    )


def test_tools_that_follow_links_when_they_open_are_caught(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    decoy = ground.root / "decoy"
    decoy.symlink_to(ground.outside)
    opening = os.open

    def following(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        return opening(path, flags & ~os.O_NOFOLLOW, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", following)
    calls = {
        name: call
        for name, call in calls_on(PlainDesk(ground.root), "d/f").items()
        if name in {"read", "new"}
    }
    assert any(
        fight(ground, calls, decoy, "d").seen != []
        or sorted(path.name for path in ground.outside.iterdir()) != ["f"]
        for _ in range(FIGHTS_MAX)
    )
