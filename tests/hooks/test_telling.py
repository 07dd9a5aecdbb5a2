"""The process that a client starts for a hook: quick, obedient to the keeper, and honest where there is none."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

from perdure.contract import Contract
from perdure.log import events as e
from perdure.values.limits import HOOK_LINE_BYTES_MAX
from tests.hooks.kit import bodies, door, kinds, post, pre, told, wrapped
from tests.hooks.test_judging import NO_REMOVING
from tests.sessions.ground import played

HEAVY = {"click", "msgspec", "asyncio", "apsw", "mcp", "pydantic", "perdure.log", "perdure.assembly"}


def test_a_refusal_of_the_contract_is_the_exit_code_that_clients_obey(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path, contract=NO_REMOVING) as session, door(session, tmp_path / "s") as place:
            done = await asyncio.to_thread(told, pre("Bash", {"command": "ls"}, "c1"), socket=place)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            done = await asyncio.to_thread(told, pre("Bash", {"command": "rm -rf /"}, "c2"), socket=place)
            assert (done.returncode, done.stdout) == (2, "")
            assert "nothing is removed by rm -rf" in done.stderr
            done = await asyncio.to_thread(told, post("Bash", {"command": "ls"}, "a.py", "c1"), socket=place)
            assert done.returncode == 0
            assert kinds(session)[-1] == "call.answered"

    played(story())


def test_outside_of_a_wrapped_session_nothing_is_stopped_and_it_is_said_once():
    done = told(pre("Bash", {"command": "ls"}), socket=None)
    assert (done.returncode, done.stdout) == (0, "")
    begun = told({"hook_event_name": "SessionStart", "session_id": "s"}, socket=None)
    assert begun.returncode == 0
    assert "isn't wrapped" in json.loads(begun.stdout)["systemMessage"]


def test_a_keeper_that_is_not_there_is_said_and_stops_nothing_but_where_that_was_asked_for(tmp_path: Path):
    nobody = tmp_path / "nobody"
    done = told(pre("Bash", {"command": "ls"}), socket=nobody)
    assert done.returncode == 1
    assert "can't be reached" in done.stderr
    done = told(pre("Bash", {"command": "ls"}), socket=nobody, strict=True)
    assert done.returncode == 2
    assert done.stderr.startswith("perdure: ")


def test_strict_refuses_nothing_that_has_happened_already():
    assert told(pre("Bash", {"command": "ls"}), socket=None, strict=True).returncode == 2
    assert told(post("Bash", {"command": "ls"}, ""), socket=None, strict=True).returncode == 1


def test_a_keeper_that_goes_away_while_it_is_asked_is_asked_again(tmp_path: Path):
    place = tmp_path / "s"
    asked: list[bytes] = []

    def keeper() -> None:
        """Answer nothing, be gone for a while, and then answer: as one that was killed and stands again."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
            listener.listen()
            ready.set()
            first, _ = listener.accept()
            with first, first.makefile("rb") as lines:
                asked.append(lines.readline())
        place.unlink()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
            listener.listen()
            again, _ = listener.accept()
            with again, again.makefile("rb") as lines:
                asked.append(lines.readline())
                again.sendall(b'{"exit": 2, "err": "no", "out": ""}\n')

    ready = threading.Event()
    standing = threading.Thread(target=keeper)
    standing.start()
    ready.wait()
    done = told(pre("Bash", {"command": "ls"}), socket=place)
    standing.join()
    assert (done.returncode, done.stderr) == (2, "no\n")
    assert asked[0] == asked[1]


def test_an_answer_that_is_none_is_said(tmp_path: Path):
    place = tmp_path / "s"

    def keeper() -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
            listener.listen()
            ready.set()
            for _ in range(2):
                came, _ = listener.accept()
                with came, came.makefile("rb") as lines:
                    lines.readline()
                    came.sendall(b'{"error": "one can want health"}\n')

    ready = threading.Event()
    standing = threading.Thread(target=keeper)
    standing.start()
    ready.wait()
    done = told(pre("Bash", {"command": "ls"}), socket=place)
    assert done.returncode == 1
    assert "one can want health" in done.stderr
    assert told(pre("Bash", {"command": "ls"}), socket=place, strict=True).returncode == 2
    standing.join()


def test_what_is_no_event_is_complained_of_and_stops_nothing(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session, door(session, tmp_path / "s") as place:
            for raw in (b"", b"not json", b"[1]"):
                done = await asyncio.to_thread(told, None, socket=place, raw=raw)
                assert done.returncode == 1, raw
                assert "hook_event_name" in done.stderr

    played(story())


def test_a_result_that_is_too_long_to_tell_is_left_out_and_that_is_recorded(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path, contract=Contract()) as session, door(session, tmp_path / "s") as place:
            await asyncio.to_thread(told, pre("Bash", {"command": "yes"}), socket=place)
            event = post("Bash", {"command": "yes"}, "y" * HOOK_LINE_BYTES_MAX)
            done = await asyncio.to_thread(told, event, socket=place)
            assert done.returncode == 0
            (answered,) = bodies(session, e.CallAnswered)
            assert isinstance(answered, e.CallAnswered)
            assert "left out" in session.scribe.text(answered.result)

    played(story())


def test_it_starts_with_the_standard_library_alone():
    show = "import sys, perdure.wrap.hooks.telling; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", show], capture_output=True, text=True, timeout=60, check=True
    )
    assert HEAVY & set(done.stdout.split()) == set()
