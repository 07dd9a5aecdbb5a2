"""The doctor's checks. Each looks for itself, and says what it saw and what to do about it."""

import importlib.util
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
import psutil

from perdure.assembly.files.levels import levels_here
from perdure.assembly.keeping import Room, stats_of
from perdure.assembly.presence import driver_of
from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.ink import count, size, span
from perdure.cli.keeping.room import RELIEF
from perdure.cli.place import Place, opened, seems_there
from perdure.cli.servers import Check, server_checks
from perdure.values.errors import PerdureError

SYNCS: Final = 12
"""Syncs that are timed: the median of a dozen is steady, and even a slow disk is done in a second."""

SYNC_NS_SLOW: Final = 20_000_000
"""A durable turn takes two of these; beyond this they are what a person waits for."""

SYNC_NS_UNBELIEVABLE: Final = 8_000
"""Faster than any disk that keeps what it was given; memory, or a disk that says so and doesn't."""

FREE_BYTES_FEW: Final = 1 << 30
FREE_BYTES_TOO_FEW: Final = 64 << 20

SQLITE_MIN: Final = (3, 51, 3)
"""Earlier ones can damage a write-ahead log that is reset while somebody else reads it."""

CLOCK_MIN: Final = 1_735_689_600
"""2025 began: a clock before that was never set."""

REMOTE: Final = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "fuse.sshfs",
    "lustre",
    "glusterfs",
}
"""File systems on which several machines could open one store, and shared memory doesn't reach."""

MEMORY: Final = {"tmpfs", "ramfs"}

LEVELS: Final = {
    "L0": "changes are found by looking at every file; services are started anew after a crash",
    "L1": "a command's changes are known without looking; services are started anew after a crash",
    "L2": "services are frozen with the files, and go on after a crash with what they had in memory",
}
"""What a workspace gets at each level."""

MODELS: Final = {
    "anthropic": ("anthropic", "ANTHROPIC_API_KEY"),
    "openai": ("openai", "OPENAI_API_KEY"),
    "local": ("xllamacpp", ""),
}


def machine_checks(address: Address) -> Iterator[Check]:
    """Yield what can be said of this machine, and of the disk that the store is on."""
    yield _python()
    yield _sqlite()
    ground = _ground(address.local)
    yield _file_system(ground)
    yield _syncs(ground)
    yield _room(ground)
    yield _clock()
    for name, (module, key) in MODELS.items():
        yield _model(name, module, key)
    yield from _levels()


def store_checks(address: Address) -> Iterator[Check]:
    """Yield what can be said of the store at ``address``."""
    if not seems_there(address):
        yield Check("store", "ok", f"none in {address} yet")
        return
    try:
        if address.kind != "directory":
            yield from server_checks(address)
            with opened(address) as place:
                yield _chains(place)
                yield from _runs(place)
            return
        stats = stats_of(address)
        held = f"{count(stats.runs, 'run')}, {count(stats.events, 'event')}, {size(stats.file_bytes)}"
        yield Check("store", "ok", f"{address}: {held}")
        yield _budget(stats.room)
        if stats.suspended:
            cure = "perdure store release --by NAME, if no other copy is used any more"
            yield Check("release", "warn", f"its runs are suspended: {stats.suspended}", cure)
        with opened(address) as place:
            yield _chains(place)
            yield from _runs(place)
    except PerdureError as error:
        yield Check("store", "fail", f"{error.code}: {error}", error.hint)


def _levels() -> Iterator[Check]:
    """Say how far up the ladder workspaces get here, and what keeps them from the next rung."""
    rungs = levels_here()
    reached = "L0"
    for rung in rungs:
        words = f"{rung.level}: {rung.sees}" if rung.ok else f"not here: {rung.why}"
        yield Check(f"ws {rung.name}", "ok" if rung.ok else "warn", words, "" if rung.ok else rung.cure)
        if not rung.ok:
            break
        reached = rung.level
    yield Check("ws level", "ok", f"{reached}: {LEVELS[reached]}")


def _python() -> Check:
    words = f"{platform.python_version()} on {platform.system()} {platform.release()}"
    return Check("python", "ok", words)


def _sqlite() -> Check:
    version = apsw.sqlite_lib_version()
    words = f"{version}, through apsw {apsw.apsw_version()}"
    if tuple(map(int, version.split("."))) < SQLITE_MIN:
        wanted = ".".join(map(str, SQLITE_MIN))
        return Check("sqlite", "warn", words, f"pip install --upgrade apsw: {wanted} mends write-ahead logs")
    return Check("sqlite", "ok", words)


