"""Real sessions of others, where they lie beside the checkout: what is estimated is what was counted."""

from pathlib import Path

import msgspec
import pytest

from perdure.adapters.transcripts import records
from perdure.assembly.recorded.profiling import figures_of, priced
from perdure.profile.trace import Trace
from perdure.wire.reading import dict_at
from tests.profile.test_files import read_all
from tests.profile.transcripts import tokens

TRANSCRIPTS = Path(__file__).parents[3] / "shared" / "data" / "transcripts"
pytestmark = pytest.mark.skipif(
    not TRANSCRIPTS.is_dir(), reason="the recorded sessions of ../shared are no part of the repository"
)
TOLERANCE = 0.002
"""Of all tokens: reminders that a client took out again, for a request or two."""

LISTED = sorted(TRANSCRIPTS.glob("*/*.jsonl.gz")) if TRANSCRIPTS.is_dir() else []


class Listed(msgspec.Struct):
    """What ``MANIFEST.json`` says of a file."""

    file: str
    format: str = ""
    api_calls: int = 0
    cumulative_input_tokens: int = 0
    peak_context_tokens: int = 0


@pytest.fixture(scope="module")
def found() -> dict[str, Trace]:
    return {str(path.relative_to(TRANSCRIPTS)): read_all(path)[0][0] for path in LISTED}


def test_requests_and_tokens_are_those_of_the_manifest(found: dict[str, Trace]):
    listed = msgspec.json.decode((TRANSCRIPTS / "MANIFEST.json").read_bytes(), type=list[Listed])
    wrong: list[str] = []
    for each in listed:
        trace = found.get(each.file)
        if trace is None or trace.source != "claude-code":
            continue
        counted = sum(request.usage.input_tokens for request in trace.requests)
        if len(trace.requests) != each.api_calls or counted != each.cumulative_input_tokens:
            wrong.append(f"{each.file}: {len(trace.requests)} requests, {counted} tokens, listed {each}")
    assert wrong == []


def test_a_rollout_takes_what_it_sums_up_itself(found: dict[str, Trace]):
    rollouts = {name: trace for name, trace in found.items() if trace.source == "codex"}
    assert rollouts
    for name, trace in rollouts.items():
        totals = [
            total["input_tokens"]
            for record in records(TRANSCRIPTS / name, lambda _: None, lambda _: None)
            if (total := dict_at(dict_at(dict_at(record, "payload"), "info"), "total_token_usage"))
        ]
        assert sum(request.usage.input_tokens for request in trace.requests) == totals[-1], name


def test_the_segments_take_what_was_counted(found: dict[str, Trace]):
    counted = sum(request.usage.input_tokens for trace in found.values() for request in trace.requests)
    taken = sum(tokens(trace, number) for trace in found.values() for number in range(len(trace.requests)))
    assert abs(taken - counted) < TOLERANCE * counted


def test_kinds_and_money_add_up(found: dict[str, Trace]):
    for name, trace in found.items():
        figures = figures_of(priced(trace))
        sent = sum(share.sent for share in figures.kinds.values())
        assert sent == pytest.approx(figures.input, rel=0.02), name
        if not figures.unpriced:
            money = sum(share.microusd for share in figures.kinds.values()) + figures.output_microusd
            assert money == pytest.approx(figures.microusd, rel=0.02), name
