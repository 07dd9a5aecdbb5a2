"""Which CRIU is taken, why none is, and what CRIU's words mean. None of this needs CRIU."""

import os
import subprocess
from pathlib import Path

import pytest

from perdure.adapters.sandboxes.images import probe
from perdure.adapters.sandboxes.images.criu import Criu, NoCriu, culprit, find_criu, reason

SETUP = Path(__file__).parents[1] / "setup" / "criu.sh"


def _program(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'Version: {version}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)


@pytest.mark.usefixtures("as_root")
def test_one_that_is_named_goes_before_one_on_the_path_before_one_that_was_built(tmp_path: Path) -> None:
    built = _program(tmp_path / ".cache" / "perdure" / "criu" / "bin" / "criu", "4.2.1")
    where = {"HOME": str(tmp_path), "PATH": ""}
    assert find_criu(where) == Criu(built, "4.2.1")
    on_path = _program(tmp_path / "bin" / "criu", "4.1")
    where["PATH"] = str(on_path.parent)
    assert find_criu(where) == Criu(on_path, "4.1")
    named = _program(tmp_path / "named", "5.0")
    where["PERDURE_CRIU"] = str(named)
    assert find_criu(where) == Criu(named, "5.0")


@pytest.mark.usefixtures("as_root")
def test_one_that_is_too_old_is_named_and_not_taken(tmp_path: Path) -> None:
    old = _program(tmp_path / "criu", "3.17.1")
    found = find_criu({"HOME": str(tmp_path), "PATH": str(tmp_path)})
    assert isinstance(found, NoCriu)
    assert found.why == f"no CRIU of version 4.1 or newer; {old} is 3.17.1"
    assert "tests/setup/criu.sh" in found.cure


def test_who_is_not_root_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    found = find_criu({"HOME": str(tmp_path), "PATH": ""})
    assert isinstance(found, NoCriu)
    assert "root" in found.why


def test_the_probe_says_why_not_and_what_would_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_known", {})
    monkeypatch.setattr(probe, "find_criu", lambda: NoCriu("no CRIU", "build one"))
    assert probe.probe_images(tmp_path) == ("no CRIU", "build one")


@pytest.mark.usefixtures("as_root")
def test_the_probe_is_not_content_with_a_program_that_only_has_the_version(
    tmp_path: Path, criu: Criu
) -> None:
    """A CRIU that says it is done, and has done nothing, is found out by what a service remembers."""
    empty = _program(tmp_path / "criu", "9.9")
    why, cure = "", ""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(probe, "_known", {})
        patched.setattr(probe, "find_criu", lambda: Criu(empty, "9.9"))
        why, cure = probe.probe_images(tmp_path / "scratch")
    assert why
    assert cure
    assert criu.path != empty


_CASCADE = """\
Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted
Error (criu/sk-unix.c:479): unix: Dangling connection 693691
Error (criu/cr-dump.c:1545): Dump files (pid: 23459) failed with -1
Error (criu/cr-dump.c:1975): Dumping FAILED.
"""
_VERBOSE = """\
(00.020206) Warn  (criu/kerndat.c:1642): CRIU was built without libnftables support
(00.020207) Error (criu/files.c:77): Unknown file type anon_inode:[io_uring]
"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            _CASCADE,
            "it holds a unix socket whose other end is outside of the sandbox (Dangling connection 693691)",
        ),
        (
            _VERBOSE,
            "it uses io_uring, whose requests live in the kernel (Unknown file type anon_inode:[io_uring])",
        ),
        ("(00.2) Error (criu/new.c:1): something nobody knew\n", "something nobody knew"),
        ("Error (criu/cr-dump.c:1975): Dumping FAILED.\n", ""),
        ("", ""),
    ],
)
def test_the_first_telling_error_is_the_reason(log: str, words: str) -> None:
    assert reason(log) == words


def test_the_program_that_criu_stumbled_over_is_found(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(_CASCADE)
    assert culprit(tmp_path / "log") == 23459
    assert culprit(tmp_path / "no log") == 0


# -- the script that builds one --------------------------------------------------------------------------


def _set_up(environment: dict[str, str], *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, "/bin/bash", str(SETUP)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_setup_script_finds_what_is_there_and_builds_nothing(criu: Criu) -> None:
    done = _set_up({**os.environ, "PERDURE_CRIU": str(criu.path)})
    assert (done.returncode, done.stdout) == (0, f"{criu.path}\n")


@pytest.mark.skipif(os.getuid() != 0, reason="says the same, but first that this is not root")
def test_the_setup_script_says_in_a_line_what_it_lacks(tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in (
        "bash",
        "uname",
        "id",
        "sed",
        "sort",
        "head",
        "mkdir",
        "tar",
        "dpkg",
        "flock",
        "apt-get",
        "make",
    ):
        (bare / program).symlink_to(f"/usr/bin/{program}")
    where = {"PATH": str(bare), "HOME": str(tmp_path)}
    without_compiler = _set_up(where)
    assert without_compiler.returncode == 5
    assert without_compiler.stderr == "criu: no CRIU 4.1 here, and no gcc to build it with\n"
    (bare / "apt-get").unlink()
    assert _set_up(where).returncode == 4


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_the_setup_script_asks_for_root() -> None:
    done = _set_up({"PATH": "/usr/bin:/bin", "HOME": "/"}, "setpriv", "--reuid=65534", "--clear-groups")
    assert done.returncode == 3
    assert "need root" in done.stderr
