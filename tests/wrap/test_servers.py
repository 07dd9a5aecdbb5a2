"""A client's MCP servers through a wrap: real processes on all sides, killed where it hurts."""

import json
import signal
import sys
from typing import Any

import psutil

from perdure.log import events as e
from perdure.testing.payments_book import BookLine, PaymentBook
from tests.wrap.kit import Desk, Wrapped, awaited, gone

PAY = {"name": "pay", "arguments": {"payee": "ACME", "cents": 4000, "reference": "r-1"}}


class Shop:
    """A desk with a payment server in its client's settings."""

    def __init__(self, desk: Desk, *mishaps: str) -> None:
        self.desk = desk
        self.file = desk.store.parent / "book"
        words = ["-m", "perdure.testing.payments", str(self.file)]
        for each in mishaps:
            words += ["--mishap", each]
        asked = {"mcpServers": {"bank": {"command": sys.executable, "args": words}}}
        self.settings = desk.work / "servers.json"
        self.settings.write_text(json.dumps(asked))

    @property
    def paid(self) -> int:
        return len(PaymentBook(self.file).paid())

    def lines(self, kind: str) -> list[BookLine]:
        return [line for line in PaymentBook(self.file).lines() if line.kind == kind]


def called(wrapped: Wrapped, method: str, params: dict[str, Any]) -> None:
    wrapped.says(json.dumps({"method": method, "params": params}))
    assert "asked" in wrapped.hears()


def text_of(answer: dict[str, Any]) -> str:
    return "\n".join(part["text"] for part in answer["answer"]["content"])


def test_a_server_is_reached_through_a_wrap_and_after_its_keeper_was_killed_as_if_nothing_had_been(
    desk: Desk,
):
    shop = Shop(desk)
    before = shop.settings.read_bytes()
    wrapped = desk.wrap("small", "call", "bank", run="shop")
    assert wrapped.hears()["server"]["serverInfo"]["name"] == "payments"
    called(wrapped, "tools/call", PAY)
    assert "P-000001" in text_of(wrapped.hears())
    keeper = wrapped.keeper()
    keeper.kill()
    gone(keeper)
    called(wrapped, "tools/call", {"name": "payments", "arguments": {}})
    assert "ACME" in text_of(wrapped.hears())
    code, told = wrapped.ends()
    assert code == 0, told
    assert "of bank: each once" in told
    assert shop.paid == 1
    assert shop.settings.read_bytes() == before
    kinds = [type(event.body) for event in desk.events("shop")]
    assert kinds.count(e.CallReceived) == 2
    servers = [line.process for line in shop.lines("started")]
    assert len(servers) == 2
    awaited(lambda: not any(map(psutil.pid_exists, servers)))


def test_a_payment_whose_keeper_is_killed_before_its_answer_is_in_doubt_and_not_paid_again(desk: Desk):
    shop = Shop(desk, "1:hold")
    wrapped = desk.wrap("small", "call", "bank", run="doubt")
    wrapped.hears()
    called(wrapped, "tools/call", PAY)
    awaited(lambda: shop.paid == 1)
    wrapped.keeper().kill()
    answer = wrapped.hears()["answer"]
    assert answer["isError"] is True
    assert "perdure settle" in answer["content"][0]["text"]
    code, told = wrapped.ends()
    assert code == 0
    assert "1 effect in doubt" in told
    assert shop.paid == 1


def test_a_client_is_killed_between_call_and_result_and_the_payment_is_known_when_it_comes_back(desk: Desk):
    shop = Shop(desk, "1:delay=1.5")
    wrapped = desk.wrap("small", "call", "bank", run="back")
    wrapped.hears()
    called(wrapped, "tools/call", PAY)
    awaited(lambda: shop.paid == 1)
    client = next(each for each in psutil.Process(wrapped.pid).children() if "call" in each.cmdline())
    shims = client.children(recursive=True)
    client.kill()
    code, _ = wrapped.ends()
    assert code == 128 + signal.SIGKILL
    gone(*shims)
    settled = [event.body for event in desk.events("back") if isinstance(event.body, e.EffectSettled)]
    assert [body.outcome for body in settled] == ["succeeded"]
    assert shop.paid == 1
