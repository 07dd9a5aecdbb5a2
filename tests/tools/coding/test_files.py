"""read, write, edit and glob do what they say, and a refusal changes nothing."""

import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.adapters.tools.coding import reading
from perdure.adapters.tools.outcomes import NotDone
from perdure.contract import Contract, Reach, ToolRules
from perdure.values.limits import EDIT_BYTES_MAX, LINE_BYTES_MAX, PATHS_SHOWN_MAX, READ_CHARACTERS_MAX
from tests.tools.coding.desk import TOOLS, PlainDesk, everything, text, use


@pytest.fixture
def desk(tmp_path: Path) -> PlainDesk:
    """An empty workspace."""
    root = tmp_path / "ws"
    root.mkdir()
    return PlainDesk(root)


def listed(root: Path) -> list[str]:
    """Return the names in ``root``, sorted."""
    return sorted(path.name for path in root.iterdir())


# -- what they are declared as -----------------------------------------------------------------------


def test_the_tools_declare_what_they_do_and_which_arguments_are_paths():
    from perdure import coding_tools

    declared = {tool.declaration.name: tool.declaration for tool in coding_tools(confined=True)}
    assert {name: each.effect for name, each in declared.items()} == {
        "read": "read", "write": "workspace", "edit": "workspace", "glob": "read", "grep": "read",
        "shell": "workspace",
    }  # fmt: skip
    assert TOOLS["shell"].declaration.effect == "once", "nothing confines it, so nothing knows what it did"
    assert declared["read"].reads == ("path",)
    assert declared["write"].writes == ("path",)
    assert declared["edit"].reads == declared["edit"].writes == ("path",)
    for each in declared.values():
        properties = each.schema["properties"]
        assert isinstance(properties, dict)
        assert all(isinstance(part, dict) and part.get("description") for part in properties.values())


def test_an_agent_without_a_workspace_is_told_so():
    with pytest.raises(NotDone, match="no workspace"):
        use(None, "read", path="a")


# -- read --------------------------------------------------------------------------------------------


def test_a_file_is_read_with_its_line_numbers(desk: PlainDesk):
    (desk.root / "a.txt").write_bytes("\ufeffone\r\ntwo\r\n\r\ndrei ü".encode())
    assert text(desk, "read", path="a.txt") == "1\tone\n2\ttwo\n3\t\n4\tdrei ü"


def test_a_part_of_a_file_says_what_is_left_out_and_how_to_go_on(desk: PlainDesk):
    (desk.root / "a.txt").write_text("".join(f"{n}\n" for n in range(1, 11)))
    assert text(desk, "read", path="a.txt", offset=4, limit=2) == (
        "4\t4\n5\t5\n[lines up to 5 of 10; go on with offset=6]"
    )
    assert text(desk, "read", path="a.txt", offset=9, limit=2) == "9\t9\n10\t10"
    with pytest.raises(NotDone, match="has 10 lines; there is no line 11"):
        text(desk, "read", path="a.txt", offset=11)


def test_an_empty_file_is_said_to_be_empty(desk: PlainDesk):
    (desk.root / "a.txt").touch()
    assert text(desk, "read", path="a.txt") == "[the file is empty]"
    with pytest.raises(NotDone, match="no line 2"):
        text(desk, "read", path="a.txt", offset=2)


def test_bytes_that_are_no_text_are_told_apart_from_text_with_wrong_bytes(desk: PlainDesk):
    (desk.root / "a.bin").write_bytes(b"\x7fELF\0\0")
    (desk.root / "latin.txt").write_bytes(b"ok\ncaf\xe9\n")
    with pytest.raises(NotDone, match="is no text"):
        text(desk, "read", path="a.bin")
    with pytest.raises(NotDone, match="is no text"):
        text(desk, "edit", path="a.bin", old="E", new="e")
    assert text(desk, "read", path="latin.txt") == (
        "1\tok\n2\tcaf\ufffd\n[1 of these lines hold bytes that are not UTF-8, shown as \ufffd]"
    )


