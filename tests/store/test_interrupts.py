"""A person may interrupt anywhere: who was interrupted while reading reads on, and Ctrl-C is heard by whoever waits."""

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import perdure
from perdure.adapters.sqlite import readers
from perdure.adapters.sqlite.database import Database
from perdure.adapters.sqlite.readers import Readers
from perdure.testing import ScriptedModel, say
from perdure.values.errors import StoreFailed

ADAPTER = str(Path(readers.__file__).parent)

AGENT = perdure.Agent(name="a", instructions="x", model=ScriptedModel(lambda _: say("hello")), context="off")

WAITS = """
import os, signal, sys, threading
import perdure
from perdure import tool
from perdure.testing import ScriptedModel, call

@tool(effect="read")
def stay() -> str:
    # Python's handler is the main thread's, which waits for this run.
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    threading.Event().wait()
    return ""

agent = perdure.Agent(
    name="a", instructions="x", model=ScriptedModel(lambda _: call("stay")), tools=[stay], context="off"
)
try:
    perdure.open(sys.argv[1]).start(agent, "hi", run="r").wait()
except KeyboardInterrupt:
    os._exit(130)
"""


def interrupted_at(nth: int, work: Callable[[], object]) -> bool:
    """Do ``work`` and interrupt it at the ``nth`` place of the adapter where Python hears signals; tell whether it came so far.

    It hears them as a function begins or goes on, and as a call of something in C returns.
    """
    left = nth

    def interrupt(frame: FrameType, event: str, _: object) -> None:
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(ADAPTER):
            left -= 1
            if left == -1:
                raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(interrupt)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(before)
    return False


def reads_on_after_any_interrupt(store: perdure.Store) -> int:
    def read() -> object:
        return store.runs(), store.state("r"), list(store.events("r")), store.verify("r")

    expected, nth = read(), 0
    while interrupted_at(nth, read):
        assert read() == expected, f"after an interrupt at place {nth}"
        nth += 1
    return nth


@pytest.fixture
def played(tmp_path: Path) -> Generator[perdure.Store]:
    with perdure.open(tmp_path / "store") as store:
        store.start(AGENT, "hi", run="r").wait()
        yield store


def test_who_was_interrupted_anywhere_reads_on(played: perdure.Store):
    assert reads_on_after_any_interrupt(played) > 100


def test_readers_that_keep_what_was_interrupted_are_caught(
    played: perdure.Store, monkeypatch: pytest.MonkeyPatch
):
    @contextmanager
    def moment(self: Readers, doing: str) -> Generator[Database]:
        with self.borrowed(doing) as db:
            db.execute("BEGIN")
            yield db
            db.execute("ROLLBACK")

    @contextmanager
    def borrowed(self: Readers, doing: str) -> Generator[Database]:
        with self.fresh(doing) as db:
            kept.append(db) if not kept else None
            yield kept[0]

    kept: list[Database] = []
    monkeypatch.setattr(Readers, "moment", moment)
    monkeypatch.setattr(Readers, "borrowed", borrowed)
    with pytest.raises((StoreFailed, AssertionError)):
        reads_on_after_any_interrupt(played)


def test_a_ctrl_c_that_another_thread_receives_is_heard_while_a_run_is_waited_for(tmp_path: Path):
    waits = subprocess.run([sys.executable, "-c", WAITS, str(tmp_path / "store")], timeout=60, check=False)
    assert waits.returncode == 130
