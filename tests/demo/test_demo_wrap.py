"""perdure demo wrap: a client that perdure doesn't know, alone and wrapped, and what both have paid."""

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import ClassVar, NamedTuple

import msgspec
import psutil
import pytest

import perdure
from perdure.demo import purser, stage, wrap, wrap_scene
from perdure.demo.purser import ResultBlock, Session, TextBlock, UseBlock
from perdure.demo.wrap_desk import Desk, Strayed
from perdure.demo.wrap_lanes import abandoned, causes, moments
from perdure.demo.wrap_plot import ADVICE, MAIL, PLOT, Books
from perdure.demo.wrap_scene import PERSON, RUN, Kept, Scene, Sides
from perdure.demo.wrap_seen import CLAIMS, Seen, not_so
from perdure.log import events as e
from perdure.testing.payments_book import BookLine, PaymentBook
from tests.docs.pages import blocks_of

pytestmark = pytest.mark.timeout(400)


class Watched(Scene):
    """The scene, whose evidence is kept so that it can be counted again after something was spoilt."""

    played: ClassVar[list["Watched"]] = []

    def _counted(self, alone: Sides, ours: Sides, store: perdure.Store, kept: Kept, began: float) -> Seen:
        self.evidence = (alone, ours, kept, began)
        Watched.played.append(self)
        return super()._counted(alone, ours, store, kept, began)

    def counted_again(self) -> Seen:
        alone, ours, kept, began = self.evidence
        with perdure.open(ours.desk.store) as store:
            return super()._counted(alone, ours, store, kept, began)


class Played(NamedTuple):
    """The scene, played as the command plays it."""

    folder: Path
    seen: Seen
    told: str
    scene: Watched

    def bodies(self) -> list[e.Body]:
        with perdure.open(self.folder / "wrapped" / "store") as store:
            return [event.body for event in store.events(RUN)]

    def paid(self, side: str) -> "Counter[str]":
        """Count the payments by payee, past everything that the demo says about them."""
        ledgers = [PaymentBook(self.folder / side / f"{name}.ledger") for name in ("bank", "card")]
        return Counter(line.payee for ledger in ledgers for line in ledger.paid())


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    base = tmp_path_factory.mktemp("demo")
    folder = base / "kept"
    whole = wrap_scene.Scene
    wrap_scene.Scene = Watched
    try:
        with (base / "said").open("w+") as said, (base / "told").open("w+") as told:
            with redirect_stdout(said), redirect_stderr(told):
                code = wrap.main(["--keep", str(folder), "--json"])
            for each in (said, told):
                each.seek(0)
            lines, words = said.read(), told.read()
    finally:
        wrap_scene.Scene = whole
    assert code == stage.PROMISED, words
    assert lines.count("\n") == 1
    return Played(folder, msgspec.json.decode(lines, type=Seen), words, Watched.played.pop())


def test_every_claim_came_true_and_is_told_with_its_figures(played: Played):
    seen, told = played.seen, played.told
    assert seen.promised
    assert not list(not_so(seen))
    assert "not so" not in told
    for words in (
        "is answered with the receipt of INV-1041",
        f"$ perdure deny {RUN} ap-",
        "meant, and nobody is asked any more",
        "the next keeper sends the same bytes",
        "leaves the window",
        f"$ perdure rewind {RUN} --to ",
        f"{seen.files_deleted} of {seen.files_deleted} files, byte for byte",
        f"{seen.events} events of the run {RUN}, in order",
        "0 payments too many, 0 files lost",
        f"{seen.too_many_bare} payments too many, {seen.files_deleted} files lost",
        "which is sound",
    ):
        assert words in told, words


def test_the_ledgers_hold_what_it_says(played: Played):
    assert played.paid("alone") == {"Harbour Supplies": 2, "Toner Direct": 2, "Trattoria Rosa": 1}
    assert played.paid("wrapped") == {"Harbour Supplies": 1, "Toner Direct": 1, "Trattoria Rosa": 1}
    assert (played.seen.payments_bare, played.seen.payments) == (5, 3)
    assert (played.seen.too_many_bare, played.seen.too_many) == (2, 0)


