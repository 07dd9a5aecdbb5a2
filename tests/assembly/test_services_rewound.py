"""Services go back with the files: with what they had in memory where images can be had, else started anew."""

from pathlib import Path

import msgspec
import pytest

import perdure
from perdure import coding_tools
from perdure.assembly.agents.beginnings import bereaved
from perdure.assembly.files.shelter import Shelter, ladder_of
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.evolve import fold
from perdure.projection.state import State
from perdure.testing.scripted import ScriptedModel, call, say
from perdure.values.digest import Json
from perdure.wire.prompt import Answered, UserText

pytestmark = pytest.mark.timeout(120)

COUNTER = """
from http.server import BaseHTTPRequestHandler, HTTPServer
count = 0
class Counter(BaseHTTPRequestHandler):
    def do_GET(self):
        global count
        count += 1
        open("counted", "a").write(f"{count}\\n")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{count}".encode())
HTTPServer(("127.0.0.1", 8125), Counter).serve_forever()
"""
ASK = (
    'for i in $(seq 100); do python3 -c "from urllib.request import urlopen as u;'
    " print(u('http://127.0.0.1:8125/').read().decode())\" 2>/dev/null && exit 0; sleep 0.1; done; exit 1"
)


def counted(model: ScriptedModel) -> list[str]:
    """Return what the counter has answered, as the model knows it at the end."""
    said = [entry.text for entry in model.asked[-1].entries if isinstance(entry, Answered)]
    read = [msgspec.json.decode(text, type=dict[str, Json]) for text in said]
    return [str(each["output"]).strip() for each in read if "output" in each and each.get("exit") == 0]


def counts_after_a_rewind(tmp_path: Path) -> tuple[list[str], str, list[e.CheckpointRestored]]:
    """Let a service count to three, go back to where it had counted to one, and let it count again.

    Returns its answers, what it had written to its file, and how it was put back.
    """
    root = tmp_path / "project"
    root.mkdir()
    (root / "counter.py").write_text(COUNTER)
    model = ScriptedModel(
        [
            call("shell", action="start", service="counter", command="python3 counter.py"),
            *[call("shell", command=ASK)] * 3,
            say("done"),
        ]
    )
    agent = perdure.Agent(name="coder", instructions="", tools=coding_tools(), model=model, workspace=root)
    with perdure.open(tmp_path / "store") as store:
        store.start(agent, "go", run="r").wait(100)
        assert counted(model) == ["1", "2", "3"]
        asked = [each.position for each in store.events("r") if isinstance(each.body, e.ModelRequested)]
        store.rewind("r", to=asked[2])
        assert (root / "counted").read_text() == "1\n"
        store.resume(agent, "r").wait(100)
        assert store.verify("r").ok
        restored = [each.body for each in store.events("r") if isinstance(each.body, e.CheckpointRestored)]
        return counted(model), (root / "counted").read_text(), restored


def rung(tmp_path: Path, name: str) -> tuple[bool, str]:
    """Return whether this machine allows a rung of the ladder, and why not."""
    root, scratch = tmp_path / "probed", tmp_path / "scratch"
    root.mkdir()
    scratch.mkdir()
    found = next(each for each in ladder_of(root, scratch).rungs if each.name == name)
    return found.ok, found.why


def test_a_service_goes_back_with_what_it_had_in_memory(tmp_path: Path):
    ok, why = rung(tmp_path, "images")
    if not ok:
        pytest.skip(why)
    counts, written, _ = counts_after_a_rewind(tmp_path)
    assert counts == ["1", "2", "3"]
    assert written == "1\n2\n3\n"


def test_without_images_a_service_is_started_anew_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ok, why = rung(tmp_path, "sandbox")
    if not ok:
        pytest.skip(why)
    made = Shelter._made

    def without_images(shelter: Shelter) -> object:
        sandbox = made(shelter)
        shelter.images = None
        return sandbox

    monkeypatch.setattr(Shelter, "_made", without_images)
    counts, written, restored = counts_after_a_rewind(tmp_path)
    assert counts == ["1", "1", "2"]
    assert written == "1\n1\n2\n"
    assert any("started anew" in note for each in restored for note in each.notes)


