"""A conversation that really went through ``perdure gateway``: its cost and its profile, from the store."""

from pathlib import Path

from tests.gateway.raw import RawUpstream
from tests.gateway.running import Running, told
from tests.gateway.talking import Chat, asker, page_text, runs_of, says, text

MOVING = ("--mode", "nocache")
"""This upstream caches nothing: large results leave as soon as that is sure."""


def test_what_the_provider_counted_is_what_both_commands_tell(tmp_path: Path):
    store = tmp_path / "s"
    counted: list[int] = []

    def fine(request: dict[str, object]) -> list[dict[str, object]]:
        counted.append(len(str(request["messages"])))
        return [text("fine")]

    with RawUpstream(says(fine)) as upstream, Running(store, upstream.url, *MOVING) as gateway:
        chat = Chat(asker(gateway.port))
        for number in range(1, 9):
            chat.result(number, page_text(f"file-{number}"), path=f"/f/{number}")
            chat.send()
        assert gateway.end() == 0
    (run,) = runs_of(store)
    book = told("cost", run, store=store)
    assert len(counted) == 8
    rows, moves = book["requests"], book["moves"]
    assert isinstance(rows, list)
    assert isinstance(moves, list)
    assert [row["status"] for row in rows] == ["answered"] * 8
    assert all(row["input_tokens"] > 0 for row in rows)
    assert moves
    assert rows[-1]["alone_tokens"] > rows[-1]["window_tokens"]
    profile = told("profile", run, "--quick", store=store)["profile"]
    assert isinstance(profile, dict)
    total = profile["total"]
    assert total["input"] == sum(row["input_tokens"] for row in rows)
    assert total["microusd"] == sum(row["cost_microusd"] for row in rows) > 0
    assert total["tools"]["Read"]["count"] == 8
    # told as if no page had left: more than what was sent, by what the moves kept out
    sent = sum(share["sent"] for share in total["kinds"].values())
    assert sent > total["input"]
