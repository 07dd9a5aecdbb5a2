"""What every client goes through, and what has to hold afterwards."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from perdure.testing.upstream.narrator import Narrator
from perdure.testing.upstream.plots import PLOTS, Plot, files_of, used_in
from perdure.testing.upstream.provider import Provider, Recorded
from perdure.testing.upstream.server import Upstream
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.tap import Passed, Tap
from perdure.testing.upstream.troubles import Trouble, TroubleKind
from tests.clients.checks import answers_unlike, bill, bill_alone, headers_lost, unlike, walked
from tests.clients.gateways import gateway, perdure
from tests.clients.kinds import Client
from tests.clients.place import Place, throw_away
from tests.clients.recordings import Recording, stored
from tests.clients.running import Life, lived

BEGIN, GO_ON = "Work through the ledgers.", "Go on with the ledgers."
WINDOW_FREE = 4_000
"""What a window that is held small has room for, beside what every request holds: one ledger."""


class Outcome(msgspec.Struct):
    """What a scenario showed."""

    failed: list[str]
    seconds: float = 0.0
    requests: int = 0
    first_tokens: int = 0
    hidden: int = 0
    recalled: int = 0
    seen: int = 0
    fetched: int = 0
    moves: int = 0
    client_breaks: int = 0
    breaks: int = 0
    cost: float = 0.0
    """of the input, by the provider's own cache, in shares of what the client alone would have paid"""


