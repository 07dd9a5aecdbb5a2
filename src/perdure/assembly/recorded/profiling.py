"""Traces of recorded sessions, from files of any kind that is known and from runs of a store.

Invariants:
- One session is in memory at a time, as sizes and digests; of a file, one record.
- Files that hold parts of one session make one trace, in the order in which they were written. A request that stands
  in several of them (a resumed session repeats its history) is counted once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from perdure.adapters.transcripts import Unread, records, transcript_files
from perdure.assembly.pricing import cost_of, rates_of
from perdure.page.caching import provider_of
from perdure.profile.chat import ChatReader
from perdure.profile.figures import Breakdown
from perdure.profile.formats import Recognised, reader_of, recognised
from perdure.profile.measuring import figures
from perdure.profile.trace import Exchange, Trace

HEAD_RECORDS: Final = 50
"""Of a file, to see what it is: before a session's name stand a few titles and snapshots."""


class Headway(NamedTuple):
    """How far reading has come, or what could not be read."""

    read: int
    """bytes since the last word"""
    total: int
    """bytes of all files"""
    path: Path
    trouble: Unread | None = None


class _Source(NamedTuple):
    path: Path
    said: Recognised


def traces(paths: Iterable[Path], progress: Callable[[Headway], None] = lambda _: None) -> Iterator[Trace]:
    """Yield a trace for each session and sub-agent in ``paths``, files or directories, the earliest first.

    A request that stands in several of them is counted in the first; ask file by file for each as it is.

    Raises ``BadTranscript`` for a path that isn't there. What can't be read is told to ``progress``.
    """
    files = transcript_files(paths)
    total = sum(path.stat().st_size for path in files)

    def told(trouble: Unread) -> None:
        progress(Headway(0, total, trouble.path, trouble))

    seen: set[int] = set()
    for group in _groups(files, told):
        first = group[0]
        reader = reader_of(first.said.source, first.said.session or _stem(first.path), seen)
        for source in group:
            for record in records(
                source.path, told, lambda size, at=source.path: progress(Headway(size, total, at))
            ):
                reader.take(record)
                if isinstance(reader, ChatReader):
                    yield from reader.ready()
        yield from reader.traces()


def priced(trace: Trace, model: str = "") -> Trace:
    """Return ``trace`` with what each request cost, by the price book; ``model`` stands in for all models.

    What was written to the cache for an hour is priced so, also beside what was written for five minutes.
    """
    return trace._replace(
        requests=tuple(_priced(request, model or request.model) for request in trace.requests)
    )


def _priced(request: Exchange, model: str) -> Exchange:
    usage = request.usage
    if usage.cost_microusd and model == request.model:
        return request
    cost = cost_of(usage, model)
    if request.written_long and usage.cache_write_tokens:
        dearer = cost_of(usage, model, long=True) - cost
        cost += dearer * min(request.written_long, usage.cache_write_tokens) // usage.cache_write_tokens
    return request._replace(usage=replace(usage, cost_microusd=cost), model=model)


def figures_of(trace: Trace, ttl: int = 0) -> Breakdown:
    """Return where the tokens and the money of a priced ``trace`` went.

    ``ttl`` (ns): how long its cache is taken to live where no request says.
    """
    return figures(trace, lambda model: rates_of(model, provider_of(model)), ttl)


def _groups(files: Sequence[Path], told: Callable[[Unread], None]) -> list[list[_Source]]:
    """Return the files of each session together, in the order of their first records."""
    groups: dict[tuple[str, str], list[_Source]] = {}
    for path in files:
        said = recognised(list(islice(records(path, lambda _: None, lambda _: None), HEAD_RECORDS)))
        if said is None:
            told(Unread(path, 0, "no session of a kind that is known"))
            continue
        name = f"{said.session or path}"
        groups.setdefault((said.source, name), []).append(_Source(path, said))
    for group in groups.values():
        group.sort(key=lambda source: (source.said.begun, source.path))
    return sorted(groups.values(), key=lambda group: (group[0].said.begun, group[0].path))


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name