@perdure.tool(effect="once", identity=("act",))
def mail(act: str) -> str:
    """Write to a customer."""
    return f"{act} is sent"


@pytest.mark.parametrize("mailed", [False, True])
def test_services_that_died_while_a_run_waited_for_a_person_come_back_and_the_answer_is_heard(
    tmp_path: Path, *, mailed: bool
):
    ok, why = rung(tmp_path, "sandbox")
    if not ok:
        pytest.skip(why)
    root = tmp_path / "project"
    root.mkdir()
    (root / "counter.py").write_text(COUNTER)
    model = ScriptedModel(
        [
            call("shell", action="start", service="counter", command="python3 counter.py"),
            call("shell", command=ASK),
            call("mail", act="m1") if mailed else call("shell", command="true"),
            call("ask_person", question="Go on?"),
            call("shell", action="list"),
            say("done"),
        ]
    )
    tools = (*coding_tools(), mail, perdure.ask_person)
    agent = perdure.Agent(name="coder", instructions="", tools=tools, model=model, workspace=root)
    with perdure.open(tmp_path / "store") as store:
        store.start(agent, "go", run="r").wait(100)
        assert store.state("r").status == "waiting"
    with perdure.open(tmp_path / "store") as store:
        store.message("r", "Yes.")
        store.resume(agent, "r").wait(100)
        assert store.state("r").status == "finished"
        assert store.verify("r").ok
        assert store.replay("r").difference is None
    said = [entry.text for entry in model.asked[-1].entries if isinstance(entry, Answered | UserText)]
    assert any("Yes." in text for text in said)
    listed = next(text for text in reversed(said) if text.startswith('{"services"'))
    assert '"state":"running"' in listed.replace(" ", "")


IMAGED = (
    e.RunOpened("a", "def", "con", "r", "default", 2, root="/project"),  # 1
    e.MessageReceived("m1", "user", e.Content(2, "go")),  # 2
    e.ModelRequested(1, 1, 1),  # 3
    e.CheckpointTaken("aa", 1, 1, "L2", "both", "ii"),  # 4
)


def begun(key: str, effect: str) -> e.EffectStarted:
    return e.EffectStarted(key, key, "tool", effect, key, 1, 1, "args")


def after(*bodies: e.Body) -> list[e.Body]:
    """Return what follows from the death of a writer whose run has an image, and these events after it."""
    events = [Event("r", at, at, 1, at, body) for at, body in enumerate((*IMAGED, *bodies), 1)]
    return [each.body for each in bereaved(fold(State(), events))]


def test_where_nothing_was_done_since_nothing_but_the_processes_goes_back():
    (back,) = after(e.MessageReceived("m2", "user", e.Content(3, "Yes")))
    assert isinstance(back, e.RunRewound)
    assert (back.to, back.tree, back.image) == (5, "aa", "ii")
    state = fold(State(), [Event("r", at, at, 1, at, body) for at, body in enumerate((*IMAGED, back), 1)])
    assert state.live.put_back is not None
    again = e.RunRewound(4, "perdure", "", "aa", "ii")
    whole = fold(State(), [Event("r", at, at, 1, at, body) for at, body in enumerate((*IMAGED, again), 1)])
    assert len(whole.live.entries) == 2


def test_where_deeds_go_back_with_them_what_people_said_since_is_said_again():
    said = e.MessageReceived("m2", "user", e.Content(3, "Yes"))
    back, again = after(begun("k", "workspace"), e.EffectSettled("k", "succeeded"), said)
    assert isinstance(back, e.RunRewound)
    assert back.to == 4
    assert isinstance(again, e.MessageReceived)
    assert (again.sender, again.text) == ("user", said.text)


@pytest.mark.parametrize("settled", [False, True])
def test_where_a_deed_has_left_the_workspace_the_model_is_told_that_its_services_are_gone(*, settled: bool):
    deed = (begun("k", "once"), *((e.EffectSettled("k", "succeeded"),) if settled else ()))
    (told,) = after(*deed)
    assert isinstance(told, e.MessageReceived)
    assert "services died" in str(told.text.text)


def test_a_deed_in_doubt_puts_processes_back_by_itself():
    assert after(begun("k", "workspace")) == []
    assert after(begun("k", "workspace"), e.EffectDoubted("k", "crash", ended=False)) == []
