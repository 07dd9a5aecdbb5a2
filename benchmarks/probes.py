"""The bare disk and the machine, measured in the same minutes as everything that is compared with them."""

import contextlib
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

APPEND_BYTES = 1024  # what a durable step of a small turn writes, before any format


def two_fdatasync_ms(directory: Path, rounds: int) -> float:
    """The median time of two appends of 1 KB, each followed by a sync: the floor under a turn with one effect.

    Short enough (under a second for 500 rounds) to stand between any two measurements. The file goes into
    `directory`, so that it lies on the disk that the measurements use.
    """
    block = os.urandom(APPEND_BYTES)
    took: list[float] = []
    with tempfile.NamedTemporaryFile(dir=directory, prefix="fdatasync-", buffering=0) as file:
        number = file.fileno()
        for _ in range(rounds + 1):
            began = time.perf_counter()
            for _ in range(2):
                os.write(number, block)
                _sync(number)
            took.append(time.perf_counter() - began)
    # The first round also allocates the file; a log does that once in its life.
    return statistics.median(took[1:]) * 1000


def _sync(number: int) -> None:
    if sys.platform == "linux":
        os.fdatasync(number)
    else:
        os.fsync(number)


def machine(directory: Path | None = None) -> dict[str, str | int]:
    """This machine in words, with the file system under `directory` (the temporary one unless named)."""
    return dict[str, str | int](
        cpu=_field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        kernel=f"{platform.system()} {platform.release()}",
        system=_field(Path("/etc/os-release"), "PRETTY_NAME").strip('"') or platform.platform(),
        filesystem=_filesystem(directory or Path(tempfile.gettempdir())),
        python=platform.python_version(),
    )


def _field(path: Path, key: str) -> str:
    """The first value of `key` in a file of `key: value` or `key=value` lines; empty where there is none."""
    with contextlib.suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            name, separator, value = line.partition("=" if "=" in line else ":")
            if separator and name.strip() == key:
                return value.strip()
    return ""


def _filesystem(directory: Path) -> str:
    """The type of the file system that holds `directory`: that of the deepest mount point above it."""
    deepest, kind = -1, "unknown"
    with contextlib.suppress(OSError):
        where = directory.resolve()
        for line in Path("/proc/self/mounts").read_text(errors="replace").splitlines():
            _, mount, this_kind, *_ = line.split()
            point = Path(mount.replace("\\040", " "))
            # Later mounts cover earlier ones at the same place.
            if where.is_relative_to(point) and len(point.parts) >= deepest:
                deepest, kind = len(point.parts), this_kind
    return kind
