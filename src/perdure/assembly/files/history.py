"""A run's files as people look at them: at a position, between two, line by line. Nothing here writes."""

from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from perdure.assembly.files.timeline import files_of
from perdure.checkpoint.blame import blame
from perdure.checkpoint.compare import PathDifference, compare
from perdure.checkpoint.tree import Entry, decoded, find, read_recipe, spelled, walk
from perdure.driver.books import Books, events_after, read_state
from perdure.log import events as e
from perdure.log.envelope import Event, unseal
from perdure.projection.workspace import REQUEST
from perdure.replay.files import FilesAt
from perdure.replay.versions import Version, versions
from perdure.values.errors import BadInput, BadPosition, UnknownRun
from perdure.values.limits import BLAME_BYTES_MAX


class Origin(NamedTuple):
    """Why a version is as it is. Positions are 0 where there is none."""

    position: int
    """of the event that recorded it"""
    by: str
    """'agent', 'client' (what a foreign client did in a turn), 'several' (more than one action at once), 'unknown',
    'start' or 'put back'"""
    key: str = ""
    tool: str = ""
    what: str = ""
    turn: int = 0
    proposed: int = 0
    """of the intention"""
    replied: int = 0
    """of the model's reply that the intention came from"""


class Line(NamedTuple):
    """A line of a file, without its end, and where it came from."""

    number: int
    text: str
    origin: Origin


