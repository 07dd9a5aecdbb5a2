"""perdure demo window: an agent works through a gateway that is killed and taken away, and the provider's bill is shown."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
import pytest

import perdure
from perdure.demo.stage import BROKEN, PROMISED
from perdure.demo.window_gateway import Gateway
from perdure.demo.window_project import PLOT, Project
from perdure.demo.window_scene import Scene
from perdure.demo.window_seen import CLAIMS, Seen, not_so
from perdure.log import events as e
from perdure.testing.upstream.plots import files_of, used_in
from tests.docs.pages import blocks_of

pytestmark = pytest.mark.timeout(300)


class Played(NamedTuple):
    """The scene, played by the command."""

    folder: Path
    seen: Seen
    told: str

    @property
    def run(self) -> str:
        with perdure.open(self.folder / "store") as store:
            (row,) = store.runs()
        return row.run

    def bodies(self) -> list[e.Body]:
        with perdure.open(self.folder / "store") as store:
            return [event.body for event in store.events(self.run)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("demo") / "kept"
    command = [sys.executable, "-m", "perdure.cli", "demo", "window", "--keep", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == PROMISED, done.stderr
    assert done.stdout.count("\n") == 1
    return Played(folder, msgspec.json.decode(done.stdout, type=Seen), done.stderr)


def test_every_claim_came_true_and_is_told_with_its_figures(played: Played):
    seen, told = played.seen, played.told
    assert seen.promised
    assert not list(not_so(seen))
    assert seen.faults >= 1
    assert seen.moves >= 1
    assert seen.breaks == 0
    assert "leaves the window" in told or "comes as a preview" in told
    for words in (
        "SIGKILL",
        "has it in the same reply",
        "the agent goes on bare. Its own history is accepted",
        f"What the provider bills for these {seen.requests} requests",
        f"${seen.bare_microusd / 1e6:.2f}",
        f"${seen.paid_microusd / 1e6:.2f}",
        f"$ perdure cost {played.run}",
        "The log is sound",
    ):
        assert words in told
    assert "not so" not in told


def test_the_log_tells_of_the_same_moves_and_faults(played: Played):
    bodies = played.bodies()
    left = [each for each in bodies if isinstance(each, e.PageEvicted)]
    previews = [each for each in bodies if isinstance(each, e.PageAdmitted) and each.shape == "preview"]
    assert len(left) + len(previews) == played.seen.moves
    asked = {each.number for each in bodies if isinstance(each, e.PageFaulted)}
    assert len(asked) == played.seen.faults
    assert sum(isinstance(each, e.RequestAnswered) for each in bodies) == played.seen.requests


def test_the_account_differs_from_the_bill_by_no_more_than_the_reply_that_was_cut_off(played: Played):
    seen = played.seen
    assert 0 <= seen.paid_microusd - seen.account_microusd <= seen.cut_microusd
    off = abs(seen.alone_microusd - seen.bare_microusd) / seen.bare_microusd
    assert f"{100 * off:.1f} % " in played.told, "how far its estimate is from the bill is not told"


def test_the_command_that_it_names_shows_the_account(played: Played):
    command = [sys.executable, "-m", "perdure.cli", "cost", played.run, "--json"]
    done = subprocess.run(
        [*command, "--store", str(played.folder / "store")],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    totals = json.loads(done.stdout)["totals"]
    assert totals["cost_microusd"] == played.seen.account_microusd
    assert totals["alone_microusd"] == played.seen.alone_microusd


def test_both_agents_noted_what_stands_in_the_files(played: Played):
    right = [Project().token(file) for file in used_in(PLOT)]
    for name in ("with", "without"):
        assert (played.folder / name / "answers.txt").read_text().split() == right


def test_it_is_told_plainly_where_there_is_no_terminal(played: Played):
    assert "\x1b" not in played.told
    assert played.told.isascii()
    drawn = [line for line in played.told.splitlines() if "##" in line]
    assert any("..#" in line for line in drawn), "nowhere is the window smaller with perdure"


def test_the_readme_shows_lines_that_it_says(played: Played):
    """Word for word; figures may be others on another day, and names of pages."""
    (shown,) = [block for block in blocks_of("README.md") if "SIGKILL    1" in block.text]
    told = {_wordly(line) for line in played.told.splitlines()}
    lines = shown.text.splitlines()
    assert [line for line in lines if line != "..." and _wordly(line) not in told] == []
    assert "..." in lines


def _wordly(line: str) -> str:
    """Return what a line says, whatever its figures and files are, and whichever way a result was moved."""
    line = re.sub(r"^(preview|left) |comes as a preview|leaves the window", "moved ", line)
    line = re.sub(r"p-[a-z2-9]{10}|[\w/]+\.(py|txt|log)|[\d,.]*\d|#+", "N", line)
    return re.sub(r"\s+", " ", line.replace("faults", "fault"))


def test_gateways_that_only_observe_break_the_claims(tmp_path: Path):
    with (tmp_path / "told").open("w+") as out:
        seen = Scene(tmp_path / "kept", out, mode="observe").play()
        out.seek(0)
        told = out.read()
    assert not seen.promised
    assert list(not_so(seen)) == [CLAIMS["page_moved"], CLAIMS["page_came_back"]]
    assert f"not so    {CLAIMS['page_moved']}" in told
    assert seen.moves == seen.faults == 0
    assert "MORE" in told, "an observing gateway saves nothing, and the reply that was cut off is paid twice"
    assert seen.same_after_kill
    assert seen.goes_on_bare


def test_a_gateway_that_comes_back_without_its_log_breaks_the_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from perdure.demo import window_scene

    def forgetful(store: Path, upstream: str, *, mode: str, port: int = 0, ahead: int = 0):
        elsewhere = store.with_name("another") if port else store
        return Gateway(elsewhere, upstream, mode=mode, port=port, ahead=ahead)

    monkeypatch.setattr(window_scene, "Gateway", forgetful)
    with (tmp_path / "told").open("w") as out:
        seen = Scene(tmp_path / "kept", out).play()
    assert not seen.promised
    assert not seen.same_after_kill
    assert not seen.prefix_kept
    assert seen.breaks > 0
    assert CLAIMS["same_after_kill"] in (tmp_path / "told").read_text()


def test_a_provider_that_refuses_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from perdure.demo import window, window_agent

    monkeypatch.setitem(window_agent._HEADERS, "x-api-key", "wrong")
    assert window.main(["--keep", str(tmp_path / "kept"), "--json"]) == BROKEN
    said = capsys.readouterr()
    assert "invalid x-api-key" in said.err
    assert said.out == ""


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from perdure.demo import window

    monkeypatch.setattr(
        window, "PLAY", window.PLAY._replace(needs=("aiohttp", "a_package_that_is_not_there"))
    )
    with pytest.raises(SystemExit) as ended:
        window.main([])
    assert ended.value.code == 2
    assert "pip install 'perdure[gateway]'" in capsys.readouterr().err


def test_the_command_can_say_so_without_the_extra():
    """What says what to install must not need it."""
    code = (
        "import sys, perdure.demo.window; print([m for m in sys.modules if m in ('aiohttp', 'genai_prices')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_each_file_holds_its_word_once_and_no_other_file_does():
    project = Project()
    texts = {file: project.text(file) for file in files_of(PLOT)}
    for file, text in texts.items():
        assert text.count(project.token(file)) == 1
        assert project.middle(file) in text
        assert not any(project.token(file) in other for name, other in texts.items() if name != file)


def test_an_interrupted_scene_leaves_no_process_behind():
    import signal

    with subprocess.Popen(
        [sys.executable, "-m", "perdure.demo.window"], stdout=subprocess.PIPE, text=True
    ) as shown:
        assert shown.stdout is not None
        told = ""
        while "pause" not in told:
            line = shown.stdout.readline()
            assert line, told
            told += line
        shown.send_signal(signal.SIGINT)
        began = psutil.Process(shown.pid).children(recursive=True)
        assert shown.wait(60) == 130
    _, alive = psutil.wait_procs(began, timeout=60)
    assert alive == []


def test_a_directory_that_holds_something_is_not_played_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    from perdure.demo import window

    (tmp_path / "mine").touch()
    with pytest.raises(SystemExit):
        window.main(["--keep", str(tmp_path)])
    assert "is not empty" in capsys.readouterr().err
