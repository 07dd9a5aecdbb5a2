"""A name that several submit at once is one run: one of them is heard, and the others are told."""

import pytest

from perdure.assembly.store import Store
from perdure.assembly.submitting import placements_of, submit
from perdure.driver.books import Books
from perdure.log.port import NewRun, Post
from perdure.values.errors import BadInput, RunExists


def half_submitted(books: Books, words: str) -> None:
    """Leave what a submission in progress, or one that was cut off, has made of ``bill`` before it is placed."""
    submit(books, "payer", words, run="other", tenant="ada", now=1)
    (start,) = books.inbox("other")
    books.create(NewRun("bill", "bill", "ada", 1))
    books.post("bill", start)


def starts(books: Books) -> list[Post]:
    return list(books.inbox("bill"))


def test_who_submits_a_name_in_other_words_at_the_same_time_is_told(store: Store):
    half_submitted(store.books, "pay the first")
    with pytest.raises(RunExists):
        submit(store.books, "payer", "pay the second", run="bill", tenant="ada", now=2)
    assert [b"pay the first" in bytes(post.body) for post in starts(store.books)] == [True]
    placements = placements_of(store.books, "bill")
    assert placements is not None
    assert placements.look("bill") is None
    assert submit(store.books, "payer", "pay the first", run="bill", tenant="ada", now=3) == "bill"
    with pytest.raises(RunExists):
        submit(store.books, "thief", "pay the first", run="bill", tenant="ada", now=4)


def test_who_submits_a_name_for_another_tenant_at_the_same_time_is_told(store: Store):
    half_submitted(store.books, "pay the first")
    with pytest.raises(RunExists):
        submit(store.books, "payer", "pay the first", run="bill", tenant="eve", now=2)


def test_a_task_that_is_no_text_begins_no_run(store: Store):
    with pytest.raises(BadInput, match="no character"):
        submit(store.books, "payer", "pay \ud800", run="bill", tenant="ada", now=1)
    assert not store.books.rows("bill")
