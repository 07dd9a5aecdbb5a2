"""grep finds the same lines with ripgrep and without it, and a pattern that never ends is ended."""

import os
import re
import shutil
import stat
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from perdure.adapters.tools.coding import looking, searching
from perdure.adapters.tools.coding.dialect import for_ripgrep
from perdure.adapters.tools.coding.searching import Query, found_in, ripgrep
from perdure.adapters.tools.outcomes import NotDone
from perdure.contract import Contract, Reach
from perdure.values.limits import EDIT_BYTES_MAX
from tests.tools.coding.desk import PlainDesk, text

RIPGREP = ripgrep(Path("/nowhere"))
needs_ripgrep = pytest.mark.skipif(RIPGREP is None, reason="there is no ripgrep here")

ATOMS = ["a", "b", "K", "foo", "é", " ", ".", r"\w", r"\W", r"\d", r"\s", r"\S", r"\b", r"\.", r"\(", "[ab]",
         "[^ab]", r"[\w.]", r"[^\s]", "[a-z]", "(?:ab|b)", "(a|foo)", "^", "$", "a{2}", "(?=b)", r"\x41", "-", "=",
         "#", "[[]", "[]a]", r"\<", "{", "}", "&&", "~"]  # fmt: skip
REPEATS = ["", "", "", "", "*", "+", "?", "*?", "+?"]
patterns = st.lists(st.tuples(st.sampled_from(ATOMS), st.sampled_from(REPEATS)), min_size=1, max_size=5).map(
    lambda parts: "".join(atom + repeat for atom, repeat in parts)
)
LETTERS = "abKk fooAB12.=()-_#[]{}é\u212a\u017f²~&<>\t\x0b\x1c\r\ufeff"
contents = st.one_of(st.text(LETTERS + "\n", max_size=60).map(str.encode), st.binary(max_size=40))


