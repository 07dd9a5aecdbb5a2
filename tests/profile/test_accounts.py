"""``perdure cost``: of an own run, and of a conversation whose pages were moved."""

from pathlib import Path

import click
import msgspec
import pytest

from perdure.cli.spending import cost_view
from perdure.cli.spending.cost_page import page
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.page.ledger import Ledger, ledger
from perdure.profile.ours import RunReader
from perdure.profile.plain_ledger import plain_ledger
from tests.cli.inside import Inside
from tests.page.kit import Result, Talk
from tests.profile.test_command import EVIL, Looked
from tests.profile.transcripts import kinds, tokens


def events(*bodies: e.Body) -> list[Event]:
    return [Event("r", place, place * 1_000_000_000, 1, 0, body) for place, body in enumerate(bodies, 1)]


def paged() -> Talk:
    """A conversation in room mode: large results, and the window held under 30,000 tokens."""
    talk = Talk(mode="room", room=60_000)
    for number in range(12):
        talk.ask(Result(4_000, about=f"src/{EVIL if number == 2 else number}.py", preview=500, tool="Read"))
    return talk


@pytest.fixture(scope="module")
def book() -> Ledger:
    return ledger(paged().events)


def test_an_own_run_has_a_row_for_each_time_that_the_model_was_asked():
    told = events(
        e.RunOpened("a", "d", "c", "l", "t", 2),
        e.ModelRequested(1, 1, 1),
        e.ModelReplied(1, e.Content(2, "{}"), e.Usage(1_000, 50, 600, 300, 4_200)),
        e.ModelRequested(2, 1, 3),
        e.ModelFailed(2, "overloaded"),
        e.ModelRequested(2, 2, 3),
        e.ModelReplied(2, e.Content(2, "{}"), e.Usage(1_500, 20, 900, 0, 800)),
        e.ModelRequested(3, 1, 5),
    )
    book = plain_ledger(told)
    assert [row.status for row in book.rows] == ["answered", "failed", "answered", "open"]
    sums = book.totals
    assert (sums.requests, sums.failed, sums.cost_microusd, sums.alone_microusd) == (4, 1, 5_000, 5_000)
    assert (sums.input_tokens, sums.read_tokens, sums.write_tokens, sums.output_tokens) == (
        2_500,
        1_500,
        300,
        70,
    )
    assert (sums.peak_tokens, book.rows[0].whole_ms) == (1_500, 1_000)
    words = "\n".join(
        [*cost_view.summary("r", book), *cost_view.plot(book), cost_view.requests(book.rows, whole=True)]
    )
    for said in (
        "4 requests",
        "1 failed",
        "60.0 %",
        "failed: overloaded",
        "no answer yet",
        "nothing was moved",
    ):
        assert said in words, said


def test_a_conversation_shows_what_moves_kept_out_and_what_they_saved(book: Ledger):
    assert book.moves
    words = "\n".join([*cost_view.summary("talk", book), *cost_view.plot(book)])
    sums = book.totals
    assert f"{sums.evicted:,} left" in words
    assert "append-only" in words
    assert ("saved" if sums.saved_microusd >= 0 else "lost") in words
    rows = cost_view.requests(book.rows, whole=True)
    assert "ALONE" in rows
    assert f"{book.rows[-1].alone_tokens:,}" in rows
    moves = cost_view.moves(book.moves)
    assert "Read src/" in moves
    assert "\x1b" not in click.unstyle(moves)


def test_the_newest_rows_are_shown_unless_all_are_asked_for():
    rows = tuple(plain_ledger(events(*[e.ModelRequested(turn, 1, 1) for turn in range(90)])).rows)
    assert len(cost_view.requests(rows, whole=False).splitlines()) == 1 + cost_view.ROWS_SHOWN
    assert len(cost_view.requests(rows, whole=True).splitlines()) == 91


def test_the_page_of_a_ledger_runs_nothing(book: Ledger):
    looked = Looked(page(EVIL, book))
    assert looked.loads == []
    assert "script" not in looked.tags
    assert looked.open == []
    assert "alert(1)" in looked.words


def test_a_conversation_is_a_trace_as_if_nothing_had_left():
    talk = paged()
    reader = RunReader("talk", lambda content: "x" * (content.size if content else 0), lambda _: None)
    for event in talk.events:
        reader.take(event)
    (trace,) = reader.traces()
    assert len(trace.requests) == 12
    assert [request.usage.input_tokens for request in trace.requests] == talk.windows[:12]
    results = [segment for segment in trace.segments if segment.kind == "result"]
    assert {segment.tool for segment in results} == {"Read"}
    whole = sum(
        segment.tokens for segment in trace.segments[trace.requests[-1].first : trace.requests[-1].last]
    )
    assert whole == pytest.approx(talk.windows[-1] + talk.talk.moved, rel=0.02)


def test_a_conversation_whose_first_request_is_kept_shows_its_front():
    body = {
        "system": "Be brief. " * 200,
        "tools": [{"name": "Read", "description": "Read a file. " * 100}],
        "messages": [{"role": "user", "content": "Hello"}],
    }
    kept = e.Content(9, msgspec.json.encode(body).decode())
    told = events(
        e.RunOpened("gateway:x", "d", "c", "l", "t", 2),
        e.ConversationOpened("x", "messages", "claude-opus-4-6"),
        e.RequestForwarded(1, tokens=1_500, body=kept),
        e.RequestAnswered(1, told=e.Usage(1_500, 10), usage=e.Usage(1_500, 10, 0, 0, 700)),
        e.RequestForwarded(2, "side", tokens=300),
        e.RequestAnswered(2, told=e.Usage(300, 5), usage=e.Usage(300, 5, 0, 0, 90)),
        e.RequestForwarded(3, tokens=1_600),
        e.RequestAnswered(3, told=e.Usage(1_600, 10), usage=e.Usage(1_600, 10, 1_500, 0, 100)),
    )
    reader = RunReader("talk", lambda content: (content.text or "") if content else "", lambda _: None)
    for event in told:
        reader.take(event)
    main, side = reader.traces()
    assert [tokens(main, 0), tokens(main, 1), tokens(side, 0)] == [1_500, 1_600, 300]
    assert kinds(main, 0)[:2] == ["schema", "system"]
    assert [request.usage.cost_microusd for request in main.requests] == [700, 100]
    assert side.name == "talk/side"


def test_the_command_tells_people_and_programs_the_same(reader: Inside, tmp_path: Path):
    found = reader.type("cost", "march", "--json").json
    assert list(found) == ["run", "totals", "requests", "moves", "frozen", "alarm", "html"]
    assert found["totals"]["requests"] == len(found["requests"]) == 7
    html = tmp_path / "c.html"
    said = reader.type("cost", "march", "--plot", "--html", str(html))
    assert said.code == 0
    assert "7 requests" in said.out
    assert "no usage was counted" in said.out
    assert Looked(html.read_text(encoding="utf-8")).loads == []


def test_an_unknown_run_is_wrong_use(reader: Inside):
    said = reader.type("cost", "nobody")
    assert said.code == 2
    assert "P102" in said.err
