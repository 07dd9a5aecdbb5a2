"""Deeds in the workspace that end badly: put back, tried again, and in the end told to the model."""

from pathlib import Path

import pytest

import perdure
from perdure.log import events as e
from perdure.testing.scripted import call, say
from perdure.values.limits import SENDS_MAX
from tests.assembly.kit import agent

pytestmark = pytest.mark.timeout(60)


def test_a_deed_in_the_workspace_that_always_fails_is_given_up_and_leaves_nothing(tmp_path: Path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "kept").write_text("as it was")

    @perdure.tool(effect="workspace")
    async def build() -> str:
        """Build."""
        (root / "kept").write_text("half")
        (root / "part").write_text("half")
        raise OSError(28, "No space left on device")

    coder = agent(call("build"), say("it can't be built here"), tools=[build], workspace=root)
    with perdure.open(tmp_path / "store") as store:
        outcome = store.start(coder, "go", run="r").wait(50)
        assert outcome == perdure.Finished("r", "it can't be built here")
        bodies = [event.body for event in store.events("r")]
        assert store.verify("r").ok
        assert store.replay("r").difference is None
    assert sum(isinstance(body, e.EffectStarted) for body in bodies) == SENDS_MAX
    settled = [body for body in bodies if isinstance(body, e.EffectSettled)]
    assert [(body.outcome, "No space left" in body.error) for body in settled] == [("failed", True)]
    assert [(path.name, path.read_text()) for path in root.iterdir()] == [("kept", "as it was")]
