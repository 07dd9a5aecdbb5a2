"""Every log that a release wrote is still read, verified, folded and decided the same.

A file here is made once, when its release is made, and never regenerated: if a change breaks one, the
change needs an upcast, not a new file.
"""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from perdure.contract import Law, compile_law, read_contract
from perdure.intention.declaration import read_definition
from perdure.intention.reply import Reply, read_reply
from perdure.log.envelope import GENESIS, Event, Stored, seal, unseal
from perdure.log.events import KIND_OF, Content
from perdure.projection.evolve import fold
from perdure.projection.state import State, Turn
from perdure.replay.redo import redo
from perdure.replay.verify import Lineage, verify_events

HERE = Path(__file__).parent
RELEASES = sorted(path.stem for path in HERE.glob("v*.json"))


class Golden(NamedTuple):
    """One run of a release: its events as stored, the blobs they name, and what was true of it."""

    stored: list[Stored]
    blobs: dict[str, str]
    truth: dict[str, object]

    @property
    def events(self) -> list[Event]:
        return [unseal(stored) for stored in self.stored]

    def text(self, content: Content | None) -> str:
        if content is None:
            return ""
        return content.text if content.text is not None else self.blobs[content.blob or ""]

    def law(self, definition: str, contract: str) -> Law:
        known = read_definition(self.blobs[definition].encode())
        return compile_law(known, read_contract(self.blobs[contract].encode()))

    def reply(self, turn: Turn | None) -> Reply | None:
        return read_reply(self.text(turn.reply).encode()) if turn is not None and turn.reply else None


def runs_of(release: str) -> list[Golden]:
    held = json.loads((HERE / f"{release}.json").read_text())
    return [
        Golden(
            [
                Stored(each["run"], each["position"], each["frame"].encode(), bytes.fromhex(each["digest"]))
                for each in run["events"]
            ],
            held["blobs"],
            run["truth"],
        )
        for run in held["runs"]
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_an_old_log_is_still_read_verified_and_folded(release: str):
    for golden in runs_of(release):
        lineage = tuple(dict.fromkeys(Lineage(each.run, 10**9) for each in golden.stored))
        bounded = [
            Lineage(part.run, max(each.position for each in golden.stored if each.run == part.run))
            for part in lineage
        ]
        verdict = verify_events(golden.stored, tuple(bounded))
        assert verdict.wrong == ""
        assert truth_of(fold(State(), golden.events)) == golden.truth


@pytest.mark.parametrize("release", RELEASES)
def test_an_old_log_is_still_decided_the_same(release: str):
    for golden in runs_of(release):
        again = redo(golden.events, laws=golden.law, replies=golden.reply, texts=golden.text)
        assert again.difference is None, again.difference.diff()
        assert again.events == len(golden.stored)


@pytest.mark.parametrize("release", RELEASES)
def test_what_is_read_is_spelled_as_it_was(release: str):
    for golden in runs_of(release):
        head = GENESIS
        for stored in golden.stored:
            assert seal(unseal(stored), head) == stored
            head = stored.digest


def test_the_golden_logs_hold_most_kinds_of_event():
    kinds = {KIND_OF[type(event.body)] for golden in runs_of(RELEASES[0]) for event in golden.events}
    assert len(kinds) >= 30, sorted(kinds)


def truth_of(state: State) -> dict[str, object]:
    """Return what a person can check of a state, in plain words."""
    return {
        "status": state.status,
        "turns": state.world.turns,
        "receipts": sorted(
            f"{each.tool} {each.what} {each.outcome}" for each in state.world.receipts.values()
        ),
        "open": sorted(f"{each.tool} {each.what} {each.phase}" for each in state.world.open.values()),
        "approvals": sorted(each.phase for each in state.world.approvals.values()),
        "entries": len(state.live.entries),
    }
