"""What lands in the workspace is what the command saw when it ended, whatever it did."""

import errno
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings

from perdure.adapters.sandboxes import landing, overlays
from perdure.adapters.sandboxes.confinement import Overlay
from perdure.adapters.sandboxes.landing import land
from perdure.adapters.sandboxes.overlays import HeldBack
from perdure.adapters.sandboxes.removal import uprooted
from perdure.adapters.sandboxes.sandbox import Sandbox
from perdure.adapters.sandboxes.upper import NetChange, Step, read_change
from tests.sandbox.ground import Ground, confining, ground, played
from tests.sandbox.mutations import CHANGE, LOOK, Deed, deeds, look, planted

Land = Callable[[NetChange, Path, Path, Path], None]

OTHER_DISK = Path("/dev/shm")

EVERYTHING: list[Deed] = [
    ("write", "a", "", 3), ("unlink", "b", "", 0), ("renew", "d", "x/a", 4), ("append", "h1", "", 2),
    ("link", "h2", "n", 0), ("symlink", "d/b", "a", 1), ("chmod", "e", "", 3), ("hole", "a", "", 7),
    ("mark", "a", "", 0), ("mkdir", "e/n", "", 0), ("rename", "l", "e/l", 0), ("touch", "dl", "", 5),
]  # fmt: skip


@pytest.fixture(scope="module")
def here() -> Iterator[Ground]:
    place = Path(tempfile.mkdtemp())
    yield ground(place)
    uprooted(place)


@pytest.fixture(scope="module")
def box(here: Ground) -> Sandbox:
    return here.sandbox()


@pytest.fixture(scope="module")
def far_box(here: Ground) -> Iterator[Sandbox]:
    """A sandbox whose overlays lie on another file system than the workspace."""
    if not OTHER_DISK.is_dir() or OTHER_DISK.stat().st_dev == here.root.stat().st_dev:
        pytest.skip("there is no second file system at hand")
    place = Path(tempfile.mkdtemp(dir=OTHER_DISK))
    far = Ground(here.root, place)
    yield Sandbox(here.root, place, ladder=confining(far))
    uprooted(place)


def landed_and_seen(
    box: Sandbox, changes: list[Deed]
) -> tuple[dict[str, object], dict[str, object], frozenset[str]]:
    """Return how the workspace looks after the changes, how the command saw it, and what was told of it."""
    planted(box.root)
    box.take_changes()
    line = shlex.join(["python3", "-I", "-S", "-c", CHANGE, json.dumps(changes)])
    ran = played(box.run(f"umask 022; {line}; {shlex.join(['python3', '-I', '-S', '-c', LOOK])}", timeout=30))
    assert ran.refused == (), ran
    told = box.take_changes()
    assert told is not None
    return look(box.root), json.loads(ran.output), told


def directly(root: Path, changes: list[Deed]) -> dict[str, object]:
    """Return how the workspace looks when the same changes are made to it without a sandbox."""
    planted(root)
    subprocess.run([sys.executable, "-I", "-S", "-c", CHANGE, json.dumps(changes)], cwd=root, check=True)
    return look(root)


@settings(max_examples=40)
@example(EVERYTHING)
@given(changes=deeds())
def test_what_lands_is_what_the_command_saw_and_every_changed_path_is_told(box: Sandbox, changes: list[Deed]):
    planted(box.root)
    before = look(box.root)
    landed, seen, told = landed_and_seen(box, changes)
    assert differences(landed, seen) == []
    assert untold(before, landed, told) == []


@settings(max_examples=15)
@example(EVERYTHING)
@given(changes=deeds())
def test_it_lands_the_same_from_another_file_system(far_box: Sandbox, changes: list[Deed]):
    landed, seen, _ = landed_and_seen(far_box, changes)
    assert differences(landed, seen) == []


def untold(before: dict[str, object], landed: dict[str, object], told: frozenset[str]) -> list[str]:
    """Return the changed paths of which nothing was told."""
    changed = {
        path for path in before.keys() | landed.keys() if _alone(before.get(path)) != _alone(landed.get(path))
    }
    # What lies in a directory that was shut is as it was, and can't be seen.
    seen_in = _open_folders(landed)
    told_of = {path for path in changed if path in landed or _above(path, before.keys()) <= seen_in}
    return sorted({path.removeprefix("./") for path in told_of} - told)


