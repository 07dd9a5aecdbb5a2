"""A worker's figures, as Prometheus reads them."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from perdure.values.digest import Json
from perdure.worker.telling import Tell

_ENDS = {
    "run.rests": "rested",
    "run.left": "left",
    "run.waits": "waits",
    "run.failed": "failed",
    "run.parked": "parked",
    "run.let_go": "let_go",
}


class Figures:
    """What is counted in this process."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry: CollectorRegistry = CollectorRegistry()
        self._drives: Counter = Counter(
            "perdure_worker_drives", "Drives of runs, by how they ended", ["end"], registry=self.registry
        )
        self._taken: Counter = Counter(
            "perdure_worker_taken_over", "Runs taken over from silent processes", registry=self.registry
        )
        self._driving: Gauge = Gauge("perdure_worker_driving", "Runs being driven", registry=self.registry)
        self._silence: Gauge = Gauge(
            "perdure_worker_silence_seconds", "Since the store last saw this process", registry=self.registry
        )

    def follow(self, *, driving: Callable[[], int], silence: Callable[[], float]) -> None:
        """Ask these whenever the figures are read."""
        self._driving.set_function(driving)
        self._silence.set_function(silence)

    def counting(self, tell: Tell) -> Tell:
        """Return ``tell`` with what it says counted."""

        def counted(event: str, **words: Json) -> None:
            if event in _ENDS:
                self._drives.labels(_ENDS[event]).inc()
            if event == "run.taken":
                self._taken.inc()
            tell(event, **words)

        return counted
