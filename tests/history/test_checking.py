"""The checker says what it should of histories that a person can read."""

from benchmarks.scale.history.acts import (
    Act,
    Answer,
    At,
    Call,
    Claim,
    Claims,
    Done,
    End,
    Give,
    Granted,
    History,
    Look,
    Names,
    Read,
    Refused,
    Remember,
    Row,
    Send,
    Take,
    Waiting,
    Write,
)
from benchmarks.scale.history.checking import explained
from benchmarks.scale.history.model import GENESIS


def call(client: str, began: int, ended: int | None, act: Act, answer: Answer | None = None) -> Call:
    return Call(client, act, began, ended, answer)


def write(
    epoch: int,
    at: int,
    before: str,
    head: str,
    *,
    run: str = "a",
    consumed: tuple[str, ...] = (),
    opened: tuple[Claim, ...] = (),
    closed: tuple[End, ...] = (),
) -> Write:
    return Write(run, epoch, at, before, head, 1, consumed, opened, closed)


def holds(*calls: Call, **ends: int) -> bool:
    verdict = explained(History(calls, ends))
    assert verdict.decided
    return verdict.ok


TAKEN = call("x", 1, 2, Take("a", "x/1"), Granted(1))


def test_a_history_of_one_writer_is_explained():
    assert holds(
        TAKEN,
        call("x", 3, 4, write(1, 0, GENESIS, "h1"), At(1)),
        call("x", 5, 6, Look("a"), Row(1, "h1", 1, "x/1")),
        call("x", 7, 8, Give("a", 1), Done()),
        call("y", 9, 10, Take("a", "y/1"), Granted(2, (1,))),
    )


def test_a_lost_answer_is_explained_whether_the_batch_was_written_or_not():
    lost = call("x", 3, None, write(1, 0, GENESIS, "h1"))
    assert holds(TAKEN, lost, call("y", 5, 6, Look("a"), Row(0, GENESIS, 1, "x/1")))
    assert holds(TAKEN, lost, call("y", 5, 6, Look("a"), Row(1, "h1", 1, "x/1")))


def test_a_lost_batch_may_arrive_late_and_does_not_go_away_again():
    lost = call("x", 3, None, write(1, 0, GENESIS, "h1"))
    before = call("y", 5, 6, Look("a"), Row(0, GENESIS, 1, "x/1"))
    after = call("y", 7, 8, Look("a"), Row(1, "h1", 1, "x/1"))
    assert holds(TAKEN, lost, before, after)
    assert not holds(TAKEN, lost, after._replace(began=5, ended=6), before._replace(began=7, ended=8))


def test_a_batch_that_was_acknowledged_is_seen_by_everyone_from_then_on():
    written = call("x", 3, 6, write(1, 0, GENESIS, "h1"), At(1))
    assert holds(TAKEN, written, call("y", 5, 7, Read("a"), At(0, GENESIS)))
    assert not holds(TAKEN, written, call("y", 7, 8, Read("a"), At(0, GENESIS)))


def test_a_stale_writer_is_not_explained():
    over = call("y", 3, 4, Take("a", "y/1", take_over=True), Granted(2))
    stale = write(1, 0, GENESIS, "h1")
    assert holds(TAKEN, over, call("x", 5, 6, stale, Refused("fenced")))
    assert not holds(TAKEN, over, call("x", 5, 6, stale, At(1)))
    assert holds(TAKEN, over._replace(began=3, ended=7), call("x", 4, 6, stale, At(1)))


def test_an_epoch_is_given_once():
    assert not holds(TAKEN, call("y", 3, 4, Take("a", "y/1", take_over=True), Granted(1)))


def test_a_run_that_somebody_holds_is_given_only_once_its_holder_may_be_dead():
    again = call("y", 5, 6, Take("a", "y/1"), Granted(2, (1,)))
    assert not holds(TAKEN, again)
    assert not holds(TAKEN, again, x=7)
    assert holds(TAKEN, again, x=4)


def test_a_living_writer_is_not_called_dead():
    over = call("y", 5, 6, Take("a", "y/1", take_over=True), Granted(2, (1,)))
    assert not holds(TAKEN, over)
    assert holds(TAKEN, call("x", 3, 4, Give("a", 1), Done()), over)


def test_a_claim_is_taken_once_until_it_is_free_again():
    first = write(1, 0, GENESIS, "h1", opened=(Claim("k1", "s"),))
    second = write(1, 0, GENESIS, "g1", run="b", opened=(Claim("k2", "s"),))
    begun = (
        TAKEN,
        call("y", 1, 2, Take("b", "y/1"), Granted(1)),
        call("x", 3, 4, first, At(1)),
    )
    assert holds(*begun, call("y", 5, 6, second, Refused("remembered")))
    assert not holds(*begun, call("y", 5, 6, second, At(1)))
    freed = call("x", 5, 6, write(1, 1, "h1", "h2", closed=(End("k1", "s", "failed"),)), At(2))
    assert holds(*begun, freed, call("y", 7, 8, second, At(1)))
    told = Claims((("k1", "a", "failed"), ("k2", "b", None)))
    assert holds(*begun, freed, call("y", 7, 8, second, At(1)), call("z", 9, 10, Remember("s"), told))


def test_a_post_is_consumed_once():
    sent = call("y", 1, 2, Send("a", "p"), Done())
    assert holds(TAKEN, sent, call("y", 3, 4, Send("a", "p"), Done(new=False)))
    eaten = call("x", 3, 4, write(1, 0, GENESIS, "h1", consumed=("p",)), At(1))
    again = write(1, 1, "h1", "h2", consumed=("p",))
    assert holds(TAKEN, sent, eaten, call("x", 5, 6, again, Refused("conflict")))
    assert not holds(TAKEN, sent, eaten, call("x", 5, 6, again, At(2)))
    assert not holds(TAKEN, sent, eaten, call("y", 5, 6, Waiting("a"), Names(("p",))))


def test_two_runs_have_one_order_in_common():
    # Each reader sees the one's batch and not yet the other's: no order of the two explains both.
    begun = (TAKEN, call("y", 1, 2, Take("b", "y/1"), Granted(1)))
    writes = (
        call("x", 3, 20, write(1, 0, GENESIS, "h1"), At(1)),
        call("y", 3, 20, write(1, 0, GENESIS, "g1", run="b"), At(1)),
    )
    seen = (
        call("v", 4, 5, Read("a"), At(1, "h1")),
        call("v", 6, 7, Read("b"), At(0, GENESIS)),
        call("w", 8, 9, Read("b"), At(1, "g1")),
    )
    assert holds(*begun, *writes, *seen)
    assert not holds(*begun, *writes, *seen, call("w", 10, 11, Read("a"), At(0, GENESIS)))


def test_a_slow_reader_may_be_told_how_it_was_when_it_began():
    lost = call("z", 3, None, Take("b", "z/1"))
    look = call("v", 3, 20, Look("a"), Row(0, GENESIS, 1, "x/1"))
    over = call("y", 4, 5, Take("a", "y/1", take_over=True), Granted(2))
    assert holds(TAKEN, lost, look, over, call("x", 6, 7, write(1, 0, GENESIS, "h1"), Refused("fenced")))


def test_what_cannot_be_decided_is_not_called_good():
    takes = [call(f"c{number}", 3, None, Take("a", f"c{number}/1", take_over=True)) for number in range(12)]
    history = History((TAKEN, *takes, call("x", 5, 6, Look("a"), Row(0, GENESIS, 9, "c1/1"))), {})
    assert explained(history).ok
    verdict = explained(history, possible_max=100)
    assert not verdict.decided
    assert not verdict.ok
