"""A session cut at a turn is what the client would have sent then, whatever was done in the client since."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from perdure.values.errors import SessionTaken, SessionUnknown
from perdure.wire.bodies.reading import Memo, read_request
from perdure.wrap.transcripts.finding import held_in
from perdure.wrap.transcripts.forms import FORMS, why_uncut
from perdure.wrap.transcripts.lines import read_lines, replaced
from perdure.wrap.transcripts.matching import cut_for
from perdure.wrap.transcripts.naming import names_in
from perdure.wrap.transcripts.nouns import Cut, SentRequest, StoredForm, StoredMessage
from perdure.wrap.transcripts.writing import cut_session, write_session
from tests.transcripts.visitors import VISITORS, ClaudeVisitor, CodexVisitor, Sent, Visitor, base_item

OLD = "01a21541-ab18-7151-a532-88d1121e33b2"
Cutting = Callable[[StoredForm, list[StoredMessage], int, SentRequest], Cut | None]


def lived(kind: str, folder: Path, seed: int) -> Visitor:
    """Return a client that has been used in one way or another."""
    chance = Random(seed)
    client = VISITORS[kind](folder / f"rollout-2026-01-01T00-00-00-{OLD}.jsonl", OLD)
    client.say("begin", reminded=chance.random() < 0.5)
    for turn in range(chance.randint(3, 9)):
        client.ask()
        if chance.random() < 0.1:
            client.ask()  # what broke off is asked again
        commands = [f"step {turn}.{number}" for number in range(chance.choice((0, 0, 1, 1, 2, 3)))]
        client.reply(
            chance.choice(("Done.", "Next.", f"It is {turn}.")), commands, eager=chance.random() < 0.3
        )
        if not commands:
            happens = chance.random()
            backs = [place for place in range(len(client.asked)) if talked(client, place)]
            if happens < 0.3 and backs:
                client.go_back(chance.choice(backs))
            elif happens < 0.4:
                client.compact(f"summary {turn}")
                continue
            client.say(chance.choice(("continue", f"now do {turn}")), reminded=chance.random() < 0.4)
    return client


def talked(client: Visitor, place: int) -> bool:
    """Tell whether the request with this place ended with a person's words, and can still be gone back to."""
    sent = client.asked[place].session
    alike = sent[:-1] == client.history[: len(sent) - 1]
    last = sent[-1]
    words = last.get("role") == "user" and "tool_result" not in json.dumps(last)
    return alike and len(sent) > 1 and ("user" in last or words)


def as_sent(client: Visitor, number: int, *, kept: bool = True) -> SentRequest:
    sent: Sent = client.asked[number]
    read = read_request(client.endpoint, sent.body, Memo())
    assert read is not None
    return SentRequest(number + 1, 0, sent.at, read.digests, names_in(read) if kept else None)


def cut_off(
    client: Visitor, kind: str, number: int, by: Cutting, folder: Path, *, kept: bool = True
) -> Path | None:
    """Write the session cut at a request, and return where; None where it isn't found."""
    form, lines = FORMS[kind], read_lines(client.path)
    cut = by(form, form.entries(lines.records), len(lines.raw), as_sent(client, number, kept=kept))
    if cut is None:
        return None
    new = form.minted()
    path = folder / f"{new}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cut_session(form, lines, cut.lines, OLD, new))
    assert form.session_of(read_lines(path).records) in (new, "")
    return path


def unlike(kind: str, seed: int, by: Cutting, folder: Path) -> list[str]:
    """Return the requests whose cut session holds something else than was sent."""
    client = lived(kind, folder / f"{kind}-{seed}", seed)
    wrong: list[str] = []
    for number, sent in enumerate(client.asked):
        path = cut_off(client, kind, number, by, folder)
        loaded = VISITORS[kind].loaded(path) if path is not None else None
        if loaded != sent.session:
            wrong.append(f"{kind} {seed}: request {number + 1}")
    return wrong


