"""What the ledger expects of the cache is what a provider's own cache gives, which shares no code with it."""

from pathlib import Path

import pytest

from perdure.assembly.accounts import ledger_of
from perdure.assembly.store import open_store
from perdure.page.ledger import Billed
from perdure.testing.upstream.plots import PLOTS
from perdure.testing.upstream.question import Api
from perdure.testing.upstream.server import Upstream
from tests.clients.talker import Talker
from tests.gateway.running import Running
from tests.gateway.talking import asker

STEP = 128
"""OpenAI's cache is found in steps of so many tokens."""


def rows_of(store: Path) -> list[Billed]:
    with open_store(store, create=False) as opened:
        return [row for run in opened.runs() if run.position for row in ledger_of(opened, run.run).rows]


@pytest.mark.parametrize("mode", ["observe", "room"])
@pytest.mark.parametrize("api", ["messages", "chat", "responses"])
def test_a_provider_reads_from_its_cache_what_the_ledger_expects(api: Api, mode: str, tmp_path: Path):
    with Upstream(PLOTS["two-legs"], seed="expected", ledger_bytes=40_000) as strict:
        words = ("--mode", mode, *(("--room", "3000") if mode == "room" else ()))
        with Running(tmp_path / "s", strict.url, *words) as gateway:
            talker = Talker(api, asker(gateway.port), strict.ledgers)
            talker.say("Work through the ledgers.")
            talker.say("Go on with the ledgers.")
            assert gateway.end() == 0
    rows = rows_of(tmp_path / "s")
    assert len(rows) > 8
    assert max(row.read_tokens for row in rows) > 9_000
    for row in rows:
        behind = row.expected_tokens - row.read_tokens
        assert 0 <= behind < (1 if api == "messages" else STEP * row.calls), row
    if mode == "room":
        assert any(row.broken_by == "perdure" for row in rows)
        assert any(row.faults for row in rows)
