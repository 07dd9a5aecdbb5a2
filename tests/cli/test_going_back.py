"""rewind, fork and revert with files: the plan first, nothing of anybody else's touched, and a way back from each."""

import json
import shutil
from pathlib import Path

import pytest

from perdure.assembly.files.going_back import GoingBack
from perdure.assembly.house import House
from perdure.driver.writer import RunWriter
from tests.cli.inside import Inside
from tests.cli.terminal import AGENTS

CODER = AGENTS / "coders.py"
PLAN = {"created", "changed", "deleted", "cleared", "kept", "not_restorable"}
AS_IT_BEGAN = "def greet(name):\n    return 'hello ' + name\n\n\nprint(greet('you'))\n"
AS_IT_ENDED = AS_IT_BEGAN.replace("'hello '", "'Hello, '") + "# DEBUG\n"


class Shop:
    """A terminal beside a run ``code`` that has worked on the files in ``work``."""

    def __init__(self, inside: Inside) -> None:
        """Run it to its end."""
        self.type = inside.type
        self.work: Path = inside.directory / "work"
        said = inside.type("run", f"{CODER}:agent", "Work", "--run", "code", "--store", "state")
        assert said.code == 0, said.err
        self.begun, self.listed, self.edited, self.debugged, self.end = self.positions("checkpoint.taken")
        self.position: int = self.end

    def positions(self, kind: str) -> list[int]:
        said = self.type("log", "code", "--kind", kind, "--json")
        return [json.loads(line)["position"] for line in said.out.splitlines()]

    def kinds(self, after: int) -> list[str]:
        said = self.type("log", "code", "--after", str(after), "--json")
        return [json.loads(line)["kind"] for line in said.out.splitlines()]

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.work)): path.read_bytes()
            for path in sorted(self.work.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def shop(inside: Inside) -> Shop:
    """A run that has worked on files."""
    return Shop(inside)


def test_a_dry_run_shows_the_plan_and_touches_nothing(shop: Shop):
    before = shop.files()
    text = shop.type("rewind", "code", "--to", str(shop.begun), "--dry-run").out
    assert [line.strip() for line in text.splitlines()] == [
        "+ old.txt",
        "~ greet.py",
        "- CHANGES.md",
        "- list.txt",
    ]
    shown = shop.type("rewind", "code", "--to", str(shop.begun), "--dry-run", "--json").json
    assert set(shown) == {"run", "to", "position", "files", "receipts"}
    assert set(shown["files"]) == {*PLAN, "foreign", "tree", "recorded", "exact"}
    assert (shown["files"]["created"], shown["files"]["changed"]) == (["old.txt"], ["greet.py"])
    assert sorted(shown["files"]["deleted"]) == ["CHANGES.md", "list.txt"]
    assert (shown["files"]["foreign"], shown["files"]["exact"], shown["receipts"]) == ([], True, [])
    assert shop.files() == before
    assert shop.kinds(shop.end) == []


def test_files_go_back_with_the_conversation_and_a_rewind_of_the_rewind_brings_them_again(shop: Shop):
    before = shop.files()
    said = shop.type("rewind", "code", "--to", str(shop.begun))
    assert said.code == 0
    assert "+ old.txt" in said.out
    assert shop.files() == {
        ".env": before[".env"],
        "greet.py": AS_IT_BEGAN.encode(),
        "notes.txt": before["notes.txt"],
        "old.txt": b"old\n",
    }
    assert (shop.work / "greet.py").stat().st_mode & 0o777 == 0o644
    assert shop.type("show", "code", "--json").json["status"] == "running"
    undo = next(line for line in said.out.splitlines() if line.startswith("to undo this: "))
    assert shop.type(*undo.removeprefix("to undo this: perdure ").split()).code == 0
    assert shop.files() == before
    assert (shop.work / "greet.py").stat().st_mode & 0o777 == 0o755
    assert shop.type("verify", "code").code == 0
    assert shop.type("replay", "code").code == 0


def test_programs_are_told_what_a_rewind_did_and_how_it_is_undone(shop: Shop):
    before = shop.files()
    told = shop.type("rewind", "code", "--to", str(shop.begun), "--json").json
    assert (told["run"], told["to"], told["files"]["created"]) == ("code", shop.begun, ["old.txt"])
    assert shop.files() != before
    assert shop.type(*told["undo"].removeprefix("perdure ").split()).code == 0
    assert shop.files() == before


def test_what_somebody_else_changed_refuses_and_is_named_until_it_is_said_what_becomes_of_it(shop: Shop):
    (shop.work / "greet.py").write_text(AS_IT_ENDED + "# mine\n")
    (shop.work / "mine.txt").write_text("mine\n")
    (shop.work / "notes.txt").write_text("the user's own notes, gone on\n")
    before = shop.files()
    for words in ([], ["--json"]):
        refused = shop.type("rewind", "code", "--to", str(shop.edited), *words)
        assert refused.code == 2
        assert "P112" in refused.out + refused.err
        for path in ("greet.py", "mine.txt", "notes.txt"):
            assert path in refused.out + refused.err
    assert "run.rewound" not in shop.kinds(shop.end)
    assert shop.type("rewind", "code", "--to", "3", "--keep-foreign", "--discard-foreign").code == 2
    assert shop.files() == before
    told = shop.type("rewind", "code", "--to", str(shop.edited), "--dry-run")
    assert told.code == 0
    assert "3 paths by nobody's tool" in told.out

    kept = shop.type("rewind", "code", "--to", str(shop.edited), "--keep-foreign")
    assert kept.code == 0
    assert "= mine.txt  left as it is" in kept.out
    del before["CHANGES.md"]
    assert shop.files() == before


def test_what_is_discarded_comes_back_when_the_rewind_is_rewound(shop: Shop):
    (shop.work / "greet.py").write_text("mine\n")
    (shop.work / "mine.txt").write_text("mine\n")
    before = shop.files()
    said = shop.type("rewind", "code", "--to", str(shop.edited), "--discard-foreign")
    assert said.code == 0
    assert "greet.py  by nobody's tool" in said.out
    assert shop.files().keys() == {".env", "greet.py", "list.txt", "notes.txt"}
    undo = next(line for line in said.out.splitlines() if line.startswith("to undo this: "))
    assert shop.type(*undo.removeprefix("to undo this: perdure ").split()).code == 0
    assert shop.files() == before


def test_without_files_only_the_conversation_goes_back(shop: Shop):
    before = shop.files()
    (shop.work / "greet.py").write_text("mine\n")
    before["greet.py"] = b"mine\n"
    assert shop.type("rewind", "code", "--to", str(shop.begun), "--no-files", "--json").code == 0
    assert shop.files() == before
    assert "checkpoint.restored" not in shop.kinds(shop.end)
    assert shop.type("show", "code", "--json").json["turns"] == 5


def test_a_rewound_run_works_on_from_the_files_as_they_are(shop: Shop):
    before = shop.files()
    assert shop.type("rewind", "code", "--to", str(shop.listed), "--resume").code == 0
    assert shop.files() == before
    # Deeds in the workspace are done again, since they went back: none is answered with a receipt.
    assert "effect.replayed" not in shop.kinds(shop.end)


def test_a_fork_gets_files_of_its_own_and_leaves_those_of_its_parent_alone(shop: Shop):
    before = shop.files()
    said = shop.type("fork", "code", "--at", str(shop.listed), "--run", "b", "--json").json
    beside = shop.work.with_name("work~b")
    assert said["dir"] == str(beside)
    assert sorted(path.name for path in beside.iterdir()) == [".env", "greet.py", "list.txt", "notes.txt"]
    assert (beside / "greet.py").read_text() == AS_IT_BEGAN
    assert shop.type("resume", "b").code == 0
    assert (beside / "greet.py").read_text() == AS_IT_ENDED
    assert shop.files() == before


def test_a_fork_goes_where_it_is_told_to_and_into_nothing_that_is_there(shop: Shop, tmp_path: Path):
    taken, free = tmp_path / "taken", tmp_path / "free"
    taken.mkdir()
    (taken / "somebody's").write_text("work\n")
    words = ("fork", "code", "--at", str(shop.edited), "--run")
    refused = shop.type(*words, "b", "--dir", str(taken), "--json")
    assert (refused.code, str(taken) in refused.json["error"]["message"]) == (2, True)
    assert [path.name for path in taken.iterdir()] == ["somebody's"]
    assert shop.type(*words, "c", "--dir", str(free), "--json").json["dir"] == str(free)
    assert (free / "greet.py").read_text() == AS_IT_ENDED.removesuffix("# DEBUG\n")
    assert [row["run"] for row in shop.type("ls", "--json").json["runs"]] == ["code", "c"]


def test_a_change_of_an_edit_is_taken_back_and_what_came_after_stays(shop: Shop):
    edit = shop.positions("effect.settled")[1]
    told = shop.type("revert", "code", str(edit), "--dry-run", "--json").json
    assert set(told) == {"run", "position", "files"}
    assert set(told["files"]) == PLAN
    assert told["files"]["changed"] == ["greet.py"]
    assert (shop.work / "greet.py").read_text() == AS_IT_ENDED
    assert shop.kinds(shop.end) == []

    said = shop.type("revert", "code", str(edit), "--by", "Ada")
    assert said.code == 0
    assert "1 path put back, 0 removed" in said.out
    assert (shop.work / "greet.py").read_text() == AS_IT_BEGAN + "# DEBUG\n"
    assert (shop.work / "CHANGES.md").exists()
    (told_at,) = shop.positions("change.reverted")
    assert "Ada" in shop.type("show", "code", str(told_at)).out
    assert shop.type("revert", "code", str(edit)).code == 2


def test_what_a_shell_command_did_is_taken_back_whole(shop: Shop):
    before = shop.files()
    said = shop.type("revert", "code", str(shop.positions("effect.started")[0]))
    assert said.code == 0
    del before["list.txt"]
    assert shop.files() == {**before, "old.txt": b"old\n"}


def test_a_change_that_collides_is_shown_with_what_came_after_it_and_nothing_is_taken_back(shop: Shop):
    (shop.work / "list.txt").write_text("one, two, three\n")
    before = shop.files()
    shell = shop.positions("effect.settled")[0]
    text = shop.type("revert", "code", str(shell))
    assert text.code == 4
    assert "list.txt" in text.err
    assert "P113: nothing was taken back." in text.err
    said = shop.type("revert", "code", str(shell), "--json")
    assert (said.code, said.json["error"]["code"]) == (4, "P113")
    (collision,) = said.json["collisions"]
    assert set(collision) == {"path", "why", "diff", "positions"}
    assert collision["path"] == "list.txt"
    assert shop.files() == before
    assert "change.reverted" not in shop.kinds(shop.end)


def test_a_collision_names_the_positions_that_came_after(shop: Shop):
    edit = shop.positions("effect.settled")[1]
    (shop.work / "greet.py").write_text("print('mine')\n")
    assert shop.type("rewind", "code", "--to", str(shop.begun)).code == 2
    (changed,) = [at for at in shop.positions("workspace.changed") if at > shop.end]
    (collision,) = shop.type("revert", "code", str(edit), "--json").json["collisions"]
    shell = shop.positions("workspace.changed")[2]
    assert collision["positions"] == [shell, changed]


def test_a_workspace_that_is_gone_is_put_back(shop: Shop):
    before = shop.files()
    shutil.rmtree(shop.work)
    assert shop.type("rewind", "code", "--to", str(shop.debugged)).code == 0
    del before["CHANGES.md"], before[".env"]
    assert shop.files() == before


def test_files_that_could_not_be_put_back_are_no_success(shop: Shop):
    shutil.rmtree(shop.work)
    shop.work.write_text("a file in its place")
    said = shop.type("rewind", "code", "--to", str(shop.debugged))
    assert (said.code, "its files could not be put back" in said.err) == (4, True)
    shop.work.unlink()
    assert shop.type("rewind", "code", "--to", str(shop.debugged)).code == 0
    assert (shop.work / "greet.py").exists()


def test_a_rewind_that_does_not_look_who_changed_what_is_caught(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(GoingBack, "_changes", lambda *_: [])
    with pytest.raises(AssertionError):
        test_what_somebody_else_changed_refuses_and_is_named_until_it_is_said_what_becomes_of_it(shop)


def test_what_is_saved_between_a_rewind_and_its_files_stays(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    attends = House._put_back

    async def late(house: House, writer: RunWriter) -> None:
        (shop.work / "list.txt").write_text("saved meanwhile")
        (shop.work / "new.txt").write_text("saved meanwhile")
        await attends(house, writer)

    monkeypatch.setattr(House, "_put_back", late)
    assert shop.type("rewind", "code", "--to", str(shop.begun), "--discard-foreign").code == 0
    found = shop.files()
    assert (found["list.txt"], found["new.txt"]) == (b"saved meanwhile", b"saved meanwhile")
    assert found["greet.py"].decode() == AS_IT_BEGAN
    assert "CHANGES.md" not in found
