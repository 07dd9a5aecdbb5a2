"""What a command that died half way may leave behind: cut and overwritten files, files gone, strays, wrong modes.

Invariants:
- The same seed does the same damage to the same tree.
- Objects of git repositories are only deleted, as by a half-done gc. Git itself writes them whole or under
  another name; and what stands there that was not there before is allowed to stay, since it may be needed.
"""

import os
import random
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

STRAY: Final = b"left by a command that died\n"
STRAY_NAME_MAX: Final = 200
"""Characters kept of a name that gets a number behind it."""


def vandalise(root: Path, seed: str) -> list[str]:
    """Damage the tree at ``root``; return what was done."""
    chance = random.Random(seed)
    files, directories, links = _by_kind(root)
    done: list[str] = []
    for each in (_cut, _overwrite, _delete, _rename, _chmod, _stretch, _overwrite, _delete):
        victims = _mostly_outside_git(files, chance)
        if victims:
            victim = chance.choice(victims)
            deed = _delete if "objects" in victim.parts else each
            deed(victim, chance)
            done.append(f"{deed.__name__[1:]} {victim}")
            files = [path for path in files if os.path.lexists(path)]
    for link in chance.sample(links, min(1, len(links))):
        link.unlink()
        link.symlink_to("nowhere")
    for directory in chance.sample(directories, min(3, len(directories))):
        _litter(directory, chance)
    chance.choice(directories).chmod(chance.choice((0o700, 0o555, 0o1777)))
    return done


def _by_kind(top: Path) -> tuple[list[Path], list[Path], list[Path]]:
    files: list[Path] = []
    links: list[Path] = []
    directories = [top]
    for path in directories:
        for below in sorted(path.iterdir()):
            mode = below.lstat().st_mode
            if stat.S_ISDIR(mode):
                directories.append(below)
            elif stat.S_ISREG(mode):
                files.append(below)
            elif stat.S_ISLNK(mode):
                links.append(below)
    return files, [path for path in directories if "objects" not in path.parts], links


def _mostly_outside_git(files: list[Path], chance: random.Random) -> list[Path]:
    outside = [path for path in files if ".git" not in path.parts]
    return outside if outside and chance.random() < 0.7 else files


def _cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, int(path.stat().st_size * chance.random()))


def _stretch(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(STRAY * chance.randint(1, 3))


def _overwrite(path: Path, chance: random.Random) -> None:
    """Change a byte in the middle and put the dates back: size and mtime tell nothing."""
    seen = path.stat()
    with path.open("r+b") as file:
        file.seek(int(seen.st_size * chance.random() * 0.9))
        here = file.read(1)
        file.seek(-len(here), os.SEEK_CUR)
        file.write(bytes(each ^ 0x20 for each in here))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _delete(path: Path, chance: random.Random) -> None:
    del chance
    path.unlink()


def _rename(path: Path, chance: random.Random) -> None:
    path.rename(path.with_name(f"{path.name[:STRAY_NAME_MAX]}.{chance.randint(0, 999)}"))


def _chmod(path: Path, chance: random.Random) -> None:
    path.chmod(chance.choice((0o000, 0o777, 0o4711, 0o600)))


def _litter(directory: Path, chance: random.Random) -> None:
    stray = directory / f"stray{chance.randint(0, 999)}"
    kind: Callable[[Path], object] = chance.choice((_file, _tree, Path.mkdir, os.mkfifo, _link))
    if not os.path.lexists(stray):
        kind(stray)


def _file(path: Path) -> None:
    path.write_bytes(STRAY)


def _tree(path: Path) -> None:
    (path / "a" / "b").mkdir(parents=True)
    _file(path / "a" / "b" / "c")


def _link(path: Path) -> None:
    path.symlink_to("stray")
