"""What an image says of itself beside CRIU's files: the services in it, and what was bound from outside."""

from pathlib import Path
from typing import Final

import msgspec

from perdure.adapters.sandboxes.images.layout import Role
from perdure.values.errors import ImageFailed

NAME: Final = "services.json"
OUTPUT: Final = "output"
"""The folder of an image with the end of what each service had said."""


class ServiceNote(msgspec.Struct, frozen=True, kw_only=True):
    """A service as it was frozen."""

    name: str
    command: str
    folder: str
    """below the folder of all services"""
    pid: int
    """inside"""
    output_bytes: int = 0
    """how much it had said"""
    kept: str = ""
    """the file below ``output`` that holds the end of it"""


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """A mount from outside: where it is seen, and what is seen there."""

    at: str
    source: str
    role: Role
    rest: str = ""
    """path below the place of that role, for a mount within a mount"""


class ImageNote(msgspec.Struct, frozen=True, kw_only=True):
    """All that thawing needs to know beside CRIU's files."""

    version: int = 1
    criu: str
    inside: str
    """the path under which the services see the workspace"""
    services: tuple[ServiceNote, ...]
    bindings: tuple[Binding, ...]
    ports: tuple[int, ...] = ()
    """on which something listened"""


def write_note(noted: ImageNote, folder: Path) -> None:
    """Write it into an image's ``folder``."""
    (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(noted), indent=1))


def read_note(folder: Path) -> ImageNote:
    """Return what the image in ``folder`` says of itself; raises ``ImageFailed`` if it is none."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=ImageNote)
    except (OSError, msgspec.MsgspecError) as wrong:
        raise ImageFailed(f"{folder.name} is no image of services: {wrong}") from wrong
