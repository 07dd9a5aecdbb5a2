"""Whatever dies at whatever moment between a client, perdure mcp, and a server that pays: nothing is paid twice."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from perdure.testing.payments_book import PaymentBook, let_go
from tests.mcp.raw import PERDURE, RUN, HttpClient, RawClient, Said, key_in, whole_of

KINDS = pytest.mark.parametrize("sockets", [False, True], ids=["pipes", "sockets"])
BY_INVOICE = "servers: {payments: {tools: {pay: {effect: once, identity: [invoice]}}}}\n"


@KINDS
def test_what_a_client_had_not_read_when_it_was_killed_is_not_paid_again(tmp_path: Path, sockets: bool):
    client = RawClient(tmp_path, sockets=sockets).hello()
    for number in (1, 2, 3):
        client.pay(number, f"INV-{number}")
    client.until(lambda: len(client.paid()) == 3)
    client.vanish()
    client = RawClient(tmp_path, sockets=sockets).hello()
    assert [client.ask(number, f"INV-{number}").kind for number in (1, 2, 3)] == ["replayed"] * 3
    # These it has read, and means anew.
    assert client.ask(4, "INV-1").kind == "succeeded"
    client.vanish()
    assert len(client.paid()) == 4


def test_what_perdure_had_answered_side_by_side_before_it_was_killed_is_not_paid_again(tmp_path: Path):
    client = RawClient(tmp_path, sockets=False, mishaps=("1:hold",)).hello()
    for number in (1, 2, 3):
        client.pay(number, f"INV-{number}")
    client.until(lambda: len(client.paid()) == 3)
    let_go(client.book.path).touch()
    client.hear(lambda: {1, 2, 3} <= client.heard.keys())
    client.kill_perdure()
    client = RawClient(tmp_path, sockets=False).hello()
    assert [client.ask(number, f"INV-{number}").kind for number in (1, 2, 3)] == ["replayed"] * 3
    client.vanish()
    assert len(client.paid()) == 3


@contextmanager
def listening(at: Path, *mishaps: str) -> Generator[int]:
    """Have ``perdure mcp`` listen before a server that pays; yield the port."""
    server = [sys.executable, "-m", "perdure.testing.payments", str(at / "book")]
    server += [word for mishap in mishaps for word in ("--mishap", mishap)]
    words = [PERDURE, "mcp", "--store", str(at / "store"), "--name", "payments", "--listen", "0", "--json"]
    with subprocess.Popen([*words, "--", *server], stdout=subprocess.PIPE, cwd=at) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["port"]
        finally:
            process.terminate()


@pytest.mark.parametrize("held", [False, True], ids=["answered", "still under way"])
def test_a_client_over_http_that_was_killed_before_its_answer_is_not_paid_for_again(
    tmp_path: Path, held: bool
):
    book = PaymentBook(tmp_path / "book")
    with listening(tmp_path, "1:hold") as port:
        beside, killed = HttpClient(port), HttpClient(port)
        line = killed.pay(1, "INV-1")
        until(lambda: len(book.paid()) == 1)
        line.close()
        if not held:
            let_go(book.path).touch()
            until(lambda: _settled(tmp_path) == 1)
        again = HttpClient(port)
        with again.pay(1, "INV-1") as asked:
            let_go(book.path).touch()
            assert "this had been done before" in whole_of(asked)
        # What it means anew, and what others mean, goes through.
        assert again.ask(2, "INV-1").kind == beside.ask(1, "INV-1").kind == "succeeded"
    assert len(book.paid()) == 3


def _settled(at: Path) -> int:
    return _told(at, "log", RUN, "--kind", "effect.settled").count("effect.settled")


def until(true: Callable[[], bool]) -> None:
    """Return once it is so, which another process brings about."""
    latest = time.monotonic() + 60
    while not true():
        assert time.monotonic() < latest
        time.sleep(0.01)


def test_a_client_that_comes_while_the_one_before_it_is_still_being_paid_for_waits_for_that(tmp_path: Path):
    """In a run of its own it would know nothing of that payment, and make it again."""
    killed = RawClient(tmp_path, sockets=False, mishaps=("1:hold",)).hello()
    killed.pay(1, "INV-1")
    killed.until(lambda: len(killed.paid()) == 1)
    killed.close()
    until(lambda: "client.left" in _told(tmp_path, "log", RUN))
    client = RawClient(tmp_path, sockets=False)
    until(lambda: "is waited for" in (tmp_path / "said").read_text())
    let_go(killed.book.path).touch()
    assert client.hello().ask(1, "INV-1").kind == "replayed"
    client.vanish()
    assert killed.process.wait(60) == 0
    assert len(client.paid()) == 1


def test_two_clients_at_once_have_runs_of_their_own(tmp_path: Path):
    one, other = RawClient(tmp_path, sockets=False), RawClient(tmp_path, sockets=False)
    for each in (one, other):
        assert each.hello().ask(1, "INV-1").kind == "succeeded"
    for each in (one, other):
        each.vanish()
    assert f"this is run {RUN}-2" in (tmp_path / "said").read_text()


def test_a_request_that_nobody_can_read_is_answered_and_the_next_one_is_done(tmp_path: Path):
    client = RawClient(tmp_path, sockets=False).hello()
    call = '{"id":%d,"jsonrpc":"2.0","method":"tools/call","params":{"name":"pay","arguments":{"payee":%s}}}'
    unreadable = {5: '"\\ud83d"', 6: "[" * 5000 + "]" * 5000, 7: "1" * 5000, 8: "1e400", 9: "nonsense"}
    for number, value in unreadable.items():
        client.send_raw((call % (number, value)).encode())
    client.send_raw((call % (10, '"?"')).encode().replace(b"?", b"\xff\xfe"))
    client.hear(lambda: {*unreadable, 10} <= client.heard.keys())
    assert {said.kind for number, said in client.heard.items() if number} == {"error"}
    assert client.ask(11, "INV-1").kind == "succeeded"
    client.vanish()
    assert "Traceback" not in (tmp_path / "said").read_text()


class Story:
    """A client that pays each of its invoices until it knows that it is paid, over many lives of all that take part."""

    def __init__(self, at: Path, seed: int, *, bare: bool = False) -> None:
        self.at = at
        self.bare = bare
        self.chance = random.Random(seed)
        self.lies: list[str] = []
        self.meant: dict[str, int] = {}
        """how often each invoice was to be paid, as far as the client knows"""
        self.known: set[str] = set()
        self.kills = 0
        self._next = 0
        self._lives = 0
        (at / "effects.yaml").write_text(BY_INVOICE if self.chance.random() < 0.5 else "servers: {}\n")

    def live(self) -> None:
        """Begin, pay what isn't known to be paid, side by side, and be struck somewhere."""
        self._lives += 1
        client = self._client()
        if len(self.known) == len(self.meant):
            for _ in range(self.chance.randint(1, 3)):
                self._next += 1
                self.meant[f"INV-{self._next}"] = 1
        asked = dict(enumerate([each for each in self.meant if each not in self.known], 1))
        stroke = self.chance.choice(["client", "client", "perdure", "server", "everybody"])
        with suppress(EOFError, BrokenPipeError, ConnectionResetError):
            client.hello()
            for number, invoice in asked.items():
                client.pay(number, invoice, self._reference())
            self._some_time(client, len(asked))
        self.kills += 1
        match stroke:
            case "perdure":
                client.kill_perdure()
            case "server":
                client.kill_server()
                with suppress(EOFError, BrokenPipeError, ConnectionResetError):
                    client.hear(lambda: all(number in client.heard for number in asked))
                client.vanish()
            case "everybody":
                client.kill_server()
                client.kill_perdure()
            case _:
                client.vanish()
        self._learn(client, asked)

    def end(self) -> None:
        """All goes well at last, and a person is there: every invoice is known to be paid."""
        client = self._client().hello()
        number = 100
        for invoice in [each for each in self.meant if each not in self.known]:
            said = Said("", "")
            for _ in range(12):
                number += 1
                said = client.ask(number, invoice, "last")
                self._judge(client, invoice, said)
                if invoice in self.known or not self._decided(client, invoice, said):
                    break
            if self._paid(client, invoice) != 1:
                self.lies.append(f"{invoice} was paid {self._paid(client, invoice)} times in the end: {said}")
        client.vanish()

    # -- inside --------------------------------------------------------------------------------------

    def _client(self) -> RawClient:
        options = ("--effects", "effects.yaml", "--patience", "0.2")
        mishaps = (f"{self._next + self._lives}:delay=0.05",) if self.chance.random() < 0.5 else ()
        return RawClient(
            self.at, *options, sockets=self.chance.random() < 0.5, mishaps=mishaps, bare=self.bare
        )

    def _reference(self) -> str:
        return self.chance.choice(["r", f"again-{self.chance.randrange(10**6)}"])

    def _some_time(self, client: RawClient, asked: int) -> None:
        """The stroke comes at any moment: by what was read, or by what was paid."""
        match self.chance.randrange(4):
            case 0:
                client.hear_some(self.chance.randrange(600), range(1, asked + 1))
            case 1:
                enough = self.chance.randint(0, asked)
                client.hear(lambda: len(client.heard) > enough)
            case 2:
                lines = len(client.book.lines()) + self.chance.randint(0, 2)
                client.until(lambda: len(client.book.lines()) >= min(lines, len(client.book.lines())))
            case _:
                return

    def _learn(self, client: RawClient, asked: dict[int, str]) -> None:
        for number, said in client.heard.items():
            if number in asked:
                self._judge(client, asked[number], said)

    def _judge(self, client: RawClient, invoice: str, said: Said) -> None:
        """Compare what was said with the book, which knows."""
        paid = self._paid(client, invoice)
        if paid > 1:
            self.lies.append(f"{invoice} was paid {paid} times, the last answer was {said}")
        if said.kind in {"succeeded", "replayed"}:
            if not paid:
                self.lies.append(f"{invoice} was said to be paid: {said}")
            self.known.add(invoice)

    def _decided(self, client: RawClient, invoice: str, said: Said) -> bool:
        """A person looks into the book and says what is so; return whether asking again makes sense."""
        match said.kind:
            case "doubt":
                key = key_in(said.words)
                shown = _told(self.at, "show", RUN, "--json")
                whose = next((each for each in self.meant if _is_about(shown, key, each)), invoice)
                how = "--succeeded" if self._paid(client, whose) else "--retry"
                # What was said before may not be heard yet by the process that has the run.
                _told(self.at, "settle", RUN, key, how, but="P108")
                return True
            case "waits":
                paid = self._paid(client, invoice)
                _told(self.at, "deny" if paid else "approve", RUN, said.approval)
                if paid:
                    self.known.add(invoice)
                return not paid
            case "error":
                return True
            case _:
                return False

    def _paid(self, client: RawClient, invoice: str) -> int:
        return sum(line.invoice == invoice for line in client.paid())


