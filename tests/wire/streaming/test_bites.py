"""Broken builds of the hidden exchange, each of which the checks of these tests must catch."""

from collections.abc import Callable, Collection, Sequence

import pytest

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api
from perdure.wire.reading import dict_at, text_raw
from perdure.wire.streaming import chat, messages, responses, rounds, spelling, weave
from perdure.wire.streaming.exchange import Screen
from perdure.wire.streaming.follow import StreamedEvent
from perdure.wire.streaming.rounds import Round, RoundWords
from perdure.wire.streaming.shapes import Members, member_of, raw, spelled, with_members
from tests.wire.streaming.driving import RECALLS, played
from tests.wire.streaming.provider import RECALL, Ask, Script, Thought, Words
from tests.wire.streaming.strict import objections
from tests.wire.streaming.test_counts import events, miscounts
from tests.wire.streaming.test_hidden import as_shapes, bare, expected, had, read, split_again

RECALLED = Ask("r1", RECALL, {"page": "p-1"})
SCRIPTS = (
    Script((Thought("first"), RECALLED), 1),
    Script((Thought("second"), Words("so it is"), Ask("r2", RECALL, {}), Ask("b1", "Bash", {"c": "ls"})), 2),
)
Patch = Callable[[pytest.MonkeyPatch], None]


def complaints(api: Api, screen: Screen = RECALLS) -> list[str]:
    """Return all that is wrong with one exchange of two rounds, the second of them mixed."""
    heard = played(api, SCRIPTS, stream=True, screen=screen)
    if heard.relay.stage != "ended" or RECALL.encode() in heard.told:
        return ["the client sees the call"]
    try:
        reply = read(api, heard, True)
        history = bare(api, heard, True, SCRIPTS)
        sent = split_again(api, heard, history)
        found = miscounts(events(heard.told))
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        return [f"the official client: {error!r}"]
    if had(api, reply) != expected(api, SCRIPTS):
        found.append("the client has something else")
    found += objections(api, as_shapes(history), SCRIPTS) + objections(api, sent, SCRIPTS)
    usage = dict_at(reply, "usage")
    if 2 not in (usage.get("output_tokens"), usage.get("completion_tokens")) or 2000 not in (
        usage.get("cache_read_input_tokens"),
        dict_at(usage, "prompt_tokens_details").get("cached_tokens"),
        dict_at(usage, "input_tokens_details").get("cached_tokens"),
    ):
        found.append("the usage is not that of the last round")
    return found


@pytest.mark.parametrize("api", ["messages", "chat", "responses"])
def test_the_exchange_as_it_is_has_no_complaint(api: Api):
    assert complaints(api) == []


def _index_not_shifted(patch: pytest.MonkeyPatch) -> None:
    goes_on = messages.MessagesTongue.goes_on

    def broken(self: messages.MessagesTongue, whole: bytes) -> None:
        goes_on(self, whole)
        self._next = 0

    patch.setattr(messages.MessagesTongue, "goes_on", broken)


def _signature_dropped(patch: pytest.MonkeyPatch) -> None:
    spell = spelling._block

    def broken(block: dict[str, Json]) -> bytes:
        return spell({name: value for name, value in block.items() if name != "signature"})

    patch.setattr(spelling, "_block", broken)


