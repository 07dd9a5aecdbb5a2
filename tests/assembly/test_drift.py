"""A check looks at once and again later; what it finds is recorded and told."""

from pathlib import Path

import perdure
from perdure.intention.reply import Reply
from perdure.testing.scripted import call, say
from perdure.wire.prompt import Prompt, UserText
from tests.assembly.kit import agent, kinds


def test_what_drifted_later_is_found_recorded_and_told(tmp_path: Path):
    world = {"dns": "set"}

    def still_set(ctx: perdure.Context, receipt: str) -> str | None:
        del ctx
        return None if world["dns"] == receipt else f"the record is {world['dns']} and not {receipt}"

    @perdure.tool(effect="idempotent", identity=("name",), check=still_set)
    async def set_record(name: str) -> str:
        """Set a record."""
        del name
        return "set"

    heard: list[str] = []

    def end(prompt: Prompt) -> Reply:
        heard.extend(entry.text for entry in prompt.entries if isinstance(entry, UserText))
        return say("end")

    setter = agent(
        call("set_record", name="www"),
        call("ask_person", question="more?"),
        end,
        tools=(set_record, perdure.ask_person),
    )
    with perdure.open(tmp_path / "s") as store:
        store.start(setter, "go", run="r").wait(60)
        assert store.look_for_drift(setter, "r") == ()
        world["dns"] = "gone"
        assert store.look_for_drift(setter, "r") == ("the record is gone and not set",)
        assert "drift.found" in kinds(store, "r")
        store.message("r", "no")
        store.resume(setter, "r").wait(60)
        assert any("the record is gone" in text for text in heard)
        assert store.replay("r").difference is None