class FileHistory:
    """The files of one store's runs."""

    def __init__(self, books: Books) -> None:
        """Read from ``books``."""
        self._books: Books = books

    def at(self, run: str, position: int | None = None) -> FilesAt:
        """Return which tree stands at ``position``, or at the end.

        Raises ``UnknownRun``, ``BadPosition``, and ``BadInput`` where no files were recorded.
        """
        rows = self._books.rows(run)
        if not rows:
            raise UnknownRun(f"there is no run {run!r} in this store")
        end = rows[0].position
        if position is not None and not 1 <= position <= end:
            raise BadPosition(f"run {run!r} has positions 1 to {end}, not {position}")
        found = files_of(self._books, run, end if position is None else position)
        if not found.tree:
            raise BadInput(
                f"run {run!r} has no files recorded at {position or end}",
                hint="give its agent a workspace, or name a later position",
            )
        return found

    def paths(self, run: str, position: int | None = None) -> Iterator[tuple[str, Entry]]:
        """Yield the paths of the tree at ``position`` with their entries, the root left out."""
        tree = self.at(run, position).tree
        return ((path, entry) for path, entry in walk(self._books.get, tree) if path)

    def changes(self, run: str, before: int, after: int) -> tuple[PathDifference, ...]:
        """Return what differs between the files at two positions, times left out; nothing where one has no files."""
        first, second = (files_of(self._books, run, at).tree if at else "" for at in (before, after))
        if not first or not second:
            return ()
        return tuple(each for each in compare(self._books.get, first, second) if not each.times_only)

    def entry(self, run: str, path: str, position: int | None = None) -> Entry:
        """Return the entry at ``path``. Raises ``BadInput`` where there is none."""
        tree = self.at(run, position).tree
        found = find(self._books.get, tree, within(path))
        if found is None:
            where = f"at {position}" if position is not None else "at the end"
            raise BadInput(
                f"{spelled(path)}: run {run!r} has no such file {where}",
                hint=f"look at `perdure files {run}`",
            )
        return found

    def content(self, run: str, path: str, position: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of the file at ``path``, piece by piece.

        Raises ``BadInput`` where it is no file, or one whose content is stored nowhere.
        """
        entry = self.entry(run, path, position)
        if entry.kind == "hard":
            return self.content(run, decoded(entry.content), position)
        return self.bytes_of(path, entry)

    def bytes_of(self, path: str, entry: Entry) -> Iterator[bytes]:
        """Yield the bytes of ``entry``, holes as zeros."""
        match entry.kind:
            case "file" if not entry.recipe:
                yield self._books.get(entry.content.hex())
            case "file":
                yield from self._pieces(entry)
            case "link":
                yield entry.content
            case "secret":
                raise BadInput(
                    f"{spelled(path)} was declared secret: its content is in no store",
                    hint="its digest is shown with --json",
                )
            case _:
                raise BadInput(f"{spelled(path)} is a {_KINDS.get(entry.kind, entry.kind)}, not a file")

    def _pieces(self, entry: Entry) -> Iterator[bytes]:
        recipe, at = read_recipe(self._books.get(entry.content.hex())), 0
        for piece in recipe.pieces:
            yield from _zeros(piece.start - at)
            yield self._books.get(piece.blob.hex())
            at = piece.start + piece.size
        yield from _zeros(recipe.size - at)

    def versions(self, run: str, position: int | None = None) -> tuple[Version, ...]:
        """Return the versions on the path at ``position``, and the one recorded next if it stands there."""
        end = self._books.rows(run)[0].position if position is None else position
        known = versions(self._upto(run, end))
        here = self.at(run, position)
        if here.recorded > end:
            later = versions(self._upto(run, here.recorded))
            known = (*known, *(each for each in later if each.position == here.recorded))
        return known

    def blame(self, run: str, path: str, position: int | None = None) -> tuple[Line, ...]:
        """Return the lines of the file at ``path``, each with where it came from.

        What is no text is one line. Raises ``BadInput`` where there is no file, or one larger than
        ``BLAME_BYTES_MAX``.
        """
        entry = self.entry(run, path, position)
        if entry.kind not in ("file", "hard"):
            raise BadInput(
                f"{spelled(path)} is a {_KINDS.get(entry.kind, entry.kind)}: only files have lines"
            )
        if entry.size > BLAME_BYTES_MAX:
            raise BadInput(f"{spelled(path)} has {entry.size} bytes; blame reads up to {BLAME_BYTES_MAX}")
        chain: list[tuple[Version, bytes]] = []
        held: bytes | None = None
        for version in self.versions(run, position):
            found = self._followed(version.tree, within(path))
            if found is None or found.kind != "file" or found.size > BLAME_BYTES_MAX:
                if chain:
                    chain.append((version, b""))
                held = None
            elif found.content != held:
                held = found.content
                chain.append((version, b"".join(self.bytes_of(path, found))))
        origins: dict[int, Origin] = {}
        lines: list[Line] = []
        for number, (version, said) in enumerate(blame(chain), start=1):
            if version.position not in origins:
                origins[version.position] = self.origin(run, version, first=version is chain[0][0])
            text = said.decode("utf-8", "backslashreplace").rstrip("\r\n")
            lines.append(Line(number, text, origins[version.position]))
        return tuple(lines)

    def _followed(self, tree: str, path: str) -> Entry | None:
        """Return the entry at ``path``, or of the name that holds the content of a hard link there."""
        found = find(self._books.get, tree, path)
        if found is not None and found.kind == "hard":
            return find(self._books.get, tree, decoded(found.content))
        return found

    def origin(self, run: str, version: Version, *, first: bool = False) -> Origin:
        """Return why ``version`` is as it is: which act of which turn, and the reply that it came from."""
        if not version.changed:
            return Origin(version.position, "start" if first else "put back")
        turn = self._turn_before(run, version.changed)
        if not version.key or version.key.startswith(REQUEST):
            body = unseal(self._books.read(run, version.changed - 1, 1)[0]).body
            known = isinstance(body, e.WorkspaceChanged) and any(each.by != "unknown" for each in body.paths)
            if known and turn:
                return Origin(version.position, "client", turn=turn)
            return Origin(version.position, "several" if known else "unknown")
        world = read_state(self._books, run).state.world
        effect = world.receipts.get(version.key) or world.open.get(version.key)
        if effect is None or not effect.proposed:
            return Origin(version.position, "agent", version.key)
        (proposed,) = self._books.read(run, effect.proposed - 1, 1)
        cause = unseal(proposed).cause
        (replied,) = self._books.read(run, cause - 1, 1)
        body = unseal(replied).body
        turn = body.turn if isinstance(body, e.ModelReplied) else 0
        return Origin(
            version.position, "agent", version.key, effect.tool, effect.what, turn, effect.proposed, cause
        )

    def _turn_before(self, run: str, changed: int) -> int:
        """Return the turn in whose reply a foreign client changed what was recorded at ``changed``; 0: no client's.

        The files are looked at when it asks again: what it asks then comes before what the look found.
        """
        asked: list[int] = []
        for event in self._upto(run, changed):
            match event.body:
                case e.RunOpened(agent=agent) if not agent.startswith(_WRAPPED):
                    return 0
                case e.RequestForwarded(number=number, purpose="main"):
                    asked.append(number)
                case e.ClientLeft() | e.ClientAttached():
                    asked.append(0)
                case _:
                    continue
        known = [number for number in asked[:-1] if number]
        return known[-1] if known else 0

    def _upto(self, run: str, position: int) -> Iterator[Event]:
        return takewhile(lambda event: event.position <= position, events_after(self._books, run, 0))


_WRAPPED = "wrap:"
"""How the agent's name begins in the run of a wrapped client."""

_KINDS = {
    "dir": "directory",
    "link": "symbolic link",
    "secret": "secret, and its content is in no store",
    "left": "path that a rule leaves out",
    "fifo": "named pipe",
    "special": "socket or device",
}


def within(path: str) -> str:
    """Return ``path`` as trees have it: relative to the root, without what leads nowhere."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        size = min(count, 1 << 20)
        yield bytes(size)
        count -= size