FAILED_ONCE = (34, 138, 158, 200, 271, 370)
"""In all of these the model said 'Done.' twice, on two branches of which one was left."""


@pytest.mark.parametrize("kind", list(VISITORS))
def test_a_cut_session_holds_what_was_sent_and_no_more(kind: str, tmp_path: Path):
    seeds = (*range(25), *FAILED_ONCE)
    assert [each for seed in seeds for each in unlike(kind, seed, cut_for, tmp_path)] == []


def by_counting(form: StoredForm, entries: list[StoredMessage], lines: int, sent: SentRequest) -> Cut | None:
    """A cut that trusts the numbers: the n-th reply belongs to the n-th request."""
    said = [entry for entry in entries if entry.said]
    if sent.number > len(said):
        return None
    return Cut(said[sent.number - 1].record, sent.digests)


def by_the_last_alike(
    form: StoredForm, entries: list[StoredMessage], lines: int, sent: SentRequest
) -> Cut | None:
    """A cut that looks for the last words alone, wherever they stand."""
    last = sent.names_at(len(sent.digests) - 1)
    found = [entry for entry in entries if not entry.said and entry.names & last]
    return Cut(found[0].end, sent.digests) if found else None


@pytest.mark.parametrize("broken", [by_counting, by_the_last_alike])
def test_a_cut_that_does_not_look_at_what_was_said_is_caught(broken: Cutting, tmp_path: Path):
    assert [each for seed in range(15) for each in unlike("claude", seed, broken, tmp_path)] != []


@pytest.mark.parametrize("kind", list(VISITORS))
def test_without_the_bodies_a_cut_is_right_or_is_not_made(kind: str, tmp_path: Path):
    made = 0
    for seed in range(15):
        client = lived(kind, tmp_path / str(seed), seed)
        for number, sent in enumerate(client.asked):
            path = cut_off(client, kind, number, cut_for, tmp_path, kept=False)
            if path is not None:
                made += 1
                assert VISITORS[kind].loaded(path) == sent.session
    assert made > 15


@pytest.mark.parametrize("kind", list(VISITORS))
def test_what_a_client_makes_anew_is_not_expected_and_all_else_is(kind: str, tmp_path: Path):
    client = lived(kind, tmp_path, 7)
    form, lines = FORMS[kind], read_lines(client.path)
    for number in range(len(client.asked)):
        sent = as_sent(client, number)
        cut = cut_for(form, form.entries(lines.records), len(lines.raw), sent)
        assert cut is not None
        free = {place for place, digest in enumerate(cut.expects) if not digest}
        body = json.loads(client.asked[number].body)
        if kind == "claude":
            assert free == set()
        elif kind == "codex":
            assert free <= {0}
        else:
            anew = {
                place for place, each in enumerate(body["messages"]) if each["role"] in ("system", "user")
            }
            assert free == anew
        assert [d for d in cut.expects if d] == [d for n, d in enumerate(sent.digests) if n not in free]


def test_the_clients_own_file_is_not_touched(tmp_path: Path):
    client = lived("claude", tmp_path, 3)
    before = client.path.read_bytes(), client.path.stat().st_mtime_ns, client.path.stat().st_ino
    for number in range(len(client.asked)):
        cut_off(client, "claude", number, cut_for, tmp_path / "cut")
    assert (client.path.read_bytes(), client.path.stat().st_mtime_ns, client.path.stat().st_ino) == before


