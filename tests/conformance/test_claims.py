"""Claims: a key is taken once in the store, and an identity is open or done at most once."""

from concurrent.futures import Future

import pytest

from perdure.log.events import ClaimSeen, Content
from perdure.log.port import Appended, ClaimClosed, Remembered
from perdure.values.errors import Broken
from tests.conformance.stores import SECONDS, Store, claim, opened_run


def seen(
    key: str, stem: str, run: str, outcome: str | None = None, result: Content | None = None
) -> ClaimSeen:
    return ClaimSeen(key, stem, run, 1, "pay", 1, "a" * 64, outcome, result, "b" * 64)


def test_a_claim_is_remembered_with_all_it_said(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(opened=[claim("k1", "s1")]))
    assert store.claims() == [seen("k1", "s1", "march")]


def test_names_that_are_digests_and_names_that_are_not_come_back_as_given(store: Store):
    writer = opened_run(store)
    for key in ("0123456789abcdef" * 4, "ab" * 20, "AB" * 20, "invoice 7", "é", "a" * 40 + " "):
        writer.append(writer.batch(opened=[claim(key, f"stem of {key}")]))
        assert store.claims(stem=f"stem of {key}")[0].key == key


def test_a_key_is_never_taken_twice(store: Store):
    march, april = opened_run(store), opened_run(store, "april")
    march.append(march.batch(opened=[claim("k1", "s1")]))
    march.append(march.batch(closed=[ClaimClosed("k1", "failed")]))
    answer = april.append(april.batch(opened=[claim("k1", "s2")]))
    assert answer == Remembered((seen("k1", "s1", "march", "failed"),), ())
    assert store.read("april") == []


@pytest.mark.parametrize("outcome", [None, "succeeded", "partial"])
def test_an_identity_that_is_open_or_done_is_not_taken_again(store: Store, outcome: str | None):
    march, april = opened_run(store), opened_run(store, "april")
    march.append(march.batch(opened=[claim("k1", "s1")]))
    if outcome is not None:
        march.append(march.batch(closed=[ClaimClosed("k1", outcome)]))
    answer = april.append(april.batch(opened=[claim("k2", "s1")]))
    assert answer == Remembered((seen("k1", "s1", "march", outcome),), ())
    assert store.claims(stem="s1") == [seen("k1", "s1", "march", outcome)]


@pytest.mark.parametrize("outcome", ["failed", "compensated"])
def test_an_identity_that_failed_or_was_undone_is_free_again(store: Store, outcome: str):
    march, april = opened_run(store), opened_run(store, "april")
    march.append(march.batch(opened=[claim("k1", "s1")]))
    march.append(march.batch(closed=[ClaimClosed("k1", outcome)]))
    assert april.append(april.batch(opened=[claim("k2", "s1")])) == Appended(1)
    assert [item.key for item in store.claims(stem="s1")] == ["k1", "k2"]


def test_the_next_attempt_may_begin_in_the_batch_that_records_the_failure(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(opened=[claim("k1", "s1")]))
    batch = writer.batch(closed=[ClaimClosed("k1", "failed")], opened=[claim("k2", "s1", attempt=2)])
    assert writer.append(batch) == Appended(2)
    refused = writer.batch(closed=[ClaimClosed("k2", "succeeded")], opened=[claim("k3", "s1", attempt=3)])
    assert isinstance(writer.append(refused), Remembered)


def test_all_claims_of_the_identity_are_told(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(opened=[claim("k1", "s1")]))
    writer.append(writer.batch(closed=[ClaimClosed("k1", "failed")], opened=[claim("k2", "s1")]))
    answer = writer.append(writer.batch(opened=[claim("k3", "s1"), claim("k4", "s4")]))
    assert isinstance(answer, Remembered)
    assert [(item.key, item.outcome) for item in answer.claims] == [("k1", "failed"), ("k2", None)]


def test_a_refused_claim_takes_nothing_else_of_its_batch(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(opened=[claim("k1", "s1")]))
    assert isinstance(writer.append(writer.batch(opened=[claim("k2", "s2"), claim("k3", "s1")])), Remembered)
    assert [item.key for item in store.claims()] == ["k1"]
    assert len(store.read("march")) == 1


def test_two_batches_under_way_at_once_do_not_both_take_an_identity(store: Store):
    writers = [opened_run(store, f"run-{number}") for number in range(8)]
    answers: list[Future[Appended | Remembered]] = [
        store.append(writer.batch(opened=[claim(f"k{number}", "s1")]))
        for number, writer in enumerate(writers)
    ]
    won = [answer.result(SECONDS) for answer in answers]
    assert [isinstance(answer, Appended) for answer in won].count(True) == 1
    assert len(store.claims(stem="s1")) == 1


@pytest.mark.parametrize("text", ["short", "long " * 80])
def test_the_result_is_remembered(store: Store, text: str):
    writer = opened_run(store)
    result = Content(len(text), text)
    writer.append(writer.batch(opened=[claim("k1", "s1")]))
    writer.append(writer.batch(text=text, closed=[ClaimClosed("k1", "succeeded", result)]))
    assert store.claims(stem="s1")[0].result == result


def test_the_result_of_a_settling_event_is_remembered_by_every_run(store: Store):
    from perdure.log.envelope import Event, seal
    from perdure.log.events import EffectSettled
    from perdure.log.port import Batch

    march, april = opened_run(store), opened_run(store, "april")
    result = Content(400, "paid " * 80)
    march.append(march.batch(opened=[claim("k1", "s1")]))
    settled = seal(Event("march", 2, 5, 1, 1, EffectSettled("k1", "succeeded", result)), march.head)
    march.append(Batch("march", 1, 1, [settled], closed=[ClaimClosed("k1", "succeeded", result)]))
    answer = april.append(april.batch(opened=[claim("k2", "s1")]))
    assert answer == Remembered((seen("k1", "s1", "march", "succeeded", result),), ())


def test_claims_are_found_by_scope_and_stem_oldest_first(store: Store):
    writer = opened_run(store)
    for key, stem, scope in (("k3", "s1", "acme"), ("k1", "s2", "acme"), ("k2", "s3", "other")):
        writer.append(writer.batch(opened=[claim(key, stem, scope=scope)]))
    assert [item.key for item in store.claims(scope="acme")] == ["k3", "k1"]
    assert [item.key for item in store.claims(stem="s3")] == ["k2"]
    assert store.claims(stem="s3", scope="acme") == []
    assert [item.key for item in store.claims()] == ["k3", "k1", "k2"]
    assert store.claims(scope="nobody") == []


def test_one_batch_does_not_open_an_identity_twice(store: Store):
    writer = opened_run(store)
    with pytest.raises(Broken):
        writer.append(writer.batch(opened=[claim("k1", "s1"), claim("k2", "s1")]))
    assert store.claims() == []
