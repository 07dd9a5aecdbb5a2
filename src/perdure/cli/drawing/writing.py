"""Writing a page where a person wants it."""

from pathlib import Path

from perdure.values.errors import BadInput


def write_page(path: Path, text: str) -> None:
    """Write ``text`` to ``path``; raise ``BadInput`` where that can't be."""
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise BadInput(
            f"{path} can't be written: {error.strerror}",
            hint="name a file in a directory that you may write to",
        ) from error