def test_long_lines_and_long_files_are_bounded(desk: PlainDesk):
    (desk.root / "line.txt").write_text("é" * LINE_BYTES_MAX + "\nnext\n")
    first, second = text(desk, "read", path="line.txt").splitlines()
    assert first == f"1\t{'é' * (LINE_BYTES_MAX // 2)} [+{LINE_BYTES_MAX} bytes]"
    assert second == "2\tnext"
    (desk.root / "long.txt").write_text(f"{'x' * 999}\n" * 500)
    said = text(desk, "read", path="long.txt")
    assert len(said) < READ_CHARACTERS_MAX * 1.1
    assert said.endswith("[lines up to 100 of 500; go on with offset=101]")


def test_a_huge_file_is_read_in_part_within_little_memory(desk: PlainDesk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "SCAN_BYTES_MAX", 4 * 1024 * 1024)
    with (desk.root / "huge.log").open("wb") as file:
        file.write(b"line\n" * 2000)
        file.truncate(1 << 40)  # a terabyte of nothing, on no disk
    said = text(desk, "read", path="huge.log", offset=1999, limit=2)
    assert said == "1999\tline\n2000\tline\n[lines up to 2000 of more than 2001; go on with offset=2001]"
    with pytest.raises(NotDone, match="not within its first"):
        text(desk, "read", path="huge.log", offset=3000)
    with pytest.raises(NotDone, match="is larger than"):
        text(desk, "edit", path="huge.log", old="line", new="lines")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.text("ab é\t", max_size=6), max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
    closed=st.booleans(),
    offset=st.integers(1, 14),
    limit=st.integers(1, 14),
)
def test_reading_shows_the_lines_that_a_plain_model_has(
    desk: PlainDesk, lines: list[str], end: str, closed: bool, offset: int, limit: int
):
    content = end.join(lines) + (end if closed and lines else "")
    (desk.root / "f").write_bytes(content.encode())
    there = content.replace("\r\n", "\n").split("\n")
    there = there[:-1] if not there[-1] else there
    try:
        said = text(desk, "read", path="f", offset=offset, limit=limit).split("\n")
    except NotDone:
        assert offset > len(there)
        return
    shown = there[offset - 1 : offset - 1 + limit]
    wanted = [f"{number}\t{line}" for number, line in enumerate(shown, offset)]
    if not there:
        wanted = ["[the file is empty]"]
    elif offset - 1 + limit < len(there):
        last = offset - 1 + limit
        wanted.append(f"[lines up to {last} of {len(there)}; go on with offset={last + 1}]")
    assert said == wanted


# -- write -------------------------------------------------------------------------------------------


def test_a_file_is_made_with_the_directories_that_it_needs_and_each_is_noted(desk: PlainDesk):
    assert text(desk, "write", path="a/b/c.txt", content="x\ny") == "a/b/c.txt: new, 2 lines, 3 bytes"
    assert everything(desk.root) == {"a/b/c.txt": b"x\ny"}
    assert desk.changed == {"a": "k", "a/b": "k", "a/b/c.txt": "k"}
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((desk.root / "a/b/c.txt").stat().st_mode) == 0o666 & ~mask