def differences(landed: dict[str, object], seen: dict[str, object]) -> list[str]:
    """Return the paths that did not land as they were seen.

    An overlay may show two names of one file as two files (each has the number of another layer's file);
    what lands has every name that it shows, and more.
    """
    return [
        path
        for path in sorted(landed.keys() | seen.keys())
        if _alone(landed.get(path)) != _alone(seen.get(path))
        or not _names(seen.get(path)) <= _names(landed.get(path))
    ]


def _names(look: object) -> set[str]:
    """Return all names of the file that has this look."""
    return set(look[-1]) if isinstance(look, list) and not stat.S_ISDIR(look[0]) else set()


def _open_folders(looks: dict[str, object]) -> set[str]:
    """Return the directories that their owner may enter and read."""
    return {
        path
        for path, look in looks.items()
        if isinstance(look, list) and stat.S_ISDIR(look[0]) and look[1] & 0o500 == 0o500
    }


def _above(path: str, known: Collection[str]) -> set[str]:
    """Return the directories on the way to ``path`` that are ``known``, spelled as there."""
    return {spelled for above in Path(path).parents if (spelled := f"./{above}") in known}


def _alone(look: object) -> object:
    """Return a look without the other names of a file, which change with them."""
    return look[:-1] if isinstance(look, list) and not stat.S_ISDIR(look[0]) else look


def test_a_file_renamed_in_a_directory_that_its_owner_shut_lands(tmp_path: Path):
    here = ground(tmp_path)
    shut = here.root / "shut"
    shut.mkdir()
    (shut / "old").write_text("kept")
    shut.chmod(0o555)
    box = here.sandbox()
    ran = played(box.run("chmod 755 shut && mv shut/old shut/new && chmod 555 shut", timeout=30))
    assert (ran.exit, ran.refused) == (0, ())
    assert [path.name for path in shut.iterdir()] == ["new"]
    assert stat.S_IMODE(shut.stat().st_mode) == 0o555


def test_a_landing_that_dies_leaves_no_file_open_that_was_shut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here = ground(tmp_path)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(landing, "_shut", dies)
    with pytest.raises(KeyboardInterrupt):
        played(here.sandbox().run("mkdir d && echo x >d/object && chmod 444 d/object", timeout=30))
    assert stat.S_IMODE((here.root / "d" / "object").stat().st_mode) == 0o444


# What an overlay does otherwise than a directory is left out here: names of one file, renamed directories.
SAME_ANYWHERE = {
    "write",
    "hole",
    "chmod",
    "unlink",
    "mkdir",
    "rmtree",
    "symlink",
    "mark",
    "fifo",
    "renew",
    "touch",
}


@settings(max_examples=20)
@given(changes=deeds())
def test_it_lands_as_it_would_have_been_without_a_sandbox(box: Sandbox, changes: list[Deed]):
    plain = [
        deed for deed in changes if deed[0] in SAME_ANYWHERE and not deed[1].endswith(("h1", "h2", "h3"))
    ]
    landed, _, _ = landed_and_seen(box, plain)
    assert _untimed(landed) == _untimed(directly(box.root, plain))


def _untimed(looks: dict[str, object]) -> dict[str, object]:
    return {path: [*look[:2], *look[3:]] for path, look in looks.items() if isinstance(look, list)}


