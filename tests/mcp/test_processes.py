"""``perdure mcp`` as a process: whatever is killed, nothing is done twice, and no server lives on."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from perdure.assembly.store import open_store
from perdure.log.envelope import unseal
from perdure.mcp.starting import LEASH
from perdure.values.errors import PerdureError
from tests.mcp.talking import HELLO, PLAIN, paid, said

SECONDS = 60


class Gateway:
    """``perdure mcp`` with a client that speaks raw lines to it."""

    def __init__(self, at: Path, *options: str, server: tuple[str, ...] = (), hears: bool = True) -> None:
        self.book = at / "book"
        command = [
            sys.executable,
            "-m",
            "perdure.cli",
            "mcp",
            "--store",
            str(at / "store"),
            "--name",
            "plain",
        ]
        behind = server or (sys.executable, str(PLAIN), str(self.book))
        self.process = subprocess.Popen(
            [*command, *options, "--", *behind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=at,
        )
        self.lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.words: list[str] = []
        self.threads = [
            threading.Thread(target=each, daemon=True) for each in (self._hear, self._overhear)[not hears :]
        ]
        for thread in self.threads:
            thread.start()
        self._number = 0

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def _overhear(self) -> None:
        assert self.process.stderr is not None
        self.words += [line.decode() for line in self.process.stderr]

    def send(self, method: str, params: Any = None) -> int:
        self._number += 1
        self.write({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params or {}})
        return self._number

    def write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self, number: int) -> dict[str, Any]:
        while True:
            message = self.lines.get(timeout=SECONDS)
            assert message is not None, self.words
            if message.get("id") == number and "method" not in message:
                return message.get("result", message)

    def ask(self, method: str, params: Any = None) -> dict[str, Any]:
        return self.answer(self.send(method, params))

    def hello(self) -> dict[str, Any]:
        answer = self.ask("initialize", HELLO)
        self.write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def pay(self, **arguments: Any) -> int:
        return self.send("tools/call", {"name": "pay", "arguments": arguments})

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(SECONDS)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for thread in self.threads:
            thread.join(SECONDS)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


@contextmanager
def gateway(
    at: Path, *options: str, server: tuple[str, ...] = (), hello: bool = True, hears: bool = True
) -> Generator[Gateway]:
    made = Gateway(at, *options, server=server, hears=hears)
    try:
        if hello and hears:
            made.hello()
        yield made
    finally:
        made.close()


def wait_for(true: Any) -> None:
    until = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < until
        threading.Event().wait(0.01)


def living(*pids: int) -> list[int]:
    """Return which of the processes still do something."""
    found: list[int] = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


def served(at: Gateway) -> tuple[int, int]:
    """Return the process of the server, and of a child of it that has a session of its own."""
    server, child = said(at.ask("tools/call", {"name": "child"})).split()
    return int(server), int(child)


@pytest.mark.parametrize("end", ["killed", "ended", "told"])
def test_no_server_and_no_child_of_one_outlives_the_gateway(tmp_path: Path, end: str):
    with gateway(tmp_path) as at:
        pids = served(at)
        assert living(*pids) == list(pids)
        match end:
            case "killed":
                at.kill()
            case "ended":
                assert at.end() == 0
            case _:
                at.process.terminate()
                assert at.process.wait(SECONDS) == 0
    wait_for(lambda: not living(*pids))


def test_a_server_without_a_leash_is_seen_to_live_on(tmp_path: Path):
    """What the test above would miss: a child that nobody ends."""
    leaves = "import subprocess as s; print(s.Popen(['sleep', '60'], start_new_session=True, stdout=2).pid)"
    child = int(subprocess.run([sys.executable, "-c", leaves], stdout=subprocess.PIPE, check=True).stdout)
    assert living(child) == [child]
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: not living(child))


def test_a_leash_that_is_killed_takes_its_server_along():
    waiting, held = os.pipe()
    command = [sys.executable, "-I", "-S", str(LEASH), str(waiting), "sleep", "60"]
    leash = subprocess.Popen(command, pass_fds=(waiting,), start_new_session=True)
    wait_for(lambda: psutil.Process(leash.pid).children())
    server = psutil.Process(leash.pid).children()[0].pid
    leash.send_signal(signal.SIGKILL)
    leash.wait(SECONDS)
    wait_for(lambda: not living(server))
    os.close(waiting)
    os.close(held)


def test_a_server_whose_leash_is_killed_before_the_kernel_was_told_ends_itself():
    born = f"import os, runpy; runpy.run_path({str(LEASH)!r})['_born'](os.getppid() + %d)"
    ends = [subprocess.run([sys.executable, "-c", born % off], check=False).returncode for off in (0, 1)]
    assert ends == [0, -signal.SIGKILL]


def test_a_gateway_killed_while_a_payment_is_under_way_does_not_pay_again(tmp_path: Path):
    with gateway(tmp_path) as at:
        at.pay(invoice="7", reference="a", mishap="hold")
        wait_for(lambda: paid(at.book))
        at.kill()
    with gateway(tmp_path) as at:
        same = at.answer(at.pay(invoice="7", reference="a", mishap="hold"))
        assert same["_meta"]["perdure/call"]["outcome"] == "doubt"
        assert "perdure settle mcp-plain" in said(same)
    assert len(paid(tmp_path / "book")) == 1


def test_a_client_that_went_before_it_had_the_answer_gets_the_receipt_and_does_not_pay_again(tmp_path: Path):
    with gateway(tmp_path) as at:
        at.pay(invoice="7", reference="a", mishap="hold")
        wait_for(lambda: paid(at.book))
        assert at.process.stdin is not None
        at.process.stdin.close()
        (tmp_path / "go").touch()
        assert at.process.wait(SECONDS) == 0
    with gateway(tmp_path, "--patience", "0.2") as at:
        other = at.answer(at.pay(invoice="7", reference="b", mishap="hold"))
        assert other["_meta"]["perdure/call"]["outcome"] == "waits"
        assert "perdure approve mcp-plain" in said(other)
        same = at.answer(at.pay(invoice="7", reference="a", mishap="hold"))
        assert said(same).startswith("paid 1 (perdure: this had been done before")
        assert at.end() == 0
    assert len(paid(tmp_path / "book")) == 1


def test_a_second_payment_that_was_meant_goes_through_in_the_next_session(tmp_path: Path):
    for number in (1, 2):
        with gateway(tmp_path) as at:
            assert said(at.answer(at.pay(invoice="7", reference="a"))) == f"paid {number}"
            assert at.end() == 0
    assert len(paid(tmp_path / "book")) == 2


def test_a_server_that_cannot_begin_says_why_to_the_client(tmp_path: Path):
    broken = (sys.executable, "-c", "raise SystemExit('no database is there')")
    with gateway(tmp_path, server=broken, hello=False) as at:
        answer = at.ask("initialize", HELLO)
        assert "no database is there" in answer["error"]["message"]
        assert at.end() == 0
        wait_for(lambda: any("no database is there" in line for line in at.words))


def test_a_program_that_is_not_there_is_said_before_anything_begins(tmp_path: Path):
    with gateway(tmp_path, server=("no-such-program-at-all",), hello=False) as at:
        assert at.process.wait(SECONDS) == 2
        wait_for(lambda: any("no program 'no-such-program-at-all'" in line for line in at.words))
    assert not (tmp_path / "store").exists()


def test_two_clients_of_one_server_have_runs_of_their_own(tmp_path: Path):
    with gateway(tmp_path) as first, gateway(tmp_path) as second:
        assert said(first.answer(first.pay(invoice="1"))) == "paid 1"
        assert said(second.answer(second.pay(invoice="1"))) == "paid 2"
        assert second.end() == 0
        wait_for(lambda: any("so this is run mcp-plain-2" in line for line in second.words))


def test_an_answer_that_was_written_and_never_read_was_not_taken(tmp_path: Path):
    book = tmp_path / "book"
    with gateway(tmp_path, hears=False) as at:
        at.send("initialize", HELLO)
        at.write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        at.pay(invoice="7", reference="a")
        wait_for(lambda: "effect.settled" in kinds(tmp_path))
        assert at.end() == 0
    with gateway(tmp_path) as at:
        assert "this had been done before" in said(at.answer(at.pay(invoice="7", reference="a")))
    assert len(paid(book)) == 1


def kinds(at: Path) -> list[str]:
    """Return the kinds of the run's events, as another process reads them; none before it has begun."""
    if not (at / "store" / "log.db").exists():
        return []
    try:
        with closing(open_store(at / "store", create=False)) as store:
            return [unseal(stored).kind for stored in store.books.read("mcp-plain", 0, 1000)]
    except PerdureError:
        return []


