"""Directory trees as agents find them, the same from the same numbers, and the turns that work in them.

Sizes are spread as in source trees (log-normal, median 6 KB, mean about 20 KB), some twelve files to a
directory. Contents are words: they compress as source code does.
"""

import random
from pathlib import Path
from typing import NamedTuple

from perdure.values.digest import Json

POOL_BYTES = 4 * 1024 * 1024
FILES_PER_DIRECTORY = 12
SIZE_MEDIAN_LOG, SIZE_SIGMA, SIZE_MAX = 8.7, 1.55, 1024 * 1024
"""e^8.7 is 6,000 bytes; the mean of the distribution is 20 KB"""

CHANGED_FILES = 5
READ_ONLY_SHARE = 0.75


class Turn(NamedTuple):
    """One command of the agent's shell; ``changes`` says whether anything lasts of it."""

    command: str
    changes: bool
    service: str = ""
    """it goes on in the background under this name"""

    @property
    def arguments(self) -> dict[str, Json]:
        """What the shell is called with."""
        return {
            "command": self.command,
            **({"action": "start", "service": self.service} if self.service else {}),
        }


def make_tree(root: Path, files: int, *, seed: int = 0, shrink: int = 1) -> int:
    """``root`` holds ``files`` files, each ``shrink`` times smaller; return how many bytes are in them."""
    chance = random.Random(f"tree-{files}-{seed}")
    pool = _words(random.Random("pool"))
    total = 0
    for index, path in enumerate(paths(files)):
        place = root / path
        if index % FILES_PER_DIRECTORY == 0:
            place.parent.mkdir(parents=True, exist_ok=True)
        size = min(int(chance.lognormvariate(SIZE_MEDIAN_LOG, SIZE_SIGMA)), SIZE_MAX) // shrink
        start = chance.randrange(len(pool) - size)
        content = b"# %d of %d\n%b\n" % (index, seed, pool[start : start + size])
        place.write_bytes(content)
        total += len(content)
    return total


def paths(files: int) -> list[str]:
    """Return the files of a tree of that size: three levels of directories, twelve files in each of the last."""
    return [_path(index) for index in range(files)]


def trace(files: int, turns: int, *, seed: int = 0) -> list[Turn]:
    """Return the commands of so many turns: three of four only read, each other one changes five files.

    A reading turn looks into a directory and searches it, as agents do before they edit.
    """
    chance = random.Random(f"trace-{files}-{turns}-{seed}")
    changing = set(chance.sample(range(1, turns), round((turns - 1) * (1 - READ_ONLY_SHARE))))
    return [
        _changing(chance, files, each) if each in changing else _reading(chance, files)
        for each in range(turns)
    ]


def _reading(chance: random.Random, files: int) -> Turn:
    folder = Path(_path(chance.randrange(files))).parent
    return Turn(f"ls -l {folder}; grep -n zephyr {folder}/* | head -n 5; true", changes=False)


def _changing(chance: random.Random, files: int, turn: int) -> Turn:
    """Three files grow by a line, one is written anew, one is new."""
    grown = [_path(chance.randrange(files)) for _ in range(CHANGED_FILES - 2)]
    rewritten, beside = (_path(chance.randrange(files)) for _ in range(2))
    word = chance.getrandbits(64)
    parts = [f"echo 'line {word}' >> {path}" for path in grown]
    parts.append(f"echo 'written {word} in turn {turn}' > {rewritten}")
    parts.append(f"echo 'new {word}' > {Path(beside).parent}/new-{word}.txt")
    return Turn("; ".join(parts), changes=True)


def _path(index: int) -> str:
    folder = index // FILES_PER_DIRECTORY
    return f"pkg{folder // 144:02}/part{folder // 12 % 12:02}/unit{folder % 12:02}/module_{index:05}.py"


def _words(chance: random.Random) -> bytes:
    """Return text of words drawn so that few are common and most are rare."""
    words = [
        bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz_", k=chance.randrange(2, 12))) for _ in range(3_000)
    ]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    drawn = chance.choices(words, weights, k=POOL_BYTES // 6)
    spaces = chance.choices((b" ", b" ", b" ", b"(", b" = ", b"\n    ", b"\n"), k=len(drawn))
    return b"".join(part for pair in zip(drawn, spaces, strict=True) for part in pair)[:POOL_BYTES]
