"""A new session beside the client's own: written whole under a name of its own, or not at all."""

import os
import tempfile
from pathlib import Path

from perdure.values.errors import SessionTaken
from perdure.wrap.transcripts.lines import Lines
from perdure.wrap.transcripts.nouns import StoredForm


def cut_session(form: StoredForm, lines: Lines, stays: int, old: str, new: str) -> bytes:
    """Return the first ``stays`` lines of a session, which calls itself ``old``, as the session ``new``."""
    told = (
        form.renamed(line, record, old, new)
        for line, record in zip(lines.raw[:stays], lines.records[:stays], strict=True)
    )
    return b"".join(line + b"\n" for line in told if line is not None)


def write_session(path: Path, content: bytes) -> None:
    """The file is there with all of ``content``, readable by its user alone. Raises ``SessionTaken``."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".perdure-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link fails where the name is taken; a rename would take the place of what is there.
            os.link(beside, path)
        except FileExistsError as error:
            raise SessionTaken(f"there is {path} already") from error
    finally:
        Path(beside).unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