def test_a_server_that_will_not_end_is_ended(tmp_path: Path):
    stubborn = (
        "import signal, sys, time; [signal.signal(each, signal.SIG_IGN) for each in (15, 1, 2)];"
        f"exec(open({str(PLAIN)!r}).read()); time.sleep(600)"
    )
    with gateway(tmp_path, server=(sys.executable, "-c", stubborn, str(tmp_path / "book"))) as at:
        pids = served(at)
        assert at.end() == 0
        wait_for(lambda: not living(*pids))


def test_perdure_approve_beside_the_gateway_lets_a_waiting_call_through(tmp_path: Path):
    contract = tmp_path / "contract.yaml"
    contract.write_text("approvals:\n  - {name: payments, tools: [plain__pay], why: looked at}\n")
    with gateway(tmp_path, "--contract", str(contract)) as at:
        waits = at.pay(invoice="7")
        wait_for(lambda: "approval.requested" in kinds(tmp_path))
        shown = perdure(tmp_path, "show", "mcp-plain")
        approval = re.findall(r"ap-[0-9a-f]+", shown)[0]
        perdure(tmp_path, "approve", "mcp-plain", approval, "--by", "ada")
        assert said(at.answer(waits)) == "paid 1"


def perdure(at: Path, *words: str) -> str:
    command = [sys.executable, "-m", "perdure.cli", *words, "--store", str(at / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode in {0, 3}, done.stderr
    return done.stdout
