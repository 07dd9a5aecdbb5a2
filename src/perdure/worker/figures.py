"""A worker's figures, as Prometheus reads them. Every name begins with ``perdure_`` and ends with its unit.

Invariant: what a figure is parted by has few values: kinds of ends, effect classes, outcomes, codes, shards. Never a run, a
key, or a tenant.
"""

from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import State
from perdure.values.digest import Json
from perdure.worker.survey_figures import SurveyFigures
from perdure.worker.surveying import Survey
from perdure.worker.telling import Tell

_ENDS = {
    "run.rests": "rested",
    "run.left": "left",
    "run.waits": "waits",
    "run.failed": "failed",
    "run.parked": "parked",
    "run.let_go": "let_go",
}

EFFECT_CLASSES: Final = ("read", "workspace", "transactional", "idempotent", "probeable", "once")
WAITS: Final = (
    "person",
    "approval",
    "doubt",
    "divergence",
    "child",
    "budget",
    "model",
    "workspace",
    "backup",
)
"""What a run at rest may wait for; anything else counts as ``other``."""

OTHER: Final = "other"


class Figures:
    """What is counted in this process."""

    def __init__(self) -> None:
        """Begin at zero."""
        # When a counter began is a figure of its own to this library, and doubles their number.
        disable_created_metrics()
        registry = self.registry = CollectorRegistry()
        self._drives = Counter(
            "perdure_worker_drives", "Drives of runs, by how they ended", ["end"], registry=registry
        )
        self._rests = Counter(
            "perdure_worker_rests",
            "Runs that came to rest, by what they wait for",
            ["reason"],
            registry=registry,
        )
        self._taken = Counter(
            "perdure_worker_taken_over", "Runs taken over from silent processes", registry=registry
        )
        self._turns = Counter("perdure_turns", "Replies of models", registry=registry)
        self._effects = Counter(
            "perdure_effects",
            "Effects settled, by class and outcome",
            ["effect", "outcome"],
            registry=registry,
        )
        self._doubted = Counter("perdure_effects_doubted", "Effects that came into doubt", registry=registry)
        self._tokens = Counter(
            "perdure_model_tokens", "Tokens, as providers count them", ["kind"], registry=registry
        )
        self._cost = Counter(
            "perdure_model_cost_dollars", "What models cost, by the price book", registry=registry
        )
        self._driving = Gauge("perdure_worker_driving", "Runs being driven", registry=registry)
        self._places = Gauge("perdure_worker_places", "Runs that may be driven at once", registry=registry)
        self._draining = Gauge(
            "perdure_worker_draining", "1 while the worker gives its runs back", registry=registry
        )
        self._silence = Gauge(
            "perdure_worker_silence_seconds", "Since the store last saw this process", registry=registry
        )

    def follow(
        self,
        *,
        driving: Callable[[], int],
        silence: Callable[[], float],
        draining: Callable[[], bool],
        places: int,
        survey: Survey,
    ) -> None:
        """Ask these whenever the figures are read."""
        self._driving.set_function(driving)
        self._silence.set_function(silence)
        self._draining.set_function(lambda: float(draining()))
        self._places.set(places)
        self.registry.register(SurveyFigures(survey))

    def counting(self, tell: Tell) -> Tell:
        """Return ``tell`` with what it says counted."""

        def counted(event: str, **words: Json) -> None:
            if event in _ENDS:
                self._drives.labels(_ENDS[event]).inc()
            if event == "run.rests":
                self._rests.labels(_reason(str(words.get("status", "")), str(words.get("waits", "")))).inc()
            if event == "run.taken":
                self._taken.inc()
            tell(event, **words)

        return counted

    def durable(self, events: Sequence[Event], state: State) -> None:
        """These events of a run that is driven here are durable; ``state`` is what they led to."""
        for event in events:
            match event.body:
                case e.ModelReplied(usage=usage):
                    self._turns.inc()
                    self._add_usage(usage)
                case e.EffectSettled(key=key, outcome=outcome):
                    self._effects.labels(_class_of(key, state), outcome).inc()
                case e.EffectDoubted():
                    self._doubted.inc()
                case _:
                    pass

    def _add_usage(self, usage: e.Usage) -> None:
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cache_read", usage.cache_read_tokens),
            ("cache_write", usage.cache_write_tokens),
        ):
            if tokens:
                self._tokens.labels(kind).inc(tokens)
        if usage.cost_microusd:
            self._cost.inc(usage.cost_microusd / 1e6)


def _reason(status: str, waits: str) -> str:
    if status != "waiting":
        return status if status in ("running", "finished", "failed", "cancelled") else OTHER
    return waits if waits in WAITS else OTHER


def _class_of(key: str, state: State) -> str:
    """Of what is settled only reads leave no receipt."""
    receipt = state.world.receipts.get(key)
    if receipt is None:
        return "read"
    return receipt.effect if receipt.effect in EFFECT_CLASSES else OTHER
