"""What was seen of the databases, as Prometheus reads it: from memory, so that no scrape waits for a store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from perdure.log.metering import CommitMeter, FleetSeen, Spread
from perdure.worker.pulse import passed
from perdure.worker.surveying import BaseSeen, Survey

STATUSES: Final = ("running", "waiting", "finished", "failed", "cancelled")
KINDS: Final = ("version", "tenant", "failed", "held", "store")
STATES: Final = ("serves", "drains", "silent")

_PLAIN: Final[Sequence[tuple[str, str, Callable[[FleetSeen], float]]]] = (
    ("perdure_runs_parked", "Runs that nobody drives until a person says so", lambda f: f.parked),
    ("perdure_effects_open", "Effects promised and not known to have ended", lambda f: f.effects_open),
    ("perdure_feed_lag_seconds", "Age of the oldest batch that is held back", lambda f: f.feed_lag_seconds),
    ("perdure_feed_stalled", "1 while a transaction holds the feed back for long", lambda f: f.feed_stalled),
    ("perdure_spilled_blobs", "Large blobs that wait for the object store", lambda f: f.spilled_blobs),
    ("perdure_spilled_bytes", "What they take in PostgreSQL", lambda f: f.spilled_bytes),
    ("perdure_tenants_full", "Tenants whose runs wait for a place", lambda f: f.tenants_full),
)


class SurveyFigures(Collector):
    """Families of figures, each parted by the shard."""

    def __init__(self, survey: Survey) -> None:
        """Tell what ``survey`` has seen."""
        self._survey: Survey = survey

    def collect(self) -> Iterator[Metric]:
        """Yield each family once."""
        seen = self._survey.scraped()
        yield from _standing(seen)
        yield from _fleet({name: each.fleet for name, each in seen.items() if each.fleet is not None})
        yield from _meters(
            {name: each.counting.meter for name, each in seen.items() if each.counting is not None}
        )


def _standing(seen: Mapping[str, BaseSeen]) -> Iterator[Metric]:
    suspended = _gauge("perdure_store_suspended", "1 while no run may be driven")
    reachable = _gauge("perdure_store_reachable", "0 if the database could not be asked the last time")
    format_ = _gauge("perdure_store_format", "The newest step of the store's tables")
    too_new = _gauge("perdure_store_too_new", "1 if this perdure can't work beside the store's tables")
    failovers = _counter("perdure_store_failovers", "Times that the store went on on another server")
    objects = _gauge("perdure_objects_trouble", "1 while the object store refuses or does not answer")
    age = _gauge("perdure_store_counted_seconds", "Age of what is counted in the database")
    skew = _gauge("perdure_clock_skew_seconds", "How far this machine's clock is ahead of the server's")
    now = passed()
    for name, each in seen.items():
        suspended.add_metric([name], float(bool(each.standing.suspended)))
        reachable.add_metric([name], float(not each.trouble))
        format_.add_metric([name], each.standing.format)
        too_new.add_metric([name], float(bool(each.standing.too_new)))
        skew.add_metric([name], each.skew_seconds)
        failovers.add_metric([name], each.standing.failovers)
        if each.fleet is not None:
            age.add_metric([name], now - each.counted_at)
        if each.counting is not None:
            objects.add_metric([name], float(bool(each.counting.objects_trouble)))
    yield from (suspended, reachable, format_, too_new, failovers, objects, age, skew)


def _fleet(fleets: Mapping[str, FleetSeen]) -> Iterator[Metric]:
    for family, words, figure in _PLAIN:
        gauge = _gauge(family, words)
        for name, fleet in fleets.items():
            gauge.add_metric([name], figure(fleet))
        yield gauge
    yield _parted(
        "perdure_runs", "Runs, by status", "status", STATUSES, {n: f.runs for n, f in fleets.items()}
    )
    yield _parted(
        "perdure_runs_not_driven",
        "Runs that the last worker which looked did not drive, by the kind of reason",
        "reason",
        KINDS,
        {name: fleet.unplaced for name, fleet in fleets.items()},
    )
    yield _parted(
        "perdure_processes",
        "Workers that were not proved to have ended, by state",
        "state",
        STATES,
        {name: fleet.processes for name, fleet in fleets.items()},
    )


def _meters(meters: Mapping[str, CommitMeter]) -> Iterator[Metric]:
    seconds = HistogramMetricFamily(
        "perdure_commit_seconds",
        "From the first round trip of a group commit to its answer",
        labels=["shard"],
    )
    batches = HistogramMetricFamily(
        "perdure_commit_group_batches", "Batches that shared a commit", labels=["shard"]
    )
    refused = CounterMetricFamily(
        "perdure_store_errors", "Batches that were not written, by the error's code", labels=["shard", "code"]
    )
    dialed = _counter("perdure_store_connects", "Connections for writing that were made")
    lost = _counter("perdure_store_connections_lost", "Connections that broke under a write")
    fenced = _counter("perdure_writes_fenced", "Batches of writers that others had taken over from")
    for name, meter in meters.items():
        _add(seconds, name, meter.commit_seconds)
        _add(batches, name, meter.group_batches)
        for code, count in sorted(meter.refused.items()):
            refused.add_metric([name, code], count)
        fenced.add_metric([name], meter.refused.get("P401", 0))
        dialed.add_metric([name], meter.dialed)
        lost.add_metric([name], meter.lost)
    yield from (seconds, batches, refused, dialed, lost, fenced)


def _add(family: HistogramMetricFamily, name: str, spread: Spread) -> None:
    counts, so_far = list(spread.counts), 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, spread.bounds), "+Inf"), counts, strict=True):
        so_far += count
        buckets.append((bound, float(so_far)))
    family.add_metric([name], buckets, spread.total)


def _parted(
    family: str, words: str, by: str, values: Sequence[str], found: Mapping[str, Mapping[str, int]]
) -> Metric:
    """Every value is there, also at zero: an alert on one that is missing never fires."""
    gauge = GaugeMetricFamily(family, words, labels=["shard", by])
    for name, counts in found.items():
        for value in values:
            gauge.add_metric([name, value], counts.get(value, 0))
    return gauge


def _gauge(family: str, words: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(family, words, labels=["shard"])


def _counter(family: str, words: str) -> CounterMetricFamily:
    return CounterMetricFamily(family, words, labels=["shard"])