def _ground(directory: Path) -> Path:
    """Return the nearest directory that is there."""
    path = directory.absolute()
    while not path.is_dir():
        path = path.parent
    return path


def _file_system(ground: Path) -> Check:
    parts = psutil.disk_partitions(all=True)
    holding = [part for part in parts if ground.resolve().is_relative_to(part.mountpoint)]
    if not holding:
        return Check("file system", "ok", "unknown")
    kind = max(holding, key=lambda part: len(part.mountpoint)).fstype
    if kind in REMOTE:
        return Check(
            "file system", "fail", f"{kind}: a store can't be shared over it", "put the store on a local disk"
        )
    if kind in MEMORY:
        return Check("file system", "warn", f"{kind}: it is gone after a restart", "put the store on a disk")
    return Check("file system", "ok", kind)


def _syncs(ground: Path) -> Check:
    try:
        took = _sync_times(ground)
    except OSError as error:
        return Check(
            "sync", "fail", f"{ground}: {error.strerror}", "mend the permissions, or choose another --store"
        )
    median = int(statistics.median(took))
    words = (
        f"{span(median)} median, {span(max(took))} worst of {SYNCS}"
        if median >= 1e6
        else f"{median / 1000:.0f} µs median"
    )
    if median > SYNC_NS_SLOW:
        return Check("sync", "warn", words, "a turn waits for two of these: use a faster disk")
    if median < SYNC_NS_UNBELIEVABLE:
        return Check(
            "sync",
            "warn",
            f"{words}: faster than a disk can be",
            "see that this is a disk which keeps its word",
        )
    return Check("sync", "ok", words)


def _sync_times(ground: Path) -> list[int]:
    took: list[int] = []
    with tempfile.TemporaryFile(dir=ground) as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            begun = time.perf_counter_ns()
            os.fsync(file.fileno())
            took.append(time.perf_counter_ns() - begun)
    return took


def _room(ground: Path) -> Check:
    free = shutil.disk_usage(ground).free
    words = f"{size(free)} free"
    if free < FREE_BYTES_TOO_FEW:
        return Check("disk", "fail", words, "free some space: a full disk stops every run")
    if free < FREE_BYTES_FEW:
        return Check("disk", "warn", words, "free some space soon")
    return Check("disk", "ok", words)


def _clock() -> Check:
    now = time.time()
    words = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(now))
    if now < CLOCK_MIN:
        return Check("clock", "fail", words, "set the clock: approvals and budgets go by it")
    return Check("clock", "ok", words)


def _model(name: str, module: str, key: str) -> Check:
    if importlib.util.find_spec(module) is None:
        return Check(name, "warn", "not installed", f"pip install 'perdure[{name}]', if you want it")
    if key and not os.environ.get(key):
        return Check(name, "warn", f"installed; {key} is not set", f"set {key}, or use --base-url")
    return Check(name, "ok", f"installed, and {key} is set" if key else "installed")


def _budget(room: Room) -> Check:
    if room.budget is None:
        return Check("budget", "ok", f"{size(room.used)} of all there is")
    words = f"{size(room.used)} of {size(room.budget)}"
    if room.over:
        return Check("budget", "fail", f"{words}: no workspace is recorded any more", RELIEF)
    return Check("budget", "warn" if room.scarce else "ok", words, RELIEF if room.scarce else "")


def _chains(place: Place) -> Check:
    rows = place.runs()
    for row in rows:
        found = place.store.inspector.verify(row.run, chain_only=True)
        if not found.ok:
            words = f"run {row.run} at {found.position}: {found.wrong}"
            return Check("chains", "fail", words, f"perdure verify {row.run}, then restore a backup")
    return Check("chains", "ok", f"{count(len(rows), 'run')} as written")


def _runs(place: Place) -> Iterator[Check]:
    newest = 0
    for row in place.runs():
        if row.status in ("running", "waiting") and driver_of(row).presence == "dead":
            yield Check("run", "warn", f"{row.run}: its driver died", f"perdure resume {row.run}")
        if row.position and row.status in ("running", "waiting"):
            newest = max(newest, place.store.state(row.run).at)
    ahead = newest - time.time_ns()
    if ahead > 1_000_000_000:
        words = f"the newest event is {span(ahead)} ahead of this clock"
        yield Check("clock", "warn", words, "see that the clocks of all writers agree")