def lines(file: Path, query: Query, program: str | None) -> list[int]:
    """Return the lines of ``file`` that one engine finds, as grep asks it."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        plain = looking._is_plain(file.read_bytes())
        found = found_in(query, [descriptor], program=program if plain else None, until=time.monotonic() + 30)
        return found.get(descriptor, [])
    finally:
        os.close(descriptor)


def truth(content: bytes, query: Query) -> list[int]:
    """Return the lines that match, found in the plainest way."""
    flags = re.ASCII | (re.IGNORECASE if query.ignore_case else 0)
    pattern = re.compile(query.pattern, flags)
    said = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not said[-1]:
        said.pop()
    texts = [line.removesuffix(b"\r").decode("utf-8", "replace") for line in said]
    return [number for number, line in enumerate(texts, 1) if pattern.search(line)]


@needs_ripgrep
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=patterns, content=contents, ignore_case=st.booleans())
@example(pattern=r"\w", content="²\n\u0301\n".encode(), ignore_case=False)
@example(pattern="k", content="\u212a\n".encode(), ignore_case=True)
@example(pattern="a.b", content=b"a\xffb\n", ignore_case=False)
@example(pattern="foo$", content=b"foo\r\n", ignore_case=False)
@example(pattern="^..$", content="é\néé\n".encode(), ignore_case=False)
@example(pattern=r"\<foo", content=b"<foo\nfoo\n", ignore_case=False)
@example(pattern=r"[^a]", content="é\n\na\n".encode(), ignore_case=False)
def test_the_same_lines_are_found_with_ripgrep_and_without(
    tmp_path: Path, pattern: str, content: bytes, ignore_case: bool
):
    query = Query(pattern, ignore_case, 1000)
    file = tmp_path / "file"
    file.write_bytes(content)
    try:
        with warnings.catch_warnings(action="ignore"):
            wanted = truth(content, query)
    except re.error:
        for program in (None, RIPGREP):
            with pytest.raises(NotDone, match="can't be read"):
                lines(file, query, program)
        return
    assert lines(file, query, None) == wanted
    assert lines(file, query, RIPGREP) == wanted


@needs_ripgrep
def test_what_people_search_for_is_left_to_ripgrep():
    for pattern in (r"def \w+\(", "import os", r"^\s*class [A-Z]\w*", "(?:GET|POST) /v1", "[^ ]+=.*$"):
        assert for_ripgrep(pattern, ignore_case=False) is not None
    for pattern in ("é", "(?i)a", "(?<=a)b", "a{2}", r"\Aa", "[[:alpha:]]", "x*+", "a\nb"):
        assert for_ripgrep(pattern, ignore_case=False) is None


@needs_ripgrep
def test_a_pattern_given_to_ripgrep_as_it_is_would_find_other_lines(tmp_path: Path):
    file = tmp_path / "file"
    file.write_bytes("<foo\nfoo\n²\n".encode())
    descriptor = os.open(file, os.O_RDONLY)
    assert RIPGREP is not None
    query = Query(r"\<foo", ignore_case=False, most=9)
    said = searching._by_ripgrep(RIPGREP, query.pattern, query, [descriptor], time.monotonic() + 9)
    os.close(descriptor)
    assert said is not None
    assert said.get(descriptor) != truth(file.read_bytes(), query)


@pytest.fixture(params=["ripgrep", "python"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainDesk:
    """A workspace that is searched by the one or by the other."""
    if request.param == "python":
        monkeypatch.setattr(looking, "ripgrep", lambda root: None)
    elif RIPGREP is None:
        pytest.skip("there is no ripgrep here")
    root = tmp_path / "ws"
    files = {
        "src/app.py": "import os\n\ndef main():\n    return os.name\n",
        "src/win.py": "import os\r\n\r\ndef other():\r\n    pass\r\n",
        "src/deep/er/x.ts": "import { os } from 'os'\n",
        ".env": "import secrets\n",
        ".hidden": "import hidden\n",
        "node_modules/a/index.py": "import os\n",
        "odd name\n.py": "import os\n",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    (root / "bytes.py").write_bytes(b"import os\0\n")
    return PlainDesk(root)


def test_matches_come_with_path_and_line_in_the_order_of_paths(desk: PlainDesk):
    assert text(desk, "grep", pattern=r"^import os$") == (
        "odd name\n.py:1:import os\nsrc/app.py:1:import os\nsrc/win.py:1:import os\n[not looked into: node_modules]"
    )


def test_a_glob_a_directory_and_a_file_narrow_the_search(desk: PlainDesk):
    assert text(desk, "grep", pattern="import", glob="*.ts", names_only=True) == (
        "src/deep/er/x.ts\n[not looked into: node_modules]"
    )
    assert text(desk, "grep", pattern="import", path="src", glob="deep/**") == (
        "src/deep/er/x.ts:1:import { os } from 'os'"
    )
    assert text(desk, "grep", pattern="import", path="src/win.py") == "src/win.py:1:import os"
    assert text(desk, "grep", pattern="import", path="node_modules") == "node_modules/a/index.py:1:import os"
    with pytest.raises(NotDone, match="there is no 'nope'"):
        text(desk, "grep", pattern="import", path="nope")


def test_lines_around_a_match_are_shown_and_groups_are_parted(desk: PlainDesk):
    (desk.root / "n.txt").write_text("".join(f"{n}\n" for n in range(1, 21)))
    assert text(desk, "grep", pattern="^(2|4|12)$", path="n.txt", context=1) == (
        "n.txt-1-1\nn.txt:2:2\nn.txt-3-3\nn.txt:4:4\nn.txt-5-5\n--\nn.txt-11-11\nn.txt:12:12\nn.txt-13-13"
    )


def test_more_matches_than_may_be_shown_are_said_to_be_there(desk: PlainDesk):
    (desk.root / "n.txt").write_text("x\n" * 10)
    assert text(desk, "grep", pattern="x", path="n.txt", limit=3).splitlines()[3:] == [
        "[the first 3 matches; there are more]"
    ]
    assert len(text(desk, "grep", pattern="x", path="n.txt", limit=10).splitlines()) == 10


def test_what_is_out_of_reach_is_not_found_and_nothing_tells_that_it_is_there(desk: PlainDesk):
    walled = PlainDesk(
        desk.root, Contract(reach=Reach(read=("**", "!**/.env", "!src/**"))), hidden=("**/.hid*",)
    )
    (desk.root / "lib.py").write_text("import os\n")
    found = text(walled, "grep", pattern="import")
    assert "lib.py:1:" in found
    assert "odd name" not in found, "a reach can't judge a name with control characters, so it is out of it"
    assert ".env" not in found
    assert ".hidden" not in found
    assert "src" not in found
    with pytest.raises(NotDone, match=re.escape("there is no '.env'")):
        text(walled, "grep", pattern="import", path=".env")
    assert text(walled, "grep", pattern="import", path="src") == "[nothing matches]"
    assert ".env" not in text(walled, "glob", pattern="**/*")
    assert "src/" not in text(walled, "glob", pattern="**/*")


def test_a_file_that_is_secret_for_what_it_holds_is_not_searched(desk: PlainDesk):
    (desk.root / "a.pem").write_text("import\n-----BEGIN PRIVATE KEY-----\n")
    (desk.root / "b.pem").write_text("import\n-----BEGIN CERTIFICATE-----\n")
    found = text(desk, "grep", pattern="import", glob="*.pem")
    assert found == "b.pem:1:import\n[not looked into: node_modules]"
    with pytest.raises(NotDone, match="holds a secret"):
        text(desk, "read", path="a.pem")
    with pytest.raises(NotDone, match="holds a secret"):
        text(desk, "edit", path="a.pem", old="import", new="export")


def test_files_by_the_thousand_are_searched_with_few_descriptors(desk: PlainDesk):
    for number in range(900):
        (desk.root / f"f{number:03}.txt").write_text(f"line\nneedle {number}\n")
        (desk.root / f"b{number:03}.bin").write_bytes(b"needle\0")
    found = text(desk, "grep", pattern="needle", limit=2000).splitlines()
    assert len(found) == 901
    assert found[7] == "f007.txt:2:needle 7"


def test_a_large_file_and_a_long_line_are_not_shown_whole(desk: PlainDesk):
    (desk.root / "long.txt").write_text("é" * 5000 + "needle\n")
    with (desk.root / "huge.txt").open("wb") as file:
        file.truncate(EDIT_BYTES_MAX + 1)
    found = text(desk, "grep", pattern="needle").splitlines()
    assert found[0].endswith("é [+8006 bytes]")
    assert len(found[0]) < 1100
    assert found[1:] == ["[not looked into: node_modules]", "[not searched, being large: huge.txt]"]


def test_a_pattern_that_goes_back_and_forth_for_ever_is_ended(
    desk: PlainDesk, monkeypatch: pytest.MonkeyPatch
):
    (desk.root / "a.txt").write_text("a" * 64 + "!\n")
    monkeypatch.setattr(looking, "SEARCH_SECONDS_MAX", 0.5)
    with pytest.raises(NotDone, match="narrow the path"):
        text(desk, "grep", pattern="(?:a|a)*(?=b)", path="a.txt")


def test_a_pattern_that_can_not_be_read_is_refused_with_its_cure(desk: PlainDesk):
    for path in (".", "empty"):
        (desk.root / "empty").mkdir(exist_ok=True)
        with pytest.raises(NotDone, match="need a backslash"):
            text(desk, "grep", pattern="main(", path=path)


def test_a_program_called_rg_in_the_workspace_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    planted = tmp_path / "bin" / "rg"
    planted.parent.mkdir()
    planted.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    planted.chmod(planted.stat().st_mode | stat.S_IXUSR)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "rg").symlink_to(planted)
    (tmp_path / "a.txt").write_text("x\n")
    for folder in (planted.parent, outside):
        monkeypatch.setenv("PATH", str(folder))
        assert shutil.which("rg") is not None
        assert ripgrep(tmp_path.resolve()) is None
        assert text(PlainDesk(tmp_path), "grep", pattern="x", path="a.txt") == "a.txt:1:x"
    assert not (tmp_path / "ran").exists()
