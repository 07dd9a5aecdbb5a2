"""A shim stands between a client that lives and keepers that are killed: what each side hears, over all orders of deaths."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.wrap.shim import Memory

Json = dict[str, Any]

STEPS = st.lists(
    st.sampled_from(["ask", "answer", "dies", "asks back", "replies", "cancel", "tells", "subscribe"]),
    max_size=60,
)


class Pair:
    """A client, a shim's memory, and one keeper after another, each with what it heard."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.heard: list[Json] = []
        """by the present keeper"""
        self.got: list[Json] = []
        """by the client"""
        self.asked: list[int] = []
        self.cancelled: set[int] = set()
        self.waits_for_hello: bool = False
        self.asked_back: int = 0
        self.replied: set[str] = set()
        self.strays: list[Json] = []
        """replies that the present keeper never asked for"""
        self.wanted: set[str] = set()
        """resources that the client watches"""
        self.renew(first=True)
        self.from_client({"id": 0, "method": "initialize", "params": {"x": 1}})
        self.answer_all()
        self.from_client({"method": "notifications/initialized"})

    def from_client(self, message: Json) -> None:
        given = self.memory.from_client({"jsonrpc": "2.0", **message})
        if given is None:
            return
        if self.waits_for_hello:
            self.memory.unsaid(given)
        else:
            self.take(given)

    def take(self, message: Json) -> None:
        """The keeper hears ``message``."""
        if message.get("method") is None and message["id"] not in self.outstanding:
            self.strays.append(message)
        self.heard.append(message)

    def renew(self, *, first: bool = False) -> None:
        """The keeper is dead, and the next one is there."""
        self.heard, self.outstanding = [], set[Any]()
        begins = self.memory.renewed()
        self.waits_for_hello = bool(begins)
        for each in begins:
            self.take(each)
        if not begins and not first:
            self.open_up()

    def open_up(self) -> None:
        self.waits_for_hello = False
        for each in self.memory.remainder():
            self.take(each)

    def answer(self, message: Json) -> None:
        """The keeper answers ``message``."""
        given = self.memory.from_keeper({"jsonrpc": "2.0", "id": message["id"], "result": message["method"]})
        self.heard.remove(message)
        if given is not None:
            self.got.append(given)
        elif self.waits_for_hello:
            self.open_up()

    def answer_all(self) -> None:
        while requests := [each for each in self.heard if "id" in each and "method" in each]:
            self.answer(requests[0])

    def ask_back(self) -> None:
        """The keeper asks the client something, under a name that the keeper before it used as well."""
        name = f"s{len(self.outstanding)}"
        self.outstanding.add(name)
        self.asked_back += 1
        given = self.memory.from_keeper({"jsonrpc": "2.0", "id": name, "method": "sampling/createMessage"})
        assert given is not None
        self.got.append(given)

    def reply(self) -> None:
        """The client replies to the oldest thing that it was asked, which may have been by a keeper that is dead."""
        for each in self.got:
            if "method" in each and "id" in each and each["id"] not in self.replied:
                self.replied.add(each["id"])
                self.from_client({"id": each["id"], "result": {}})
                return

    def step(self, what: str) -> None:
        requests = [each for each in self.heard if "id" in each and "method" in each]
        match what:
            case "ask":
                self.asked.append(len(self.asked) + 1)
                self.from_client({"id": self.asked[-1], "method": "tools/call"})
            case "subscribe":
                self.asked.append(len(self.asked) + 1)
                uri = f"x://{len(self.asked) % 3}"
                self.wanted.add(uri)
                self.from_client(
                    {"id": self.asked[-1], "method": "resources/subscribe", "params": {"uri": uri}}
                )
            case "answer" if requests:
                self.answer(requests[-1])
            case "dies":
                self.renew()
            case "asks back" if not self.waits_for_hello:
                self.ask_back()
            case "replies":
                self.reply()
            case "cancel" if self.asked:
                self.cancelled.add(self.asked[-1])
                self.from_client(
                    {"method": "notifications/cancelled", "params": {"requestId": self.asked[-1]}}
                )
            case "tells":
                self.from_client({"method": "notifications/roots/list_changed"})
            case _:
                pass

    def check(self) -> None:
        """Every request has its answer, once, under its own name, and nothing else was answered."""
        self.answer_all()
        answers = [each["id"] for each in self.got if "method" not in each]
        assert len(answers) == len(set(answers))
        assert set(answers) >= {0, *self.asked} - self.cancelled
        assert set(answers) <= {0, *self.asked}
        assert self.strays == []


