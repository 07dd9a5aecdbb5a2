"""A session's process dies at every moment that leaves anything behind; its client asks again, in its own words or others."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from perdure.adapters.sqlite.store import SqliteStore
from perdure.assembly.foreign.answering import Answer, Asked
from perdure.assembly.foreign.sessions import Foreign, Session
from perdure.assembly.store import Store
from perdure.driver.books import Books
from perdure.driver.port import Deed, Outcome
from perdure.effect import doubt
from tests.sessions.ground import LOOK, PAY, SEND, Bank, played, sound

CHANGES = ("create", "acquire", "append", "release")
INVOICES = ("INV-1", "INV-2")


class Dead(BaseException):
    """This process is no more."""


class Life:
    """One process, which dies at the moment with the number ``until``."""

    def __init__(self, until: int) -> None:
        self.until: int = until
        self.moments: int = 0

    def moment(self) -> None:
        """Die, if this is where."""
        self.moments += 1
        if self.moments >= self.until:
            raise Dead


class MortalBooks:
    """A store whose process may die before and after each change."""

    def __init__(self, books: SqliteStore, life: Life) -> None:
        self._books: SqliteStore = books
        self._life: Life = life

    def __getattr__(self, name: str) -> object:
        """Return what the store has of that name."""
        found = cast("Callable[..., object]", getattr(self._books, name))
        if name not in CHANGES:
            return found

        def change(*words: object, **more: object) -> object:
            self._life.moment()
            done = found(*words, **more)
            if name == "append":
                cast("asyncio.Future[object]", done).result()
            self._life.moment()
            return done

        return change


class MortalBank(Bank):
    """Does deeds, if its process lives to do them."""

    def __init__(self, bank: Bank, life: Life) -> None:
        super().__init__()
        self.done = bank.done
        self._life: Life = life

    async def perform(self, deed: Deed) -> Outcome:
        """Die before it, or do it and die after it, or live."""
        self._life.moment()
        outcome = await super().perform(deed)
        self._life.moment()
        return outcome


async def life(
    place: Path, bank: Bank, until: int, asked: list[Asked], answers: list[Answer], *, back: bool
) -> Life:
    """Live until moment ``until``, or to the end; with ``back`` the client begins anew before its first call."""
    this = Life(until)
    books = SqliteStore(place)
    store = Store(cast("Books", cast("object", MortalBooks(books, this))), books.close, location=place)
    try:
        foreign = Foreign("wrap:test", (PAY, SEND, LOOK))
        opened = await Session.open(store, "one", foreign, MortalBank(bank, this), take_over=True)
        if back:
            await opened.went_back(2, "the client was cut back")
        while len(answers) < len(asked):
            answers.append(await opened.call(asked[len(answers)], patience=0))
        await opened.close()
    except Dead:
        pass
    finally:
        await asyncio.to_thread(store.close)
    return this


def lies(bank: Bank, asked: list[Asked], answers: list[Answer]) -> list[str]:
    """Return what was said that is not so."""
    done = [arguments for _, arguments in bank.done]
    wrong: list[str] = []
    for each, answer in zip(asked, answers, strict=True):
        count = sum(str(each.arguments["invoice"]) in arguments for arguments in done)
        said = {"succeeded": 1, "replayed": 1, "refused": 0, "failed": 0}.get(answer.kind, count)
        if count > 1 or count != said:
            wrong.append(
                f"{each.arguments['invoice']} was done {count} times, and the answer is {answer.kind}"
            )
    return wrong


def tried(place: Path, until: int, tool: str, *, reworded: bool) -> tuple[bool, list[str]]:
    """Die at moment ``until`` and ask again; return whether anything was left to die at, and what went wrong."""
    bank = Bank()
    first = [
        Asked(f"a.{n}", tool, {"invoice": name, "reference": f"r{n}"}) for n, name in enumerate(INVOICES)
    ]
    again = [
        Asked(f"b.{n}", tool, {"invoice": name, "reference": f"~{n}"}) for n, name in enumerate(INVOICES)
    ]
    answers: list[Answer] = []
    lived = played(life(place, bank, until, first, answers, back=False))
    second = again if reworded else first
    if reworded:
        answers = []
    played(life(place, bank, 10**9, second, answers, back=reworded))
    sound(place)
    return lived.moments >= until, lies(bank, second, answers)


@pytest.mark.parametrize("reworded", [False, True], ids=["sent again", "asked anew in other words"])
@pytest.mark.parametrize("tool", ["bank__pay", "bank__send"])
def test_whenever_a_sessions_process_dies_nothing_is_done_twice_and_nobody_is_told_a_lie(
    tmp_path: Path, tool: str, reworded: bool
):
    until, more = 1, True
    while more:
        more, wrong = tried(tmp_path / str(until), until, tool, reworded=reworded)
        assert wrong == [], f"died at moment {until}"
        until += 1
    assert until > 15


def test_a_session_that_sends_again_what_is_in_doubt_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doubt, "way_out", lambda *_: doubt.Send())
    found = [tried(tmp_path / str(until), until, "bank__pay", reworded=False)[1] for until in range(1, 16)]
    assert any("was done 2 times" in each for wrong in found for each in wrong)
