"""What people and programs see of a run's files: files, show, diff, blame, export."""

import json
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from perdure.adapters.memory import MemoryStore
from perdure.assembly.files.history import FileHistory
from perdure.checkpoint.compare import PathDifference
from perdure.checkpoint.tree import Entry
from perdure.cli.travelling.changes import say_list, say_patch, say_stat
from tests.cli.inside import Inside
from tests.cli.terminal import AGENTS, Said, Terminal
from tests.conformance.stores import blob

CODER = AGENTS / "coders.py"
LISTED = {"path", "kind", "mode", "size", "content"}
BLAMED = {"line", "text", "by", "position", "turn", "intention", "reply", "tool", "what", "key"}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal beside a store in which an agent has worked on files; for reading."""
    terminal = Terminal(tmp_path_factory.mktemp("workshop"))
    said = terminal.type("run", f"{CODER}:agent", "Work", "--run", "code", "--store", "./state")
    assert said.code == 0, said.err
    return terminal


@pytest.fixture
def shop(workshop: Terminal, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inside:
    """A quick terminal in the workshop; leave it as it is."""
    return Inside(workshop.directory, capfd, monkeypatch)


def checkpoints(terminal: Inside) -> list[int]:
    """Return where the files of ``code`` were recorded: as they began, and after each deed."""
    said = terminal.type("log", "code", "--kind", "checkpoint.taken", "--json")
    return [json.loads(line)["position"] for line in said.out.splitlines()]


def names(said: Said) -> list[str]:
    return [each["path"] for each in said.json["files"]]


def test_files_are_listed_as_they_were_at_each_position(shop: Inside):
    begun, first, *_, last = checkpoints(shop)
    assert names(shop.type("files", "code", "--at", str(begun), "--json")) == [
        ".env", "greet.py", "notes.txt", "old.txt",
    ]  # fmt: skip
    # Right after the deed, before anybody has looked: what is recorded next is how it left them.
    settled = json.loads(shop.type("log", "code", "--kind", "effect.settled", "--json").out.splitlines()[0])[
        "position"
    ]
    assert settled < first
    for position in (settled, first):
        assert names(shop.type("files", "code", "--at", str(position), "--json")) == [
            ".env", "greet.py", "list.txt", "notes.txt",
        ]  # fmt: skip
    shown = shop.type("files", "code", "--json").json
    assert set(shown) == {"run", "at", "tree", "recorded", "files"}
    assert (shown["run"], shown["at"], shown["recorded"]) == ("code", None, last)
    assert all(set(each) == LISTED for each in shown["files"])
    kinds = {each["path"]: (each["kind"], each["mode"], each["size"]) for each in shown["files"]}
    assert kinds["greet.py"] == (
        "file",
        "0755",
        75,
    )
    assert kinds[".env"][0] == "secret"


def test_a_listing_says_what_is_secret_and_what_is_not_there(shop: Inside):
    said = shop.type("files", "code", ".env")
    assert said.code == 0
    assert "secret: its digest is recorded, its content isn't" in said.out
    assert "0 files, tree " in said.err
    for words in (["nowhere"], ["--at", "4000"], ["greet.py/below"]):
        assert shop.type("files", "code", *words).code == 2


def test_a_file_is_shown_byte_for_byte_as_it_was(shop: Inside):
    begun, _, edited, debugged, _ = checkpoints(shop)
    texts = [shop.type("show", "code", "greet.py", "--at", str(at)).out for at in (begun, edited, debugged)]
    assert texts[0] == "def greet(name):\n    return 'hello ' + name\n\n\nprint(greet('you'))\n"
    assert texts[1] == texts[0].replace("'hello '", "'Hello, '")
    assert texts[2] == texts[1] + "# DEBUG\n" == shop.type("show", "code", "./greet.py").out
    assert shop.type("show", "code", "old.txt", "--at", str(begun)).out == "old\n"
    assert (shop.directory / "work" / "greet.py").read_text() == texts[2]
    shown = shop.type("show", "code", "greet.py", "--at", str(begun), "--json").json
    assert set(shown) == {"run", "at", *LISTED}


@pytest.mark.parametrize(
    ("path", "why"), [("old.txt", "no such file"), (".env", "declared secret"), ("../state", "no such file")]
)
def test_a_file_that_can_not_be_shown_says_why(shop: Inside, path: str, why: str):
    said = shop.type("show", "code", path)
    assert (said.code, said.out) == (2, "")
    assert why in said.err


def test_a_position_goes_with_a_file(shop: Inside):
    assert shop.type("show", "code", "--at", "3").code == 2


def test_differences_of_files_are_listed_counted_and_shown_as_a_patch(shop: Inside):
    begun, *_, last = checkpoints(shop)
    between = ("code", str(begun), str(last))
    listed = {each["path"]: each["change"] for each in shop.type("diff", *between, "--json").json["files"]}
    assert listed == {
        "CHANGES.md": "created", "greet.py": "changed", "list.txt": "created", "old.txt": "deleted",
    }  # fmt: skip
    assert "~ greet.py  mode 0644 -> 0755" in shop.type("diff", *between).out
    stat_lines = shop.type("diff", *between, "--stat").out.splitlines()
    assert stat_lines[-1].strip() == "4 files, 6 lines more, 2 less"
    assert next(line.split() for line in stat_lines if "greet.py" in line) == ["greet.py", "3", "++-"]
    patch = shop.type("diff", *between, "-p").out
    assert "--- a/greet.py\n+++ b/greet.py\n" in patch
    assert "-    return 'hello ' + name\n+    return 'Hello, ' + name\n" in patch
    assert "\n+# DEBUG\n" in patch
    assert "--- a/old.txt\n+++ /dev/null\n" in patch


def test_a_line_that_looks_like_a_heading_is_counted(capsys: pytest.CaptureFixture[str]):
    store = MemoryStore()
    before, after = blob(b"-- rule\n"), blob(b"++ plus\n(added)\n")
    for each in (before, after):
        store.put(*each)
    entries = [Entry(b"f", "file", size=9, content=bytes.fromhex(name)) for name, _ in (before, after)]
    say_stat(FileHistory(store), (PathDifference("f", "changed", entries[0], entries[1]),))
    assert capsys.readouterr().out.splitlines()[-1].strip() == "1 file, 2 lines more, 1 less"


def test_a_name_with_line_breaks_forges_no_line_of_a_listing_or_patch(capsys: pytest.CaptureFixture[str]):
    store = MemoryStore()
    name, content = blob(b"x\n")
    store.put(name, content)
    entry = Entry(b"f", "file", size=2, content=bytes.fromhex(name))
    found = (PathDifference("a\n+++ b/setup.py", "created", None, entry),)
    for say in (say_stat, say_patch):
        say(FileHistory(store), found)
    say_list(found)
    said = capsys.readouterr().out
    assert said.count("a\\n+++ b/setup.py") == 3
    assert "\n+++ b/setup.py" not in said


def test_blame_leads_each_line_to_the_turn_and_the_reply_that_it_came_from(shop: Inside):
    begun, _, edited, debugged, _ = checkpoints(shop)
    lines = shop.type("blame", "code", "greet.py", "--json").json["lines"]
    assert all(set(line) == BLAMED for line in lines)
    assert [(line["by"], line["position"], line["turn"], line["tool"]) for line in lines] == [
        ("start", begun, 0, ""),
        ("agent", edited, 2, "edit"),
        *[("start", begun, 0, "")] * 3,
        ("agent", debugged, 3, "shell"),
    ]
    shell = lines[-1]
    assert shop.type("show", "code", str(shell["intention"]), "--json").json["kind"] == "intention.proposed"
    assert shop.type("show", "code", str(shell["reply"]), "--json").json["body"]["turn"] == 3
    earlier = shop.type("blame", "code", "greet.py", "--at", str(edited), "--json").json["lines"]
    assert [line["position"] for line in earlier] == [begun, edited, begun, begun, begun]
    text = shop.type("blame", "code", "./greet.py").out
    assert "from before the run" in text
    assert f"{debugged} turn 3, reply {shell['reply']}: shell" in text


def test_what_has_no_lines_is_not_blamed(shop: Inside):
    for path in (".env", "nowhere"):
        assert shop.type("blame", "code", path).code == 2


def test_an_export_is_a_directory_or_a_tar_and_overwrites_nothing(shop: Inside, tmp_path: Path):
    begun, *_ = checkpoints(shop)
    folder, tar = tmp_path / "as-it-was", tmp_path / "state.tar"
    said = shop.type("export", "code", str(folder), "--at", str(begun), "--json").json
    assert set(said) == {"run", "at", "tree", "target", "commit", "notes"}
    assert said["commit"] is None
    assert ".env" in said["notes"][0]
    assert sorted(path.name for path in folder.iterdir()) == ["greet.py", "notes.txt", "old.txt"]
    assert shop.type("export", "code", str(tar)).code == 0
    with tarfile.open(tar) as archive:
        assert {member.name: stat.S_IMODE(member.mode) for member in archive}["greet.py"] == 0o755
    for target in (folder, tar):
        assert shop.type("export", "code", str(target)).code == 2


def git(repository: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_an_export_to_git_is_a_commit_elsewhere_and_the_users_repository_stays_as_it_is(
    inside: Inside, tmp_path: Path
):
    work, elsewhere = inside.directory / "work", tmp_path / "elsewhere.git"
    work.mkdir()
    (work / "greet.py").write_text("def greet(name):\n    return 'hello ' + name\n\n\nprint(greet('you'))\n")
    (work / "old.txt").write_text("old\n")
    git(work, "init", "-q", "-b", "main")
    assert inside.type("run", f"{CODER}:agent", "Work", "--run", "code", "--store", "state").code == 0
    before = {path: path.read_bytes() for path in sorted((work / ".git").rglob("*")) if path.is_file()}
    said = inside.type("export", "code", str(elsewhere), "--git", "--json").json
    assert git(elsewhere, "rev-parse", "code") == said["commit"]
    assert git(elsewhere, "ls-tree", "--name-only", "code").split() == ["CHANGES.md", "greet.py", "list.txt"]
    after = {path: path.read_bytes() for path in sorted((work / ".git").rglob("*")) if path.is_file()}
    assert after == before
    assert inside.type("export", "code", str(work), "--git").code == 2
