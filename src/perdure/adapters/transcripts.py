"""Transcripts on disk: which files there are, and their records one by one in bounded memory.

Invariants:
- A file is read in pieces; what is held of it is one record, and never more than ``RECORD_BYTES_MAX``.
- What can't be read is told and passed over: a broken line, a truncated archive, a file without permission.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from perdure.profile.snippets import parsed
from perdure.profile.splitting import ArraySplitter
from perdure.values.digest import Json
from perdure.values.errors import BadTranscript

RECORD_BYTES_MAX: Final = 64 * 1024 * 1024
"""A line with the largest picture that any provider takes is half of this."""

CHUNK: Final = 1 << 20
PACKED_CHUNK: Final = 1 << 16
_GZIP: Final = 16 + zlib.MAX_WBITS
SUFFIXES: Final = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".ndjson", ".ndjson.gz")


class Unread(NamedTuple):
    """Something of a file that could not be read."""

    path: Path
    line: int
    """0: the file as a whole"""
    why: str


Report = Callable[[Unread], None]


def transcript_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that ``paths`` name, directories looked through, each once and in order.

    Raises ``BadTranscript`` for a path that isn't there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (each for each in path.rglob("*") if each.name.endswith(SUFFIXES) and each.is_file())
            found.update(dict.fromkeys(sorted(inside)))
        elif path.exists():
            found[path] = None
        else:
            raise BadTranscript(f"there is no {path}")
    return list(found)


def records(path: Path, report: Report, read: Callable[[int], None]) -> Iterator[dict[str, Json]]:
    """Yield the JSON objects of a file: one to a line, or the items of one array, or one alone.

    ``read`` is told of the bytes of the file that were taken in.
    """
    try:
        with path.open("rb") as raw:
            yield from _records(path, raw, report, read)
    except OSError as error:
        report(Unread(path, 0, error.strerror or str(error)))


def _records(
    path: Path, raw: BinaryIO, report: Report, read: Callable[[int], None]
) -> Iterator[dict[str, Json]]:
    chunks = _chunks(path, raw, report, read)
    first = next(chunks, b"")
    while first and not first.strip():
        first = next(chunks, b"")
    split = _items if _is_spread(first) else _lines
    for number, record in split(path, first, chunks, report):
        shape = parsed(record)
        if shape is None:
            report(Unread(path, number, "no JSON object"))
        else:
            yield shape


def _is_spread(first: bytes) -> bool:
    """Tell whether a file is an array, or one object over many lines."""
    begin = first.lstrip()
    return begin.startswith(b"[") or begin.split(b"\n", 1)[0].strip() == b"{"


def _chunks(path: Path, raw: BinaryIO, report: Report, read: Callable[[int], None]) -> Iterator[bytes]:
    zipped = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    if zipped:
        yield from _unpacked(path, raw, report, read)
        return
    while chunk := raw.read(CHUNK):
        yield chunk
        read(len(chunk))


def _unpacked(path: Path, raw: BinaryIO, report: Report, read: Callable[[int], None]) -> Iterator[bytes]:
    """Yield what an archive holds, all of it up to where it is damaged; a small one may hold a large file."""
    stream = zlib.decompressobj(_GZIP)
    try:
        while packed := raw.read(PACKED_CHUNK):
            read(len(packed))
            while packed:
                if stream.eof:
                    stream = zlib.decompressobj(_GZIP)
                chunk = stream.decompress(packed, CHUNK)
                if chunk:
                    yield chunk
                packed = stream.unconsumed_tail or stream.unused_data.lstrip(b"\0")
    except zlib.error as error:
        report(Unread(path, 0, f"the archive is damaged: {error}"))
        return
    if not stream.eof:
        report(Unread(path, 0, "the archive is damaged: it ends before its end"))


def _lines(path: Path, first: bytes, chunks: Iterator[bytes], report: Report) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines; one that is too long is told and left out."""
    held, size, number, skipping = [first], len(first), 1, False
    while True:
        block = b"".join(held)
        *lines, rest = block.split(b"\n")
        for line in lines:
            if line.strip() and not skipping:
                yield number, line
            skipping = False
            number += 1
        held, size = [rest], len(rest)
        while b"\n" not in (chunk := next(chunks, b"")) and chunk:
            if size + len(chunk) > RECORD_BYTES_MAX:
                if not skipping:
                    report(Unread(path, number, f"longer than {RECORD_BYTES_MAX >> 20} MB"))
                held, size, skipping = [], 0, True
            elif not skipping:
                held.append(chunk)
                size += len(chunk)
        if not chunk:
            break
        held.append(chunk)
    last = b"".join(held)
    if last.strip() and not skipping:
        yield number, last


def _items(path: Path, first: bytes, chunks: Iterator[bytes], report: Report) -> Iterator[tuple[int, bytes]]:
    """Yield the numbered objects of a top-level array."""
    splitter = ArraySplitter(RECORD_BYTES_MAX)
    number = 0
    chunk = first
    while chunk:
        for item in splitter.feed(chunk):
            number += 1
            if item is None:
                report(Unread(path, number, f"longer than {RECORD_BYTES_MAX >> 20} MB"))
            else:
                yield number, item
        chunk = next(chunks, b"")
    if splitter.open:
        report(Unread(path, number + 1, "the file ends within a record"))
