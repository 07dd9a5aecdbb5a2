"""``docs/log-format.md`` names every kind of event there is, and none that there isn't."""

import re

from perdure.log.events import KINDS
from tests.tidy.tree import ROOT, read

SPOKEN = re.compile(r"`([a-z]+\.[a-z]+)`")


def differences(kinds: set[str], text: str) -> list[str]:
    """Return kinds that the document leaves out, and words of their families that are no kind."""
    families = {kind.split(".")[0] for kind in kinds}
    spoken = {word for word in SPOKEN.findall(text) if word.split(".")[0] in families}
    return [f"{kind} is not described" for kind in sorted(kinds - spoken)] + [
        f"{word} is no kind of event" for word in sorted(spoken - kinds)
    ]


def test_the_format_document_names_every_kind_of_event():
    assert differences(set(KINDS), read(ROOT / "docs" / "log-format.md").text) == []


def test_a_kind_left_out_and_a_kind_made_up_are_caught():
    assert differences({"run.opened", "run.closed"}, "| `run.opened` | ... | `run.vanished` | `uv.lock`") == [
        "run.closed is not described",
        "run.vanished is no kind of event",
    ]