def test_a_file_is_replaced_with_its_mode_kept_and_nothing_else_left_behind(desk: PlainDesk):
    path = desk.root / "run.sh"
    path.write_text("old")
    path.chmod(0o4751)
    inode = path.stat().st_ino
    assert text(desk, "write", path="run.sh", content="new") == "run.sh: replaced, 1 lines, 3 bytes"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o751, "who runs it no longer becomes its owner"
    assert path.stat().st_ino != inode
    assert listed(desk.root) == ["run.sh"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_is_replaced_stays_its_owners(desk: PlainDesk):
    path = desk.root / "a.txt"
    path.write_text("old")
    os.chown(path, 12345, 23456)
    text(desk, "edit", path="a.txt", old="old", new="new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_what_is_so_already_is_not_written_again(desk: PlainDesk):
    (desk.root / "a.txt").write_text("same")
    before = (desk.root / "a.txt").stat()
    assert text(desk, "write", path="a.txt", content="same") == "a.txt is so already"
    assert (desk.root / "a.txt").stat() == before
    assert desk.changed == {}


def test_a_refused_write_leaves_no_directory_and_no_part_behind(
    desk: PlainDesk, monkeypatch: pytest.MonkeyPatch
):
    (desk.root / "file").write_text("x")
    (desk.root / "there").mkdir()
    for path in ("file/below", "there", ".", "a/b/" + "n" * 300):
        with pytest.raises(NotDone):
            text(desk, "write", path=path, content="y")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(NotDone, match="No space left"):
        text(desk, "write", path="new/dir/f", content="y")
    monkeypatch.undo()
    assert everything(desk.root) == {"file": b"x"}
    assert listed(desk.root) == ["file", "there"]
    assert desk.changed == {}


def test_content_that_no_file_can_hold_is_refused(desk: PlainDesk):
    for name in ("write", "edit"):
        arguments = {"content": "a\ud800"} if name == "write" else {"old": "a", "new": "\udfff"}
        (desk.root / "f").write_text("a")
        with pytest.raises(NotDone, match="surrogate"):
            use(desk, name, path="f", **arguments)
    with pytest.raises(NotDone, match="the most"):
        use(desk, "write", path="f", content="x" * (EDIT_BYTES_MAX + 1))
    assert everything(desk.root) == {"f": b"a"}


# -- glob --------------------------------------------------------------------------------------------


def test_paths_are_found_by_pattern_sorted_and_without_what_tools_made(desk: PlainDesk):
    for name in (
        "src/b.py",
        "src/a.py",
        "src/deep/c.ts",
        ".github/ci.yml",
        ".git/HEAD",
        "node_modules/x/y.js",
    ):
        (desk.root / name).parent.mkdir(parents=True, exist_ok=True)
        (desk.root / name).touch()
    (desk.root / "link").symlink_to("src")
    assert (
        text(desk, "glob", pattern="src/*.py") == "src/a.py\nsrc/b.py\n[not looked into: .git, node_modules]"
    )
    assert text(desk, "glob", pattern="*") == (
        ".git/\n.github/\nlink\nnode_modules/\nsrc/\n[not looked into: .git, node_modules]"
    )
    assert text(desk, "glob", pattern="**/*.{py,ts}", path="src") == "src/a.py\nsrc/b.py\nsrc/deep/c.ts"
    assert text(desk, "glob", pattern="**", path=".git") == ".git/HEAD"
    assert text(desk, "glob", pattern="*", path="link") == "src/a.py\nsrc/b.py\nsrc/deep/"
    assert text(desk, "glob", pattern="nope*", path="src") == "[nothing matches]"
    with pytest.raises(NotDone, match=r"\*\* must stand alone"):
        text(desk, "glob", pattern="src**/x")
    with pytest.raises(NotDone, match="no directory"):
        text(desk, "glob", pattern="*", path="src/a.py")


def test_more_paths_than_an_answer_holds_are_counted(desk: PlainDesk):
    for number in range(PATHS_SHOWN_MAX + 5):
        (desk.root / f"{number:05}").touch()
    said = text(desk, "glob", pattern="*").splitlines()
    assert len(said) == PATHS_SHOWN_MAX + 1
    assert said[-1] == "[5 more; narrow the pattern]"


# -- reach -------------------------------------------------------------------------------------------


def test_a_path_is_judged_where_it_arrives_and_not_by_the_name_of_a_link(desk: PlainDesk):
    reach = Reach(read=("**", "!**/.env"), write=("src/**",))
    walled = PlainDesk(
        desk.root, Contract(reach=reach, tools={"write": ToolRules(reach=Reach(write=("**/*.py",)))})
    )
    (desk.root / "src").mkdir()
    (desk.root / ".env").write_text("KEY=1")
    (desk.root / "harmless").symlink_to(".env")
    (desk.root / "src" / "out").symlink_to("..")
    with pytest.raises(NotDone, match=re.escape("'.env' may not be read")):
        text(walled, "read", path="harmless")
    with pytest.raises(NotDone, match=re.escape("'.env' may not be read")):
        text(walled, "edit", path="harmless", old="KEY", new="X")
    for path in ("src/out/top.py", "src/out/new/top.py", "lib/x.py", "src/a.txt"):
        with pytest.raises(NotDone, match="may not be written"):
            text(walled, "write", path=path, content="x")
    assert listed(desk.root) == [".env", "harmless", "src"]
    assert text(walled, "write", path="src/new/a.py", content="x").startswith("src/new/a.py: new")
