"""``perdure rewind`` of a wrapped run: the turn's files, a new session that ends there, and nothing else touched."""

import json
from pathlib import Path
from typing import Any

import pytest

from perdure.assembly.foreign.sessions import Foreign, Session
from perdure.assembly.store import open_store
from perdure.wire.bodies.reading import Memo, read_request
from perdure.wrap.transcripts.resuming import going_on
from perdure.wrap.transcripts.started import Started, spelled_start, start_of
from tests.cli.inside import Inside
from tests.sessions.ground import Bank, played
from tests.transcripts.guests import RUN, Guest
from tests.transcripts.visitors import VISITORS

STORY = [("One.", ["a"]), ("Two.", ["b", "c"]), ("Three.", ["a"]), ("Done.", [])]


@pytest.fixture(params=list(VISITORS))
def guest(request: pytest.FixtureRequest, tmp_path: Path) -> Guest:
    """A client of each kind that has worked through four turns, and left."""
    made = Guest(tmp_path, request.param)
    made.lived(STORY)
    return made


@pytest.fixture
def visited(tmp_path: Path) -> Guest:
    """One that has."""
    made = Guest(tmp_path)
    made.lived(STORY)
    return made


def typed(inside: Inside, *words: str) -> dict[str, Any]:
    said = inside.type(*words, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_files_and_session_are_those_of_the_turn(guest: Guest, inside: Inside):
    before = guest.client.path.read_bytes()
    for turn in (3, 2, 4, 1):
        known = set(guest.new_files())
        told = typed(inside, "rewind", RUN, "--to", str(turn))
        assert guest.files() == guest.trees[turn - 1]
        (new,) = set(guest.new_files()) - known
        assert told["session"]["path"] == str(new)
        assert told["session"]["id"] in new.name
        assert type(guest.client).loaded(new) == guest.client.asked[turn - 1].session
    assert guest.client.path.read_bytes() == before
    assert typed(inside, "verify", RUN)["ok"]
    assert inside.type("replay", RUN).code == 0


def test_what_goes_on_is_the_session_that_was_cut_and_its_prefix_is_expected(guest: Guest, inside: Inside):
    told = typed(inside, "rewind", RUN, "--to", "3")
    with open_store(guest.store) as store:
        goes = going_on(store.books, RUN)
    assert (goes.session, goes.turn, goes.rewound, goes.anew) == (told["session"]["id"], 3, True, False)
    assert goes.started == guest.started
    read = read_request(guest.client.endpoint, guest.client.asked[2].body, Memo())
    assert read is not None
    assert len(goes.expects) == len(read.digests)
    assert all(want in ("", digest) for want, digest in zip(goes.expects, read.digests, strict=True))
    assert sum(1 for want in goes.expects if want) >= 4


def test_a_session_that_was_not_written_before_a_crash_is_written_by_who_goes_on(
    visited: Guest, inside: Inside
):
    told = typed(inside, "rewind", RUN, "--to", "2")
    path = Path(told["session"]["path"])
    content = path.read_bytes()
    path.unlink()
    with open_store(visited.store) as store:
        assert going_on(store.books, RUN, writes=False).session == told["session"]["id"]
        assert not path.exists()
        assert going_on(store.books, RUN).path == str(path)
    assert path.read_bytes() == content


def test_a_dry_run_shows_the_plan_and_writes_nothing(visited: Guest, inside: Inside):
    before = visited.files()
    position = typed(inside, "show", RUN)["position"]
    told = typed(inside, "rewind", RUN, "--to", "2", "--dry-run")
    assert told["turn"] == 2
    assert told["files"]["changed"] == []
    assert sorted(told["files"]["deleted"]) == ["b.txt", "c.txt"]
    assert told["session"]["of"] > told["session"]["lines"] > 0
    assert told["resume"] == f"perdure wrap --resume {RUN}"
    text = inside.type("rewind", RUN, "--to", "2", "--dry-run").out
    assert "- b.txt" in text
    assert "stays as it is" in text
    assert (visited.files(), visited.new_files()) == (before, [])
    assert typed(inside, "show", RUN)["position"] == position


def test_the_last_lines_lead_on_with_perdure_without_it_and_back(visited: Guest, inside: Inside):
    said = inside.type("rewind", RUN, "--to", "2")
    assert said.code == 0
    (new,) = visited.new_files()
    assert f"{RUN} is back at turn 2" in said.out
    assert f"perdure wrap --resume {RUN}" in said.out
    assert f"claude --resume {new.stem}" in said.out
    undo = next(line.split("undo this")[1].split() for line in said.out.splitlines() if "undo this" in line)
    assert inside.type(*undo[1:]).code == 0
    assert visited.files() == {**visited.trees[3]}
    with open_store(visited.store) as store:
        goes = going_on(store.books, RUN)
    assert (goes.session, goes.turn) == (visited.client.session, 4)
    assert visited.new_files() == [new]


def test_turns_are_counted_on_after_going_back(visited: Guest, inside: Inside):
    typed(inside, "rewind", RUN, "--to", "2")
    (new,) = visited.new_files()
    again = visited.going_on_with(new)
    again.lived([("Otherwise.", ["d"]), ("Done.", [])], says="go on")
    told = typed(inside, "rewind", RUN, "--to", "6")
    assert visited.files() == again.trees[-1]
    assert told["session"]["source"] == str(again.client.path)
    assert inside.type("rewind", RUN, "--to", "3", "--dry-run").code == 0


def test_a_turn_that_is_not_there_is_said(visited: Guest, inside: Inside):
    said = inside.type("rewind", RUN, "--to", "40")
    assert said.code == 2
    assert "no turn 40" in said.err
    assert "its newest turn is 4" in said.err
    assert inside.type("rewind", RUN).code == 2
    assert inside.type("rewind", RUN, "--to", "2", "--to-position", "3").code == 2


def test_a_session_that_is_gone_is_said_and_the_files_can_go_back_alone(visited: Guest, inside: Inside):
    visited.client.path.unlink()
    before = visited.files()
    said = inside.type("rewind", RUN, "--to", "2")
    assert said.code == 2
    assert "P623" in said.err
    assert visited.files() == before
    told = typed(inside, "rewind", RUN, "--to", "2", "--no-session")
    assert told["session"] is None
    assert visited.files() == visited.trees[1]
    with open_store(visited.store) as store:
        goes = going_on(store.books, RUN)
    assert (goes.anew, goes.session, goes.expects) == (True, "", ())


def test_where_the_format_is_not_known_the_files_go_back_and_it_is_said(tmp_path: Path, inside: Inside):
    guest = Guest(tmp_path)
    guest.kind = "opencode"
    guest.lived(STORY)
    said = inside.type("rewind", RUN, "--to", "2")
    assert said.code == 0
    assert "no session: opencode keeps its sessions in a database of its own" in said.out
    assert guest.files() == guest.trees[1]
    assert guest.new_files() == []


def test_nothing_goes_back_beneath_a_client_that_works(visited: Guest, inside: Inside):
    async def story() -> None:
        store = open_store(visited.store)
        session = await Session.open(store, RUN, Foreign("wrap:claude-code", (), root=visited.work), Bank())
        try:
            said = inside.type("rewind", RUN, "--to", "2")
            assert said.code == 3
            assert "P625" in said.err
            assert inside.type("rewind", RUN, "--to", "2", "--dry-run").code == 0
        finally:
            await session.close()
            store.close()

    before = visited.files()
    played(story())
    assert (visited.files(), visited.new_files()) == (before, [])


def test_what_somebody_else_has_changed_is_asked_about_before_a_session_is_written(
    visited: Guest, inside: Inside
):
    (visited.work / "b.txt").write_text("mine\n", encoding="utf-8")
    said = inside.type("rewind", RUN, "--to", "2")
    assert said.code == 2
    assert "b.txt" in said.err
    assert visited.new_files() == []
    told = typed(inside, "rewind", RUN, "--to", "2", "--keep-foreign")
    assert visited.files()["b.txt"] == "mine\n"
    assert told["session"] is not None


def test_before_anything_was_asked_the_client_begins_anew(tmp_path: Path, inside: Inside):
    guest = Guest(tmp_path)
    guest.lived([])
    with open_store(guest.store) as store:
        goes = going_on(store.books, RUN)
    assert (goes.anew, goes.turn) == (True, 0)
    assert inside.type("ls").code == 0


def test_a_client_that_broke_off_goes_on_with_the_session_that_holds_its_last_turn(
    tmp_path: Path, inside: Inside
):
    guest = Guest(tmp_path)
    guest.lived(STORY[:3], leaves=False)
    with open_store(guest.store) as store:
        goes = going_on(store.books, RUN)
    assert (goes.session, goes.turn, goes.path) == (guest.client.session, 3, str(guest.client.path))
    assert goes.expects == ()
    assert "broke off" in inside.type("ls").out


def test_lists_and_timeline_tell_of_the_client(visited: Guest, inside: Inside):
    typed(inside, "rewind", RUN, "--to", "3")
    listed = inside.type("ls").out
    assert "claude-code · 4 turns · $0.0060" in listed
    assert "ended" in listed
    (row,) = typed(inside, "ls")["runs"]
    assert row["wrapped"]["turns"] == 4
    shown = inside.type("show", RUN).out
    assert f"perdure wrap --resume {RUN}" in shown
    assert f"claude --resume {visited.new_files()[0].stem}" in shown
    told = inside.type("log", RUN).out
    assert "claude-code 9.9 begins  claude -p begin" in told
    assert "» turn 3" in told
    assert "back to turn 3, position" in told
    assert "the client ended with exit code 0" in told
    assert "{" not in told


def test_a_fork_leaves_the_session_to_the_run_it_began_as(visited: Guest, inside: Inside):
    at = typed(inside, "rewind", RUN, "--to", "3", "--dry-run")["to"]
    typed(inside, "fork", RUN, "--at", str(at), "--run", "other")
    with open_store(visited.store) as store:
        goes = going_on(store.books, "other")
        assert (goes.anew, goes.session, goes.turn) == (True, "", 3)
        assert going_on(store.books, RUN).session == visited.client.session


def test_who_would_drive_the_run_is_told_how_the_client_goes_on(visited: Guest, inside: Inside):
    said = inside.type("resume", RUN)
    assert said.code == 2
    assert f"perdure wrap --resume {RUN}" in said.err
    told = typed(inside, "blame", RUN, "b.txt")
    assert [(line["by"], line["turn"]) for line in told["lines"]] == [("client", 2)]


def test_a_start_is_told_and_read_again():
    started = Started(profile="p", program="/x/p", arguments=("a b", "ü"), sessions=("/s/*.jsonl",))
    assert start_of(spelled_start(started)) == started
    assert start_of("claude -p hello") is None
    assert start_of('{"wrap":7}') is None
    newer = '{"wrap":{"profile":"p","program":"x","more":1}}'
    assert start_of(newer) == Started(profile="p", program="x"), "a newer perdure may tell more"