def _usage_of_the_first_round(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(messages, "_COUNTED", ())


def _usage_summed(patch: pytest.MonkeyPatch) -> None:
    def broken(self: responses.ResponsesTongue, made: Sequence[Round], stop: str) -> bytes:
        told = ends(self, made, stop)
        return told.replace(b'"cached_tokens": 2000', b'"cached_tokens": 3000')

    ends = responses.ResponsesTongue.ends
    patch.setattr(responses.ResponsesTongue, "ends", broken)


def _thinking_touches(patch: pytest.MonkeyPatch) -> None:
    def never(kind: str) -> bool:
        return False

    patch.setattr(messages, "is_thinking", never)


def _reasoning_left_alone(patch: pytest.MonkeyPatch) -> None:
    def broken(self: weave.Weave, key: int) -> None:
        return

    patch.setattr(weave.Weave, "_think", broken)


def _numbers_begin_again(patch: pytest.MonkeyPatch) -> None:
    goes_on = responses.ResponsesTongue.goes_on

    def broken(self: responses.ResponsesTongue, whole: bytes) -> None:
        goes_on(self, whole)
        self._number = None

    patch.setattr(responses.ResponsesTongue, "goes_on", broken)


def _output_left_out(patch: pytest.MonkeyPatch) -> None:
    def broken(whole: bytes, made: Sequence[Round], *names: str) -> bytes:
        return with_members(whole, output=[])

    patch.setattr(responses, "response_of", broken)


def _role_told_twice(patch: pytest.MonkeyPatch) -> None:
    told = chat.ChatTongue._told

    def broken(self: chat.ChatTongue, delta: bytes, hidden: Collection[int]) -> Members:
        members = told(self, delta, hidden)
        return {**members, "role": raw("assistant")} if b'"role"' in delta else members

    patch.setattr(chat.ChatTongue, "_told", broken)


def _finishes_in_the_middle(patch: pytest.MonkeyPatch) -> None:
    speaks = chat.ChatTongue.speaks

    def broken(self: chat.ChatTongue, event: StreamedEvent, hidden: Collection[int]) -> bytes:
        return (
            event.piece
            if b"tool_calls" in event.data and b"finish" in event.data
            else speaks(self, event, hidden)
        )

    patch.setattr(chat.ChatTongue, "speaks", broken)


def _answers_lost(patch: pytest.MonkeyPatch) -> None:
    for api, words in rounds.WORDINGS.items():

        def none(made: Round) -> list[bytes]:
            return []

        patch.setitem(rounds.WORDINGS, api, words._replace(told=none))


def _withheld_calls_lost(patch: pytest.MonkeyPatch) -> None:
    def broken(words: RoundWords, said: Callable[[Round], list[bytes]]) -> RoundWords:
        return words._replace(said=lambda made: said(made._replace(answers=())))

    for api, words in rounds.WORDINGS.items():
        patch.setitem(rounds.WORDINGS, api, broken(words, words.said))


def _text_changed(patch: pytest.MonkeyPatch) -> None:
    blocks = rounds._blocks

    def broken(made: Round, without: frozenset[str]) -> list[bytes]:
        return [
            with_members(block, thinking="thought better") if text_raw(_shape(block), "thinking") else block
            for block in blocks(made, without)
        ]

    patch.setattr(rounds, "_blocks", broken)


def _shape(block: bytes) -> dict[str, Json]:
    return {"thinking": member_of(block, "thinking").decode().replace("null", "")}


BROKEN: list[tuple[Api, Patch]] = [
    ("messages", _index_not_shifted),
    ("messages", _signature_dropped),
    ("messages", _usage_of_the_first_round),
    ("messages", _thinking_touches),
    ("messages", _answers_lost),
    ("messages", _withheld_calls_lost),
    ("messages", _text_changed),
    ("chat", _role_told_twice),
    ("chat", _finishes_in_the_middle),
    ("chat", _answers_lost),
    ("chat", _withheld_calls_lost),
    ("responses", _usage_summed),
    ("responses", _reasoning_left_alone),
    ("responses", _numbers_begin_again),
    ("responses", _output_left_out),
    ("responses", _answers_lost),
    ("responses", _withheld_calls_lost),
]


@pytest.mark.parametrize(("api", "patch"), BROKEN, ids=[f"{api}{patch.__name__}" for api, patch in BROKEN])
def test_a_broken_exchange_is_caught(api: Api, patch: Patch, monkeypatch: pytest.MonkeyPatch):
    patch(monkeypatch)
    assert complaints(api) != []


def test_a_screen_that_hides_nothing_is_caught():
    def never(name: str, arguments: str) -> bool:
        return False

    assert complaints("messages", Screen(frozenset({RECALL}), never)) == ["the client sees the call"]


def test_spelled_again_is_not_spelled_the_same():
    """A body that is written anew differs in bytes: the tests of sameness can tell."""
    body = b'{"a": 1.0, "b":[ ]}'
    assert spelled({"a": 1.0, "b": []}) != body
