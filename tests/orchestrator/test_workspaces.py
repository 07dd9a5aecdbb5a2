"""Looking at the workspace while the model thinks, what waits for that, and what goes on without it."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import perdure
from perdure.contract import Contract, compile_law
from perdure.driver.books import read_law
from perdure.driver.drive import Drive
from perdure.driver.port import Progress
from perdure.intention.reply import Reply
from perdure.log import events as e
from perdure.orchestrator.claims import is_claimed
from perdure.orchestrator.wanted import AskModel, Checkpoint, Perform, Request, RestoreTree, wanted
from perdure.projection.evolve import fold
from perdure.projection.state import State
from perdure.testing import ScriptedModel, call, say
from perdure.testing.kit import look_of, mail_of, scribble_of
from perdure.testing.world import CountingWorld
from perdure.wire.prompt import Prompt
from tests.orchestrator.bench import Bench, Tools

LIMIT_SECONDS = 60


def all_of(world: CountingWorld) -> Tools:
    return (scribble_of(world), mail_of(world), look_of(world))


def wanted_at(bench: Bench, position: int, *, run: str = "run") -> tuple[Request, ...]:
    """Return what is wanted in the state of that position."""
    state = fold(State(), (each for each in bench.events(run) if each.position <= position))
    return wanted(state, read_law(bench.store, state.definition, state.contract))


def kinds_of(requests: tuple[Request, ...]) -> list[type]:
    return [type(each) for each in requests]


SCRIPT = [call("scribble", act="one"), call("scribble", act="two"), say("done")]


def test_the_look_is_wanted_in_each_turn_while_the_model_is_asked():
    with Bench(all_of, SCRIPT, workspace=True) as bench:
        bench.start()
        asked = [each.position for each in bench.events() if isinstance(each.body, e.ModelRequested)]
        assert len(asked) == 3
        for position in asked:
            assert set(kinds_of(wanted_at(bench, position))) == {AskModel, Checkpoint}


def test_no_deed_in_the_workspace_begins_before_it_was_looked_at_in_its_turn():
    with Bench(all_of, SCRIPT, workspace=True) as bench:
        bench.start()
        looked = False
        for event in bench.events():
            match event.body:
                case e.ModelRequested():
                    looked = False
                case e.CheckpointTaken() | e.CheckpointSkipped():
                    looked = True
                case e.EffectStarted():
                    assert looked, event
                case _:
                    pass
        proposed = bench.position("intention.proposed")
        assert bench.kinds().count("effect.started") == 2
        assert Perform not in kinds_of(wanted_at(bench, proposed))


def test_reads_and_deeds_elsewhere_wait_for_no_look():
    script = [call("look", what="m1"), call("mail", act="m1"), say("done")]
    with Bench(all_of, script, workspace=True) as bench:
        bench.start()
        for number, kind in enumerate(("look", "mail"), 1):
            started = bench.position("effect.started", number)
            replied = bench.position("model.replied", number)
            between = bench.kinds()[replied : started - 1]
            assert between == ["intention.proposed"], kind


def test_while_a_deed_is_under_way_nobody_looks():
    with Bench(all_of, SCRIPT, workspace=True) as bench:
        bench.start()
        started = bench.position("effect.started")
        assert kinds_of(wanted_at(bench, started)) == [Perform]


class Slow(ScriptedModel):
    """A model that takes two seconds."""

    async def thinks(self) -> None:
        await asyncio.sleep(2)

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        await self.thinks()
        return await super().ask(prompt, key=key, on_text=on_text, timeout=timeout)


class Thinking(Slow):
    """A model that thinks until the files are recorded: if that waited for its reply, nothing would ever go on."""

    def __init__(self, recorded: threading.Event) -> None:
        super().__init__([call("put"), say("done")])
        self.recorded: threading.Event = recorded

    async def thinks(self) -> None:
        assert await asyncio.to_thread(self.recorded.wait, LIMIT_SECONDS), "nobody looked while it thought"


class Telling(Progress):
    """Says when the files are recorded."""

    def __init__(self, recorded: threading.Event) -> None:
        self.recorded: threading.Event = recorded

    def event(self, kind: str, position: int, words: str) -> None:
        del position, words
        if kind == "checkpoint.taken":
            self.recorded.set()

    def text(self, piece: str) -> None:
        del piece


def test_the_files_are_recorded_while_the_model_thinks(tmp_path: Path):
    recorded = threading.Event()

    @perdure.tool(effect="workspace")
    def put() -> str:
        """Write."""
        (tmp_path / "work" / "f").write_text("f")
        return "written"

    (tmp_path / "work").mkdir()
    agent = perdure.Agent(
        name="thinker", instructions="", tools=[put], model=Thinking(recorded), workspace=tmp_path / "work"
    )
    with perdure.open(tmp_path / "store") as store:
        store.start(agent, "Go.", run="r", progress=Telling(recorded)).wait()
        assert store.state("r").status == "finished"


def commits(bench: Bench) -> int:
    """Return how many commits its run took."""
    return sum((each.port, each.when) == ("store.append", "after") for each in bench.history.course.moments)


def commits_with_and_without_a_workspace() -> tuple[int, int]:
    """Return how many commits a run takes that changes no file, looked at in each turn and never."""
    script = [*[call("mail", act=f"m{number}") for number in range(5)], say("done")]
    with Bench(all_of, script) as plain, Bench(all_of, script, workspace=True) as kept:
        for bench in (plain, kept):
            bench.model = Slow(script)
            bench.start()
        assert kept.kinds().count("checkpoint.taken") == 1
        assert kept.kinds().count("checkpoint.skipped") >= 4
        return commits(kept), commits(plain)


def test_that_nothing_has_changed_costs_no_commit_of_its_own():
    kept, plain = commits_with_and_without_a_workspace()
    # Only the first look has something to say; what later ones found comes along with the model's reply.
    assert kept <= plain + 1


def test_a_driver_that_commits_each_look_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Drive, "_can_wait", lambda *_: False)
    kept, plain = commits_with_and_without_a_workspace()
    assert kept >= plain + 5


@pytest.mark.parametrize("kind", ["model.requested", "effect.settled"])
def test_files_that_have_to_go_back_come_before_everything_else(kind: str):
    with Bench(all_of, SCRIPT, workspace=True) as bench:
        bench.start()
        state = fold(State(), bench.events())
        to = bench.position(kind)
        back = e.RunRewound(to, "Ada", tree=state.live.tree)
        event = bench.events()[-1]._replace(position=state.position + 1, cause=state.position + 1, body=back)
        gone = fold(state, (event,))
        law = read_law(bench.store, state.definition, state.contract)
        assert kinds_of(wanted(gone, law)) == [RestoreTree]
        failed = event._replace(position=event.position + 1, body=e.CheckpointFailed("no room"))
        assert wanted(fold(gone, (failed,)), law) == ()
        restored = e.CheckpointRestored(state.live.tree, "")
        again = fold(gone, (event._replace(position=event.position + 1, body=restored),))
        assert RestoreTree not in kinds_of(wanted(again, law))


def test_a_look_that_fails_stops_what_needs_it_and_nothing_else():
    script = [call("look", what="m1"), call("mail", act="m1"), call("scribble", act="one"), say("done")]
    with Bench(all_of, script, workspace=True) as bench:
        root = bench.world.workspace
        moved = root.with_name("elsewhere")

        def lose(here: object) -> None:
            if "model.ask" in str(here) and root.exists():
                root.rename(moved)

        bench.history.course.seen.append(lose)
        state = bench.start()
        bench.history.course.seen.remove(lose)
        assert (state.status, state.wait) == ("waiting", "workspace")
        assert "No checkpoint could be taken" in state.wait_text
        assert bench.world.counts() == {"m1": 1}
        assert bench.kinds().count("checkpoint.failed") >= 1
        moved.rename(root)
        assert bench.resume().status == "finished"
        assert (root / "acts.txt").read_text() == "one\n"


def test_deeds_in_the_workspace_are_claimed_from_nobody_and_done_again_after_going_back():
    with Bench(all_of, [call("mail", act="m1"), *SCRIPT], workspace=True) as bench:
        bench.start()
        assert {claim.tool for claim in bench.store.claims(scope="lineage:run")} == {"mail"}
        assert bench.rewind(bench.position("message.received")).status == "finished"
        assert bench.kinds().count("effect.replayed") == 1
        assert bench.world.counts()["m1"] == 1
        written = [each.body for each in bench.events() if isinstance(each.body, e.EffectStarted)]
        scribbled = [each for each in written if each.tool == "scribble"]
        assert len(scribbled) == 4
        assert len({each.key for each in scribbled}) == 4


@pytest.mark.parametrize(
    ("effect", "first", "now"), [("read", False, False), ("workspace", True, False), ("once", True, True)]
)
def test_runs_of_the_first_logic_claim_as_they_did(effect: str, first: bool, now: bool):
    assert (is_claimed(effect, 1), is_claimed(effect, 2)) == (first, now)


def test_an_agent_without_a_workspace_is_never_looked_at():
    with Bench(all_of, SCRIPT) as bench:
        bench.start()
        law = compile_law(bench.agent().rules().law.definition, Contract())
        for position in range(1, bench.state().position + 1):
            state = fold(State(), (each for each in bench.events() if each.position <= position))
            assert Checkpoint not in kinds_of(wanted(state, law))