def test_the_log_tells_the_same_story(played: Played):
    bodies = played.bodies()
    (denied,) = [each for each in bodies if isinstance(each, e.ApprovalDenied)]
    assert denied.by == PERSON
    assert sum(isinstance(each, e.EffectStarted) for each in bodies) == played.seen.payments
    assert sum(isinstance(each, e.EffectReplayed) for each in bodies) == played.seen.receipts == 1
    back = [each.by for each in bodies if isinstance(each, e.RunRewound)]
    assert back == ["client", PERSON]


def test_the_drawing_has_each_lane_and_a_column_for_each_moment(played: Played):
    with perdure.open(played.folder / "wrapped" / "store") as store:
        events = list(store.events(RUN))
    shown = moments(events)
    lines = {line[:13].strip(): line[13:] for line in played.told.splitlines()}
    assert len(lines["path"]) == sum(len(each.sign) + 1 for each in shown)
    assert lines["path"].count(".") == sum(
        len(each.sign) + 1 for each in shown if each.position in abandoned(events)
    )
    assert lines["payments"].split() == [each.sign for each in shown if each.lane == "payments"]
    assert lines["payments"].split() == [">", ">", "$", "$", "=", ">", "$"]
    assert lines["model calls"].split() == [str(turn) for turn in range(1, played.seen.turns + 1)]
    assert lines["person"].split() == ["?", "n", "<"]
    assert lines["keeper"].split() == ["K"]
    for links in causes(events):
        assert [link.position for link in links] == sorted((link.position for link in links), reverse=True)
        assert links[-1].words.startswith("turn ")


def test_it_is_told_plainly_where_there_is_no_terminal(played: Played):
    assert "\x1b" not in played.told
    assert played.told.isascii()


def test_the_client_goes_on_bare_from_the_session_that_was_cut(played: Played):
    """Leaving perdure is safe: its own program takes the new session, and the provider takes its history."""
    _, ours, _, _ = played.scene.evidence
    newest, own = ours.desk.sessions()[:2]
    assert ADVICE.encode() in newest.read_bytes()
    assert ADVICE.encode() not in own.read_bytes()
    assert Session(newest).messages[-1].role == "assistant"
    assert b"perdure_recall" not in newest.read_bytes()


@pytest.mark.parametrize(
    ("claim", "spoils"),
    [
        ("paid_once", "a payment more"),
        ("went_on", "receipts/2025-09.txt"),
        ("page_moved", "answers.txt"),
        ("nothing_left", "settings"),
    ],
)
def test_what_is_spoilt_afterwards_breaks_the_claim_about_it(played: Played, claim: str, spoils: str):
    """The claims are read off ledgers, files and the log; none is remembered."""
    _, ours, _, _ = played.scene.evidence
    ledger = ours.desk.paid["bank"]
    spoilt = {"a payment more": ledger.path, "settings": ours.desk.home / "servers.json"}.get(
        spoils, ours.desk.books / spoils
    )
    before = spoilt.read_bytes()
    if spoilt == ledger.path:
        ledger.pay(BookLine("paid", 1, payee="Harbour Supplies", cents=124_000, reference="once more"))
    else:
        spoilt.write_bytes(b"otherwise")
    try:
        seen = played.scene.counted_again()
    finally:
        spoilt.write_bytes(before)
    assert not seen.promised
    assert list(not_so(seen)) == [CLAIMS[claim]]
    assert played.scene.counted_again().promised


FORGETFUL = """
from perdure.effect import memory

memory.recall = lambda state, declaration, identity: memory.next_attempt(state, identity.stem)
"""


def test_a_build_that_remembers_no_receipts_pays_twice_and_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Every process of perdure starts with it; only the half of the scene that is wrapped is played."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(FORGETFUL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    monkeypatch.setattr(Scene, "_alone", lambda scene, side: None)
    with (tmp_path / "told").open("w") as out, pytest.raises(Strayed, match="ended with 0 before its time"):
        Scene(tmp_path / "kept", out).play()
    card = PaymentBook(tmp_path / "kept" / "wrapped" / "card.ledger")
    assert [line.payee for line in card.paid()].count("Toner Direct") == 2


