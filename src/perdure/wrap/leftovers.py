"""What a wrapper that was killed with its keeper has left: the next one clears it away.

A client that outlived both is ended: it speaks to sockets that nobody serves any more.
"""

from pathlib import Path
from typing import Final

from msgspec import DecodeError, json

from perdure.assembly.foreign.wraps import left_folders
from perdure.wrap.crews import Crew, dismiss

_CLIENT: Final = "client"


def noted_client(folder: Path, crew: Crew) -> None:
    """The client is known to whoever clears the folder away."""
    (folder / _CLIENT).write_bytes(json.encode(crew))


def cleared() -> int:
    """Nothing is left of wrappers that are gone; return how many clients of theirs were ended."""
    ended = 0
    for folder in left_folders():
        try:
            ended += _ended(folder.path / _CLIENT)
        finally:
            folder.let_go()
    return ended


def _ended(note: Path) -> bool:
    try:
        crew = json.decode(note.read_bytes(), type=Crew)
    except (OSError, DecodeError):
        return False
    return dismiss(crew)
