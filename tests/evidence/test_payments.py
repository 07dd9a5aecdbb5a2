"""The payment server pays what it says, keeps it through its own death, and fails as it was told to."""

import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters

from perdure.testing.payments import FLOOD_BYTES, GONE, mishap_of
from perdure.testing.payments_book import BookLine, PaymentBook, let_go

WISH = {"payee": "Ada", "cents": 1250, "reference": "R-1"}


def server(book: Path, *mishaps: str) -> StdioServerParameters:
    told = [word for each in mishaps for word in ("--mishap", each)]
    return StdioServerParameters(
        command=sys.executable, args=["-m", "perdure.testing.payments", str(book), *told]
    )


@contextmanager
def on_loopback(book: Path, *mishaps: str) -> Generator[str]:
    command = [sys.executable, "-m", "perdure.testing.payments", str(book), "--http", "0"]
    command += [word for each in mishaps for word in ("--mishap", each)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().removeprefix("listening at ").strip()
        finally:
            process.kill()


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Return when it holds; another process makes it hold."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def pay(target: StdioServerParameters | str, times: int = 1, within: float = 60) -> list[str]:
    """Pay one after another through one client; return what was answered, or how that ended."""

    async def paying() -> list[str]:
        answers: list[str] = []
        async with Client(target, read_timeout_seconds=within) as client:
            for number in range(times):
                try:
                    result = await client.call_tool("pay", {**WISH, "reference": f"R-{number}"})
                except MCPError:
                    return [*answers, "lost"]
                answers.append(str((result.structured_content or {}).get("payment", "refused")))
        return answers

    return anyio.run(paying)


def test_what_is_answered_is_in_the_book(tmp_path: Path):
    book = PaymentBook(tmp_path / "book")
    assert pay(server(book.path), times=2) == ["P-000001", "P-000002"]
    assert [(line.payee, line.cents, line.reference) for line in book.paid()] == [
        ("Ada", 1250, "R-0"),
        ("Ada", 1250, "R-1"),
    ]


def test_it_pays_over_http_as_well(tmp_path: Path):
    book = PaymentBook(tmp_path / "book")
    with on_loopback(book.path) as url:
        assert pay(url, times=2) == ["P-000001", "P-000002"]
    assert len(book.paid()) == 2


def test_a_refund_is_paid_back_once(tmp_path: Path):
    book = PaymentBook(tmp_path / "book")

    async def told() -> list[bool]:
        async with Client(server(book.path)) as client:
            await client.call_tool("pay", dict(WISH))
            return [(await client.call_tool("refund", {"payment": "P-000001"})).is_error for _ in range(2)]

    assert anyio.run(told) == [False, True]
    assert book.paid() == []


@pytest.mark.parametrize("mishap", ["die", "garbage", "hang", "endless"])
def test_paid_without_an_answer_is_paid_all_the_same(tmp_path: Path, mishap: str):
    book = PaymentBook(tmp_path / "book")
    assert pay(server(book.path, f"1:{mishap}"), within=1.5) == ["lost"]
    assert len(book.paid()) == 1


@pytest.mark.parametrize("mishap", ["garbage", "endless"])
def test_over_http_an_answer_is_spoilt_too(tmp_path: Path, mishap: str):
    book = PaymentBook(tmp_path / "book")
    with on_loopback(book.path, f"1:{mishap}") as url:
        assert pay(url, within=1.5) == ["lost"]
    assert len(book.paid()) == 1


def test_dead_before_it_paid_it_has_not_paid(tmp_path: Path):
    book = PaymentBook(tmp_path / "book")
    assert pay(server(book.path, "1:early")) == ["lost"]
    assert book.paid() == []
    assert [line.kind for line in book.lines()] == ["started", "asked"]


def test_a_mishap_strikes_once_also_over_the_servers_death(tmp_path: Path):
    book = PaymentBook(tmp_path / "book")
    assert pay(server(book.path, "1:die")) == ["lost"]
    assert pay(server(book.path, "1:die")) == ["P-000002"]


def test_declined_means_not_paid(tmp_path: Path):
    book = PaymentBook(tmp_path / "book")
    assert pay(server(book.path, "1:declined"), times=2) == ["refused", "P-000001"]
    assert len(book.paid()) == 1


def test_it_holds_its_answer_until_let_go(tmp_path: Path):
    book = PaymentBook(tmp_path / "book")

    async def held() -> bool:
        answered = anyio.Event()
        async with Client(server(book.path, "1:hold")) as client, anyio.create_task_group() as tasks:

            async def paid() -> None:
                await client.call_tool("pay", dict(WISH))
                answered.set()

            tasks.start_soon(paid)
            await anyio.to_thread.run_sync(lambda: until(lambda: bool(book.paid())))
            assert not answered.is_set()
            let_go(book.path).touch()
        return answered.is_set()

    assert anyio.run(held)
    assert len(book.paid()) == 1


def test_a_flood_comes_before_the_answer(tmp_path: Path):
    came = 0

    async def flooded() -> int:
        async with Client(server(tmp_path / "book", "1:flood"), logging_callback=count) as client:
            await client.call_tool("pay", dict(WISH))
        return came

    async def count(params: object) -> None:
        nonlocal came
        came += len(str(getattr(params, "data", "")))

    assert anyio.run(flooded) > FLOOD_BYTES // 2


def test_a_torn_line_is_cut_off_and_many_writers_count_right(tmp_path: Path):
    book = PaymentBook(tmp_path / "book")
    book.pay(BookLine("asked", 1, payee="Ada", cents=1, reference="a"))
    with book.path.open("ab") as file:
        file.write(b'{"kind":"paid","process":9,"numb')
    assert len(book.paid()) == 1
    writers = [
        subprocess.Popen([sys.executable, "-c", PAYS, str(book.path)], stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert [line.number for line in book.paid()] == list(range(1, 32))


PAYS = """
import sys
from pathlib import Path
from perdure.testing.payments_book import BookLine, PaymentBook, let_go
book = PaymentBook(Path(sys.argv[1]))
for number in range(10):
    book.pay(BookLine("asked", 1, payee="Ada", cents=1, reference=str(number)))
"""


def test_mishaps_are_spelled():
    assert mishap_of("2:delay=0.5")[1].seconds == 0.5
    with pytest.raises(ValueError, match="is none of"):
        mishap_of("1:whatever")


def test_it_dies_with_a_status_of_its_own(tmp_path: Path):
    command = [sys.executable, "-m", "perdure.testing.payments", str(tmp_path / "book"), "--mishap", "x"]
    assert subprocess.run(command, capture_output=True, check=False).returncode not in (0, GONE)