def test_the_command_that_it_names_shows_the_run(played: Played):
    store = played.folder / "wrapped" / "store"
    assert f"$ perdure log {RUN} --store {store}" in played.told
    command = [sys.executable, "-m", "perdure.cli", "log", RUN, "--store", str(store), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert len(done.stdout.splitlines()) == played.seen.events


def test_a_client_that_cannot_start_is_told_of_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(
        Desk, "_servers", lambda desk: {"bank": {"command": str(desk.home / "no-such-program"), "args": []}}
    )
    before = set(psutil.Process().children(recursive=True))
    assert wrap.main(["--keep", str(tmp_path / "kept"), "--json"]) == stage.BROKEN
    said = capsys.readouterr()
    assert "broke off" in said.err
    assert "no-such-program" in said.err
    assert said.out == ""
    assert set(psutil.Process().children(recursive=True)) == before


def test_an_interrupted_scene_leaves_no_process_behind():
    with subprocess.Popen(
        [sys.executable, "-m", "perdure.demo.wrap"], stdout=subprocess.PIPE, text=True
    ) as shown:
        assert shown.stdout is not None
        while "$ purser" not in shown.stdout.readline():
            assert shown.poll() is None
        began: list[psutil.Process] = []
        while not began and shown.poll() is None:
            began = psutil.Process(shown.pid).children(recursive=True)
            time.sleep(0.01)  # nothing tells of another program's children
        shown.send_signal(signal.SIGINT)
        assert shown.wait(120) == stage.INTERRUPTED
    assert began, "there was nothing to leave behind"
    _, alive = psutil.wait_procs(began, timeout=60)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []


def test_the_client_has_never_heard_of_perdure():
    assert "perdure" not in Path(purser.__file__).read_text()


def test_the_client_forgets_a_call_whose_answer_it_never_stored_and_goes_on_beside_it(tmp_path: Path):
    path = tmp_path / "one.jsonl"
    first = Session(path)
    first.add("user", [TextBlock("Pay.")])
    first.add("assistant", [UseBlock("toolu_1", "mcp__bank__pay", {"cents": 5})])
    again = Session(path)
    assert [each.role for each in again.messages] == ["user"]
    again.add("user", [TextBlock("Go on.")])
    again.add("assistant", [UseBlock("toolu_2", "mcp__bank__pay", {"cents": 5})])
    again.add("user", [ResultBlock("toolu_2", "paid")])
    whole = Session(path).messages
    assert [each.role for each in whole] == ["user", "user", "assistant", "user"]
    assert [use.id for each in whole for use in each.uses] == ["toolu_2"]
    assert len(path.read_bytes().splitlines()) == 5, "what was forgotten is still in the file"


def test_the_mail_holds_its_code_once_and_is_larger_than_the_window_may_be():
    books = Books()
    text = books.text(MAIL)
    assert text.count(books.token(MAIL)) == 1
    assert text.count(books.middle(MAIL)) == 1
    assert len(text) > 3 * wrap_scene.ROOM_TOKENS
    assert len(PLOT) == 6


def test_without_the_extras_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(wrap, "PLAY", wrap.PLAY._replace(needs=("mcp", "a_package_that_is_not_there")))
    with pytest.raises(SystemExit) as ended:
        wrap.main([])
    assert ended.value.code == 2
    assert "pip install 'perdure[gateway,mcp]'" in capsys.readouterr().err


def test_the_command_can_say_so_without_the_extras():
    code = "import sys, perdure.demo.wrap; print([m for m in sys.modules if m in ('aiohttp', 'mcp')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_directory_that_holds_something_is_not_played_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "mine").touch()
    with pytest.raises(SystemExit):
        wrap.main(["--keep", str(tmp_path)])
    assert "is not empty" in capsys.readouterr().err


def test_the_readme_shows_lines_that_it_says(played: Played):
    """Word for word; positions and names of questions may be others on another day."""
    (shown,) = [block for block in blocks_of("README.md") if "purser --continue" in block.text]
    told = {_wordly(line) for line in played.told.splitlines()}
    lines = shown.text.splitlines()
    assert [line for line in lines if line != "..." and _wordly(line) not in told] == []
    assert "..." in lines


def _wordly(line: str) -> str:
    """Return what a line says, whatever its position and the names in it are."""
    return re.sub(r"\s+", " ", re.sub(r"ap-[0-9a-f]{12}|^(\w+) +\d+  ", r"\1 N ", line))
