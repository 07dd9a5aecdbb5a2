"""The formats in which sessions can be cut."""

from typing import Final

from perdure.wrap.transcripts.claude import CLAUDE
from perdure.wrap.transcripts.codex import CODEX
from perdure.wrap.transcripts.nouns import StoredForm
from perdure.wrap.transcripts.qwen import QWEN

FORMS: Final[dict[str, StoredForm]] = {form.name: form for form in (CLAUDE, CODEX, QWEN)}
"""by the name that profiles give a format"""

UNCUT: Final[dict[str, str]] = {
    "opencode": "opencode keeps its sessions in a database of its own",
    "gemini": "its requests are not read, so nobody knows which of them a turn was",
    "aider": "aider keeps one history per directory, which goes back with the files",
    "trajectory": "the client does not go on with a session",
}
"""why no session is cut, by format"""


def why_uncut(name: str) -> str:
    """Return why sessions of this format aren't cut; empty where they are."""
    if name in FORMS:
        return ""
    return UNCUT.get(name, "how the client stores its sessions is not known")
