"""A recorded tree as a commit in a repository of its own.

Invariants:
- The user's ``.git`` is never touched: the repository is bare, and lies neither in the workspace nor around it.
- Nothing of the user's git configuration, hooks or environment has a say: equal trees, times and words give
  equal commits.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from tempfile import TemporaryFile
from typing import IO, Final, NamedTuple

from perdure.adapters.workspace.export import stored
from perdure.adapters.workspace.poured import pieces
from perdure.checkpoint.tree import Entry, Fetch, encoded, spelled
from perdure.values.errors import BadInput

_PLAIN: Final = frozenset(range(0x20, 0x7F)) - {0x22, 0x5C}


class Committed(NamedTuple):
    """The commit (hex), how many files are in it, and what is not."""

    commit: str
    files: int
    notes: tuple[str, ...] = ()


class Wording(NamedTuple):
    """What a commit says: on which branch, what for, by whom, and when (ns)."""

    branch: str
    message: str
    at: int
    author: str = "perdure <perdure@localhost>"


def export_git(fetch: Fetch, tree: str, repository: Path, wording: Wording, *, workspace: Path) -> Committed:
    """The bare ``repository``, made if need be, has the tree as the newest commit of ``wording.branch``.

    git knows no hard links, FIFOs, empty directories, owners or modes but the executable bit; what gets lost is
    in the notes, and so is any ``.git`` in the tree. Raises ``BadInput`` (P107) where git is missing or the
    repository is not one of its own; ``OSError`` with git's words where git refuses.
    """
    git = which("git")
    if git is None:
        raise BadInput("git is not installed here", hint="export a directory or a tar, or install git")
    _refuse_near(repository, workspace)
    run = _Git(git, repository)
    if not (repository / "HEAD").exists():
        run.words("init", "--quiet", "--bare", f"--initial-branch={wording.branch}", str(repository))
    reference = f"refs/heads/{wording.branch}"
    run.words("check-ref-format", reference)
    before = run.words("for-each-ref", "--format=%(objectname)", reference)
    notes: list[str] = []
    files = 0

    def commit(out: IO[bytes]) -> None:
        nonlocal files
        files = _commit(out, fetch, tree, wording, before, notes)

    run.fed(commit)
    return Committed(run.words("rev-parse", reference), files, tuple(notes))


def _commit(out: IO[bytes], fetch: Fetch, tree: str, wording: Wording, before: str, notes: list[str]) -> int:
    """Write what ``git fast-import`` makes the commit of; return how many files are in it."""
    message = wording.message.rstrip().encode() + b"\n"
    who = f"{wording.author} {wording.at // 1_000_000_000} +0000".encode()
    out.write(b"commit refs/heads/%b\nauthor %b\ncommitter %b\n" % (wording.branch.encode(), who, who))
    out.write(b"data %d\n%b\n" % (len(message), message))
    if before:
        out.write(b"from %b\n" % before.encode())
    out.write(b"deleteall\n")
    files, git_skipped = 0, set[str]()
    holders: dict[bytes, Entry] = {}
    for path, entry in stored(fetch, tree, notes.append):
        inside = _git_directory(path)
        if inside:
            if inside not in git_skipped:
                notes.append(f"{spelled(inside)}: git keeps no repository in another")
            git_skipped.add(inside)
        elif entry.kind == "fifo":
            notes.append(f"{spelled(path)}: git keeps no FIFOs")
        elif entry.kind != "dir":
            files += 1
            holder = holders[entry.content] if entry.kind == "hard" else entry
            holders[encoded(path)] = holder
            out.writelines(_file(fetch, path, holder))
        elif entry.identity and not _holds_anything(fetch, entry):
            notes.append(f"{spelled(path)}: git keeps no empty directories")
    out.write(b"done\n")
    return files


def _file(fetch: Fetch, path: str, entry: Entry) -> Iterator[bytes]:
    link = entry.kind == "link"
    mode = b"120000" if link else b"100755" if entry.mode & 0o100 else b"100644"
    yield b"M %b inline %b\n" % (mode, _quoted(encoded(path)))
    if link:
        yield b"data %d\n%b\n" % (len(entry.content), entry.content)
        return
    yield b"data %d\n" % entry.size
    yield from pieces(fetch, entry)
    yield b"\n"


def _quoted(path: bytes) -> bytes:
    return b'"' + b"".join(bytes((byte,)) if byte in _PLAIN else b"\\%03o" % byte for byte in path) + b'"'


def _git_directory(path: str) -> str:
    """Return the path of the ``.git`` that ``path`` is or is in, or nothing."""
    parts = path.split("/")
    lowered = [part.lower() for part in parts]
    return "/".join(parts[: lowered.index(".git") + 1]) if ".git" in lowered else ""


def _holds_anything(fetch: Fetch, entry: Entry) -> bool:
    return fetch(entry.content.hex()) != b"\x90"  # an array of nothing


def _refuse_near(repository: Path, workspace: Path) -> None:
    place, work = repository.resolve(), workspace.resolve()
    if place == work or work in place.parents or place in work.parents:
        raise BadInput(f"{repository}: lies in the workspace or around it", hint="choose a path beside it")
    taken = place.exists() and (not place.is_dir() or any(place.iterdir()))
    if (place / ".git").exists() or (taken and not (place / "HEAD").is_file()):
        raise BadInput(f"{repository}: is no bare repository", hint="choose a path where nothing is")
    if not place.parent.is_dir():
        raise BadInput(f"{repository}: no directory {place.parent}", hint="make it first")


class _Git:
    """The git executable, alone with one repository."""

    def __init__(self, git: str, repository: Path) -> None:
        self._git: str = git
        self._environment: dict[str, str] = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "GIT_DIR": str(repository),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
        }

    def words(self, *arguments: str) -> str:
        """Run git and return what it says."""
        done = subprocess.run(  # noqa: S603 - git itself, with arguments of ours
            [self._git, *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise OSError(f"git {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def fed(self, write: Callable[[IO[bytes]], None]) -> None:
        """The repository holds what ``write`` writes for it. Raises ``OSError`` with its words where it refuses."""
        with (
            TemporaryFile() as words,
            subprocess.Popen(  # noqa: S603 - git itself, with arguments of ours
                [self._git, "fast-import", "--quiet", "--done"],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=words,
            ) as importing,
        ):
            try:
                if importing.stdin is not None:
                    write(importing.stdin)
                    importing.stdin.close()
            except BrokenPipeError:
                importing.kill()  # it has ended by itself, and its words say why
            if importing.wait():
                words.seek(0)
                raise OSError(f"git refused the export: {words.read().decode('utf-8', 'replace').strip()}")