def test_a_new_session_takes_no_others_place_and_leaves_nothing_behind(tmp_path: Path):
    path = tmp_path / "deep" / "one.jsonl"
    write_session(path, b"first\n")
    with pytest.raises(SessionTaken, match="already"):
        write_session(path, b"second\n")
    assert path.read_bytes() == b"first\n"
    assert [each.name for each in path.parent.iterdir()] == ["one.jsonl"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_name_within_what_was_said_stays(tmp_path: Path):
    client = ClaudeVisitor(tmp_path / f"{OLD}.jsonl", OLD)
    client.say(f'look into "sessionId":"{OLD}" of {OLD}.jsonl')
    client.ask()
    path = cut_off(client, "claude", 0, cut_for, tmp_path)
    assert path is not None
    assert ClaudeVisitor.loaded(path) == client.asked[0].session
    assert f'"sessionId":"{OLD}"' not in path.read_text(encoding="utf-8")


def test_every_byte_but_the_name_stays_as_it_was():
    line = '{"a": 1.0, "sessionId" : "old", "n":12345678901234567890123, "t":"\\ud83d half, ünï"}'.encode()
    assert replaced(line, ("sessionId",), "new") == line.replace(b'"old"', b'"new"')
    assert replaced(line, ("nothing", "here"), "new") == line
    assert replaced(b"no json", ("sessionId",), "new") == b"no json"


def test_a_fork_of_codex_keeps_the_name_of_what_it_was_forked_from(tmp_path: Path):
    client = CodexVisitor(tmp_path / f"rollout-x-{OLD}.jsonl", OLD)
    client.event("session_meta", {"id": "another", "session_id": "another", "cwd": "shop"})
    client.say("begin")
    client.ask()
    path = cut_off(client, "codex", 0, cut_for, tmp_path)
    assert path is not None
    heads = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [each["payload"]["id"] for each in heads if each["type"] == "session_meta"] == [
        path.stem,
        "another",
    ]
    assert base_item(OLD) != base_item(path.stem)


def test_a_session_that_was_left_for_another_is_not_taken_for_it(tmp_path: Path):
    """Two sessions begin alike; what the second was asked is not in the first, though all before is."""
    first = ClaudeVisitor(tmp_path / "a.jsonl", "a")
    first.say("begin")
    first.ask()
    first.reply("Done.", ["one"])
    first.ask()
    first.reply("Done.", ["two"])
    second = ClaudeVisitor(tmp_path / "b.jsonl", "b")
    second.lines, second.history = list(first.lines), list(first.history)
    second.leaf, second.now, second.count = first.leaf, first.now, 900
    second.ask()
    second.reply("Otherwise.", ["three"])
    second.ask()
    sent = as_sent(second, 1)
    os.utime(second.path, ns=(1, 1))
    held = held_in(FORMS["claude"], (str(tmp_path / "*.jsonl"),), sent, "a")
    assert held.path == second.path
    second.path.unlink()
    with pytest.raises(SessionUnknown, match="none of the client's 1 newest sessions holds turn 2"):
        held_in(FORMS["claude"], (str(tmp_path / "*.jsonl"),), sent, "a")


def test_a_line_that_is_being_written_is_none_yet(tmp_path: Path):
    client = lived("codex", tmp_path, 11)
    whole = client.path.read_bytes()
    client.path.write_bytes(whole + b'{"timestamp": "2026-01-01T0')
    assert len(read_lines(client.path).raw) == len(client.lines)
    client.path.write_bytes(whole.rstrip(b"\n"))
    assert len(read_lines(client.path).raw) == len(client.lines)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\n\n",
        b"\x00\xff\n",
        b"[]\n1\n",
        b'{"type":"user"}\n',
        b'{"type":"response_item","payload":7}\n',
    ],
)
@pytest.mark.parametrize("kind", list(FORMS))
def test_a_file_of_something_else_holds_no_turn(kind: str, garbage: bytes, tmp_path: Path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(garbage)
    sent = SentRequest(1, 1, 1, ("d1",), {})
    with pytest.raises(SessionUnknown):
        held_in(FORMS[kind], (str(path),), sent)


def test_formats_that_are_not_cut_say_why():
    assert why_uncut("claude") == ""
    assert "database" in why_uncut("opencode")
    assert "not known" in why_uncut("")
    unsaid: Any = [name for name in ("gemini", "aider", "trajectory") if not why_uncut(name)]
    assert unsaid == []