def _is_about(shown: str, key: str, invoice: str) -> bool:
    at = shown.find(key)
    return at >= 0 and f"{invoice}" in shown[max(0, at - 600) : at + 600].replace('"', " ").split()


def _told(at: Path, *words: str, but: str = "") -> str:
    done = subprocess.run(
        [PERDURE, *words, "--store", str(at / "store")], capture_output=True, text=True, check=False, cwd=at
    )
    assert done.returncode in {0, 3, 4} or (but and but in done.stderr), done.stderr
    return done.stdout


def told(at: Path, seed: int, lives: int, *, bare: bool = False) -> Story:
    """Let all take part through so many lives, and one more in which nothing is struck."""
    at.mkdir()
    story = Story(at, seed, bare=bare)
    for _ in range(lives):
        story.live()
    story.end()
    return story


def test_no_stroke_between_client_and_server_pays_twice_or_tells_a_lie(tmp_path: Path):
    assert told(tmp_path / "one", 3, 2).lies == []


def test_without_perdure_in_between_the_same_strokes_pay_twice(tmp_path: Path):
    assert any(told(tmp_path / str(seed), seed, 3, bare=True).lies for seed in range(8))


def test_a_client_that_hangs_up_once_it_has_its_answer_is_still_there(tmp_path: Path):
    with listening(tmp_path) as port:
        client = HttpClient(port)
        with client.pay(1, "INV-1") as line:
            told = b""
            while b'"result"' not in told:
                told += line.recv(1 << 16)
        assert HttpClient(port).ask(1, "INV-2").kind == "succeeded"
        assert client.ask(2, "INV-1").kind == "succeeded"