def _without_deletions(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(
        step._replace(inside=_without_deletions(step.inside)) for step in steps if step.deed != "remove"
    )


def forgets_deletions(change: NetChange, upper: Path, root: Path, trash: Path) -> None:
    land(change._replace(steps=_without_deletions(change.steps)), upper, root, trash)


def forgets_marks(change: NetChange, upper: Path, root: Path, trash: Path) -> None:
    land(change._replace(marked=()), upper, root, trash)


def copies_over(change: NetChange, upper: Path, root: Path, trash: Path) -> None:
    """As one would write it in an afternoon."""
    shutil.copytree(upper, root, symlinks=True, dirs_exist_ok=True, ignore=_devices)


def _devices(folder: str, names: list[str]) -> list[str]:
    kept = (Path(folder, name) for name in names)
    return [path.name for path in kept if not (path.is_symlink() or path.is_file() or path.is_dir())]


def merges_what_was_replaced(change: NetChange, upper: Path, root: Path, trash: Path) -> None:
    """Takes every directory for one that adds to the one below it."""
    steps = tuple(_merged(step, upper) if (root / step.name).is_dir() else step for step in change.steps)
    land(change._replace(steps=steps), upper, root, trash)


def _merged(step: Step, upper: Path) -> Step:
    if step.deed != "move" or not (upper / step.name).is_dir():
        return step
    inside = tuple(Step(path.name, "move") for path in (upper / step.name).iterdir())
    return Step(step.name, "merge", inside)


def leaves_times(change: NetChange, upper: Path, root: Path, trash: Path) -> None:
    land(change, upper, root, trash)
    os.utime(root)


@pytest.mark.parametrize(
    "broken", [forgets_deletions, forgets_marks, copies_over, merges_what_was_replaced, leaves_times]
)
def test_a_broken_lander_is_caught(box: Sandbox, broken: Land, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(overlays, "land", broken)
    try:
        landed, seen, _ = landed_and_seen(box, EVERYTHING)
    except (OSError, shutil.Error):
        return
    assert differences(landed, seen) != []


def test_a_landing_that_was_broken_off_is_ended_by_landing_again(here: Ground, box: Sandbox, tmp_path: Path):
    held = _kept_back(here, box)
    change = held.change(None)
    upper, root = held.overlay.upper, here.root
    steps = 0
    while True:
        again = tmp_path / str(steps)
        again.mkdir()
        subprocess.run(["cp", "-a", upper, again / "upper"], check=True)
        subprocess.run(["cp", "-a", root, again / "root"], check=True)
        if not _breaks_after(steps, change, again):
            break
        land(change, again / "upper", again / "root", again / "trash")
        assert look(again / "root") == look(tmp_path / "0" / "root")
        steps += 1
    assert steps > 8


def _kept_back(here: Ground, box: Sandbox) -> HeldBack:
    """Return an overlay in which a command has made every kind of change, and that has not landed."""
    kept: list[HeldBack] = []

    class Keeping(HeldBack):
        def land(self, change: NetChange) -> None:
            kept.append(self)
            raise OSError(errno.EIO, "kept back")

        def discard(self) -> None:
            """Keep it."""

    planted(here.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlays, "HeldBack", Keeping)
        line = shlex.join(["python3", "-I", "-S", "-c", CHANGE, json.dumps(EVERYTHING)])
        with pytest.raises(OSError, match="kept back"):
            played(box.run(line, timeout=30))
    return kept[0]


def _breaks_after(steps: int, change: NetChange, place: Path) -> bool:
    """Land below ``place``, and break off after that many renames and deletions; tell whether it came to that."""
    done = 0

    def counted(deed: Callable[..., None]) -> Callable[..., None]:
        def counting(*args: object, **named: object) -> None:
            nonlocal done
            if done == steps:
                raise OSError(errno.EIO, "broken off")
            done += 1
            deed(*args, **named)

        return counting

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", counted(os.rename))
        patch.setattr(os, "unlink", counted(os.unlink))
        patch.setattr(os, "utime", counted(os.utime))
        try:
            land(change, place / "upper", place / "root", place / "trash")
        except OSError:
            return True
    return False


def test_reading_a_change_costs_by_the_change_not_by_the_workspace(tmp_path: Path):
    upper, root = tmp_path / "upper", tmp_path / "root"
    overlay = Overlay(upper, tmp_path / "work")
    for path in (*overlay, root, root / "big"):
        path.mkdir()
    for number in range(300):
        (root / "big" / str(number)).touch()
    (upper / "one").touch()
    looked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        lstat = os.lstat
        patch.setattr(os, "lstat", lambda path: looked.append(str(path)) or lstat(path))
        change = read_change(upper, root, None, 0)
    assert change.steps == (Step("one", "move"),)
    assert len(looked) < 10