def lived(memory: Memory, steps: list[str]) -> Pair:
    pair = Pair(memory)
    for each in steps:
        pair.step(each)
    pair.check()
    return pair


@given(STEPS)
def test_every_request_is_answered_once_whatever_keepers_die(steps: list[str]):
    lived(Memory(), steps)


@given(STEPS)
def test_a_new_keeper_is_greeted_before_all_else_and_told_of_what_was_agreed(steps: list[str]):
    pair = lived(Memory(), steps)
    pair.renew()
    (greeting,) = pair.heard
    assert greeting["method"] == "initialize"
    pair.answer(greeting)
    assert pair.heard[0]["method"] == "notifications/initialized"
    assert {each["params"]["uri"] for each in pair.heard if "uri" in each.get("params", {})} == pair.wanted
    assert len([each for each in pair.got if each.get("id") == 0]) == 1


class Forgetful(Memory):
    """Broken: what was asked of a dead keeper is gone."""

    def remainder(self) -> list[dict[str, object]]:
        return [each for each in super().remainder() if each.get("method") != "tools/call"]


class Gullible(Memory):
    """Broken: a reply to a dead keeper goes to the next one."""

    def from_client(self, message: dict[str, object]) -> dict[str, object] | None:
        if message.get("method") is None:
            return {**message, "id": json.loads(str(message["id"]).partition(".")[2])}
        return super().from_client(message)


class Chatty(Memory):
    """Broken: the client hears the answers to what it didn't ask."""

    def from_keeper(self, message: dict[str, object]) -> dict[str, object] | None:
        return super().from_keeper(message) or message


@pytest.mark.parametrize(
    ("broken", "steps"),
    [
        (Forgetful(), ["ask", "dies"]),
        (Gullible(), ["asks back", "dies", "answer", "replies"]),
        (Chatty(), ["dies", "answer"]),
    ],
)
def test_broken_memories_are_caught(broken: Memory, steps: list[str]):
    with pytest.raises(AssertionError):
        lived(broken, steps)


def test_what_waits_is_answered_with_words_where_no_keeper_comes_back():
    memory = Memory()
    memory.renewed()
    memory.from_client({"jsonrpc": "2.0", "id": "a", "method": "tools/call"})
    (answer,) = memory.abandoned("perdure has ended")
    assert answer == {"jsonrpc": "2.0", "id": "a", "error": {"code": -32000, "message": "perdure has ended"}}
    assert memory.abandoned("again") == []


def test_what_nobody_can_read_is_answered_and_the_shim_lives_on(tmp_path: Path):
    """Nested without end from either side, or half a character: each waits for no answer for ever."""
    deep = b"[" * 100_000 + b"]" * 100_000
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()
        words = [sys.executable, "-m", "perdure.wrap.shim", str(path), "bank"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shim:
            assert shim.stdin is not None
            assert shim.stdout is not None
            keeper, _ = door.accept()
            with keeper, keeper.makefile("rwb") as line:
                assert json.loads(line.readline())["server"] == "bank"
                shim.stdin.write(b'{"jsonrpc":"2.0","method":"x","params":' + deep + b',"id":7}\n')
                shim.stdin.write(b'{"jsonrpc":"2.0","id":8,"method":"x","params":{"a":"\\ud83d"}}\n')
                shim.stdin.flush()
                assert json.loads(shim.stdout.readline())["id"] == 7
                assert json.loads(line.readline().decode())["id"] == 8
                line.write(b'{"jsonrpc":"2.0","id":8,"result":' + deep + b"}\n")
                line.write(b'{"jsonrpc":"2.0","id":8,"result":{}}\n')
                line.flush()
                assert json.loads(shim.stdout.readline()) == {"jsonrpc": "2.0", "id": 8, "result": {}}
            shim.kill()