class Stage:
    """One scenario under way: a strict provider, a place for the client, and what was seen."""

    def __init__(
        self, client: Client, plot: Plot, place: Place, upstream: Upstream, seed: str, *, caching: bool
    ) -> None:
        self.client = client
        self.seed = seed
        self.caching = caching
        self.plot = plot
        self.place = place
        self.upstream = upstream
        self.store = place.home.parent / "store"
        self.passed: list[Passed] = []
        self.recorded: list[Recorded] = []
        self.outcome = Outcome([])
        self.legs = 0
        upstream.ledgers.prepare(place.workspace, files_of(plot))

    def live(
        self,
        prompt: str,
        mode: str = "",
        *options: str,
        room: int = 0,
        survives: bool = True,
        variant: str = "",
    ) -> Life:
        """Run the client once: bare, or behind a gateway in ``mode``, with a tap in front of it."""
        self.legs += 1
        before = len(self.upstream.recorded)
        with ExitStack() as stack:
            url = self.upstream.url
            if mode:
                trusted = ("--trust", self.client.trust) if self.client.trust else ()
                url = stack.enter_context(gateway(self.store, url, mode, *options, *trusted))
            tap = stack.enter_context(Tap(url))
            # A tap speaks no WebSocket: that offer is the gateway's to refuse.
            near = url if variant == "websocket" else tap.url
            place = replace(self.place, url=near, prompt=prompt, leg=self.legs, room=room, variant=variant)
            life = lived(self.client, place)
            if mode:
                self.passed += tap.passed
                self.recorded += self.upstream.recorded[before:]
        self.outcome.seconds += life.seconds
        if survives and life.status != 0:
            self.outcome.failed.append(f"leg {self.legs} ended with {life.status}: {life.tail}")
        return life

    def demand(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.outcome.failed.append(otherwise)

    def settled(self) -> Outcome:
        """Count, and check what holds of every scenario: the right answers, and nothing refused."""
        recorded, outcome = self.upstream.recorded, self.outcome
        refused = [f"request {each.number} refused: {each.error}" for each in recorded if each.error]
        outcome.failed += refused[:3]
        answers = self.place.workspace / "answers.txt"
        wrote = answers.read_text(encoding="utf-8").split() if answers.exists() else []
        right = [self.upstream.ledgers.token(file) for file in used_in(self.plot)]
        self.demand(wrote == right, f"the answers are {wrote}, not {right}")
        ways = [each.way for each in recorded]
        outcome.requests = len(recorded)
        outcome.recalled, outcome.seen = ways.count("recalled"), ways.count("seen")
        outcome.fetched = ways.count("fetched")
        mains = [each.metered for each in recorded if each.purpose == "main" and each.metered]
        outcome.first_tokens = mains[0].whole if mains else 0
        if self.passed:
            self._walked()
        return outcome

    def _walked(self) -> None:
        signet = Signet(self.seed)
        shadow = Provider(Narrator(self.plot, self.upstream.ledgers, signet), signet, caching=self.caching)
        alone = bill_alone(self.passed, shadow)
        self.outcome.cost = round(bill(self.recorded) / alone, 4) if alone else 0.0
        way = walked(self.passed, self.recorded, self.upstream.provider, self._evicted())
        outcome = self.outcome
        outcome.hidden, outcome.moves = way.hidden, way.caused("move")
        outcome.client_breaks, outcome.breaks = way.caused("client"), way.caused("")
        for each in way.breaks:
            if not each.cause:
                outcome.failed.append(
                    f"request {each.number} breaks the prefix at {each.place}: {each.before} -> {each.after}"
                )
        outcome.failed += [f"bare, the provider would say: {said}" for said in way.invalid[:3]]

    def _evicted(self) -> set[str]:
        """Return the pages that the log says have left, in whichever run; each run has to verify."""
        pages: set[str] = set()
        runs: list[dict[str, Any]] = perdure(self.store, "ls")[0]["runs"]
        for run in runs:
            verified = perdure(self.store, "verify", run["run"])[-1]
            self.demand(verified["ok"] is True, f"{run['run']} does not verify: {verified}")
            for event in perdure(self.store, "log", run["run"]):
                if event["kind"] == "page.evicted":
                    pages.add(event["body"]["page"])
        return pages


Scenario = Callable[[Stage, int], None]


def bare(stage: Stage, room: int) -> None:
    stage.live(BEGIN)


def observe(stage: Stage, room: int) -> None:
    stage.live(BEGIN, "observe")
    recorded = stage.recorded
    stage.outcome.failed += unlike(stage.passed, recorded)[:4]
    lost = headers_lost(stage.passed, recorded)
    stage.demand(not lost, f"headers changed on the way: {lost}")
    changed = answers_unlike(stage.passed, recorded)
    stage.demand(changed == 0, f"{changed} answers changed on the way")


def safe(stage: Stage, room: int) -> None:
    stage.live(BEGIN, "safe")
    _paged(stage)


def uncached(stage: Stage, room: int) -> None:
    """Where nothing is cached, pages leave as soon as that is known: many moves, in few requests."""
    stage.live(BEGIN, "nocache")
    _paged(stage)


def retried(stage: Stage, room: int) -> None:
    """Whatever goes wrong at the provider goes wrong at the client, which asks again, or ends as it does bare."""
    busy: TroubleKind = "529" if stage.client.api == "messages" else "503"
    troubles = {2: Trouble("429"), 3: Trouble(busy), 6: Trouble("500")}
    if stage.client.rides_aborts:
        troubles[4] = Trouble("abort")
    else:
        stage.upstream.provider.plan({1: Trouble("abort")})
        life = stage.live(BEGIN, "nocache", survives=False)
        stage.demand(life.status > 0, f"a stream broke off, and the client ended with {life.status}")
    stage.upstream.provider.plan(troubles)
    stage.live(BEGIN, "nocache")
    went_wrong = {each.trouble for each in stage.upstream.recorded} - {""}
    wanted = {"abort", *(each.kind for each in troubles.values())}
    stage.demand(went_wrong == wanted, f"only {went_wrong} went wrong")
    _paged(stage)


def resumed(stage: Stage, room: int) -> None:
    """Client and gateway are both new in the second leg."""
    stage.live(BEGIN, "nocache")
    stage.live(GO_ON, "nocache")
    _paged(stage)


def compacted(stage: Stage, room: int) -> None:
    """The client makes its own history short, and what it lost is found by recall."""
    if stage.client.compacts == "told":
        stage.live(BEGIN, "safe")
        stage.live("/compact", "safe")
        stage.live(GO_ON, "safe")
    else:
        stage.live(BEGIN, "safe", room=room + WINDOW_FREE)
        stage.live(GO_ON, "safe", room=room + WINDOW_FREE)
    purposes = [each.purpose for each in stage.upstream.recorded]
    stage.demand("compaction" in purposes or "compact" in purposes, "nothing was compacted")


def websocket(stage: Stage, room: int) -> None:
    """The client would rather speak WebSocket, is refused, and speaks HTTP."""
    stage.live(BEGIN, "nocache", variant="websocket")
    _paged(stage)


def sealed(stage: Stage, room: int) -> None:
    """The provider compacts, and gives an item that nobody else can read."""
    stage.live(BEGIN, "safe", room=room + WINDOW_FREE, variant="sealed")
    stage.live(GO_ON, "safe", room=room + WINDOW_FREE, variant="sealed")
    stage.demand(any(each.purpose == "compaction" for each in stage.recorded), "nothing was compacted")
    _paged(stage)


def taken_away(stage: Stage, room: int) -> None:
    """The gateway intercepted a recall, and then is gone: the client's own history is what goes on."""
    stage.live(BEGIN, "nocache")
    stage.demand(any(each.way == "recalled" for each in stage.upstream.recorded), "nothing was recalled")
    stage.live(GO_ON)


def _paged(stage: Stage) -> None:
    ways = {each.way for each in stage.upstream.recorded}
    stage.demand("recalled" in ways, "no page was recalled: nothing was shown")


SCENARIOS: dict[str, tuple[Scenario, str]] = {
    "bare": (bare, "hunt"),
    "observe": (observe, "hunt"),
    "safe": (safe, "long"),
    "uncached": (uncached, "hunt"),
    "retried": (retried, "hunt"),
    "resumed": (resumed, "two-legs"),
    "compacted": (compacted, "two-legs"),
    "websocket": (websocket, "hunt"),
    "sealed": (sealed, "two-legs"),
    "taken away": (taken_away, "two-legs"),
}


UNCACHED = frozenset({"uncached", "retried", "resumed", "websocket", "taken away"})
"""Their provider caches nothing, so that a short run is enough for pages to move; `safe` is long for that."""


def fit(client: Client, name: str) -> bool:
    """Tell whether a client can be put through a scenario."""
    if name in {"resumed", "taken away"}:
        return client.resumes
    if name in {"websocket", "sealed"}:
        return name in client.variants
    return bool(client.compacts) if name == "compacted" else True


def played(client: Client, name: str, *, room: int, keep: Path | None = None) -> Outcome:
    """Put ``client`` through the scenario ``name``; what went by is written to ``keep``."""
    scenario, plot = SCENARIOS[name]
    seed = f"{client.name} {name}"
    with (
        throw_away() as place,
        Upstream(
            PLOTS[plot], seed=seed, workspace=str(place.workspace), caching=name not in UNCACHED
        ) as upstream,
    ):
        stage = Stage(client, PLOTS[plot], place, upstream, seed, caching=name not in UNCACHED)
        try:
            scenario(stage, room)
        except (AssertionError, OSError) as error:
            stage.outcome.failed.append(str(error)[-600:])
        outcome = stage.settled()
        if keep is not None:
            recording = Recording(
                client.name,
                client.version,
                client.api,
                seed,
                plot,
                name,
                room,
                tuple(stage.passed),
                tuple(stage.recorded),
            )
            stored(recording, keep)
        return outcome
