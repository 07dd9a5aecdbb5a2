"""``perdure profile`` as a person and a program meet it: words, JSON, pages, exit codes."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from perdure.cli.drawing.bars import bar, curve, dumbbell
from tests.cli.inside import Inside
from tests.cli.terminal import CLERKS, Terminal
from tests.profile.test_claude import session
from tests.profile.test_codex import rollout
from tests.profile.transcripts import Claude, Record, call, text, usage, written

EVIL = '</title><script>alert(1)</script><img src=x onerror=alert(2)>" onload="alert(3)\x1b[31m\x00'


@pytest.fixture
def inside(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inside:
    """A terminal in a directory with two sessions."""
    written(tmp_path / "a.jsonl", session().records)
    written(tmp_path / "b.jsonl", rollout().records)
    return Inside(tmp_path, capfd, monkeypatch)


def test_the_json_holds_what_was_recorded(inside: Inside):
    said = inside.type("profile", ".", "--json")
    assert said.code == 0, said.err
    found = said.json["profile"]
    assert found["total"]["sessions"] == 2
    assert found["total"]["input"] == 5_000 + 9_000 + 3_000 + 6_000
    assert found["total"]["read"] == 5_000 + 1_024 + 2_944
    assert {each["source"]: each["requests"] for each in found["sources"]} == {"claude-code": 2, "codex": 2}
    kinds = found["total"]["kinds"]
    assert sum(share["sent"] for share in kinds.values()) == 23_000
    # opus 4.6: 5, 25, 0.5 and, for an hour, 10 dollars a million
    claude = next(each for each in found["sources"] if each["source"] == "claude-code")
    assert claude["microusd"] == round((4 * 5 + 8_996 * 10 + 5_000 * 0.5) + 80 * 25)
    policies = {(each["policy"], each["charge"]): each for each in found["hindsight"]["claude-code"]}
    assert policies["offline bound", "strict"]["cost"] <= policies["safe (ours)", "strict"]["cost"]
    (alone,) = {each["alone"] for each in policies.values()}
    assert alone == pytest.approx(claude["microusd"] - 80 * 25, rel=0.02)


def test_the_words_name_kinds_tools_and_policies(inside: Inside):
    said = inside.type("profile", "a.jsonl", "b.jsonl")
    assert said.code == 0, said.err
    for words in (
        "2 sessions",
        "4 requests",
        "tool results",
        "Read",
        "exec_command",
        "unneeded",
        "offline bound",
    ):
        assert words in said.out, words
    assert "System prompt and tool schemas aren't recorded" in said.out
    assert "\x1b" not in said.out


def test_quick_leaves_the_policies_out(inside: Inside):
    said = inside.type("profile", "a.jsonl", "--quick")
    assert "offline bound" not in said.out
    assert inside.type("profile", "a.jsonl", "--quick", "--json").json["profile"]["hindsight"] == {}


def test_another_model_is_another_price(inside: Inside):
    one = inside.type("profile", "a.jsonl", "--quick", "--json").json["profile"]["total"]["microusd"]
    other = inside.type("profile", "a.jsonl", "--quick", "--json", "--model", "claude-fable-5").json
    assert other["profile"]["total"]["microusd"] == 2 * one


def test_what_cannot_be_read_is_told_and_the_rest_is_shown(inside: Inside):
    (inside.directory / "c.jsonl").write_text('{"type": "us', encoding="utf-8")
    with (inside.directory / "a.jsonl").open("a", encoding="utf-8") as file:
        file.write("not JSON\n" * 3)
    said = inside.type("profile", ".")
    assert said.code == 0
    assert "a.jsonl: no JSON object (3 times)" in said.out
    assert "c.jsonl: no session of a kind that is known" in said.out
    assert "c.jsonl" in str(inside.type("profile", ".", "--json").json["left_out"])


@pytest.mark.parametrize("words", [("nowhere.jsonl",), ("empty",)])
def test_nothing_to_profile_is_wrong_use_with_a_next_step(words: tuple[str, ...], inside: Inside):
    (inside.directory / "empty").mkdir()
    said = inside.type("profile", *words)
    assert said.code == 2
    assert "P525" in said.err
    assert "try" in said.err
    assert inside.type("profile", *words, "--json").json["error"]["code"] == "P525"


def test_a_run_is_profiled_by_its_name(reader: Inside):
    said = reader.type("profile", "march", "--json")
    assert said.code == 0, said.err
    total = said.json["profile"]["total"]
    assert (total["source"], total["requests"]) == ("perdure", 7)
    assert set(total["tools"]) >= {"pay", "mail", "read_invoice"}
    assert total["kinds"]["system"]["sent"] > 0
    assert total["kinds"]["schema"]["sent"] > 0


class Looked(HTMLParser):
    """What a browser would make of a page: its tags, and whatever it would load or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(page)

    def _begun(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open += [] if tag in ("meta", "path", "circle", "br", "img") else [tag]
        for name, value in attrs:
            if name in ("src", "href", "action", "srcset") or name.startswith("on"):
                self.loads.append(f"{tag} {name}={value}")

    def _ended(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag

    def _said(self, data: str) -> None:
        self.words += data

    handle_starttag, handle_endtag, handle_data = _begun, _ended, _said


def evil() -> list[Record]:
    """A session whose every name is an attack."""
    talk = Claude(EVIL)
    talk.user(EVIL)
    blocks = [text(EVIL), call("t-1", EVIL, file_path=EVIL)]
    talk.reply("e-1", blocks, usage(2, 4_998, 0, 60), model=f"claude-opus-4-6{EVIL}")
    talk.result("t-1", EVIL * 400)
    talk.reply("e-2", [text("x")], usage(2, 3_998, 5_000, 20), model=f"claude-opus-4-6{EVIL}")
    return talk.records


def test_the_page_runs_nothing_and_loads_nothing_whatever_a_transcript_holds(inside: Inside):
    written(inside.directory / "evil.jsonl", evil())
    said = inside.type("profile", "evil.jsonl", "a.jsonl", "--html", "p.html", "--json")
    assert said.code == 0, said.err
    page = (inside.directory / "p.html").read_text(encoding="utf-8")
    looked = Looked(page)
    assert looked.loads == []
    assert not {"script", "img", "iframe", "link", "object", "embed"} & set(looked.tags)
    assert looked.open == []
    assert "alert(1)" in looked.words  # it is shown, as words
    assert "\x1b" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import|https?://", page.replace("http://www.w3.org/2000/svg", ""))


def test_a_page_that_does_not_escape_is_caught():
    looked = Looked(f"<p>{EVIL}</p>")
    assert looked.loads
    assert "script" in looked.tags


def test_the_words_for_a_terminal_carry_no_controls(inside: Inside):
    written(inside.directory / "evil.jsonl", evil())
    said = inside.type("profile", "evil.jsonl")
    assert said.code == 0, said.err
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said.out)


def test_a_page_that_cannot_be_written_says_so(inside: Inside):
    said = inside.type("profile", "a.jsonl", "--html", "nowhere/p.html")
    assert said.code == 2
    assert "can't be written" in said.err


def test_a_terminal_of_its_own_shows_progress_on_stderr_alone(tmp_path: Path):
    terminal = Terminal(tmp_path)
    written(tmp_path / "a.jsonl", session().records)
    said = terminal.type("profile", "a.jsonl", "--quick", "--json")
    assert said.code == 0
    assert json.loads(said.out)["profile"]["total"]["requests"] == 2
    assert said.err == ""
    assert CLERKS.exists()


def test_bars_are_as_long_as_what_they_stand_for():
    assert bar(1, 2, 10) == "█████     "
    assert bar(0, 2, 4) == "    "
    assert bar(0.001, 2, 4) == "▏   "
    assert bar(9, 2, 4) == "████"
    assert curve([1, 8, 4], 8, 10) == "▁█▄"
    assert curve([1, 8, 4, 2], 8, 2) == "█▄"
    assert curve([], 8, 10) == ""
    assert dumbbell(0.5, 1.5, (0.0, 2.0), 5) == " ●━○ "
    assert dumbbell(1.5, 1.5, (0.0, 2.0), 5) == "  │● "
