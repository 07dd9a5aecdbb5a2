"""What every wrapped client goes through, and what has to hold afterwards."""

import time
import traceback
from collections.abc import Callable
from importlib.resources import files

import msgspec

from perdure.testing.payments_book import PaymentBook
from tests.clients.wrapped.kinds import WRAPPED, Wrapped
from tests.clients.wrapped.plots import HELD, plot_of
from tests.clients.wrapped.stage import RUN, Life, Stage, staged

BEGIN, GO_ON = "Do the work.", "Go on with the work."
ASKED = 3
"""the step that is asked for when somebody is killed while the model is waited for"""


class Outcome(msgspec.Struct):
    """What a scenario showed."""

    failed: list[str]
    seconds: float = 0.0
    requests: int = 0
    rewound: int = 0
    mismatches: int = 0
    kills: int = 0


Scenario = Callable[[Stage, Outcome], None]


def _begun(stage: Stage) -> Life:
    stage.settle(stage.kind.told, "paid")
    return stage.live(BEGIN, "--run", RUN)


def _whole(stage: Stage, life: Life) -> None:
    """It came to its end, the files are as they should be, and what was to be paid was paid once."""
    stage.demand(life.status == 0, f"it ended with {life.status}: {life.tail}")
    stage.files(len(stage.trees) - 1, "at the end")
    if stage.kind.tool:
        paid = len(PaymentBook(stage.place.home / "paid").paid())
        stage.demand(paid == 1, f"paid {paid} times")


def told(stage: Stage, outcome: Outcome) -> None:
    """The client is pointed at the gateway and its servers are stood in for, also those of the project."""
    kind = stage.kind
    stage.settle(kind.project or kind.told, "paid")
    life = stage.live(BEGIN, "--run", RUN)
    _whole(stage, life)
    kinds = [event["kind"] for event in stage.told("log", RUN)]
    mains, asked = kinds.count("request.forwarded"), len(stage.upstream.steps())
    stage.demand(mains == asked, f"{asked} requests came, and {mains} are in the log")
    if kind.tool and kind.covered(stage.store):
        stage.demand("effect.settled" in kinds, f"no effect went through us: {life.tail}")
    stage.demand("checkpoint.taken" in kinds, "no files were recorded")


def client_asking(stage: Stage, outcome: Outcome) -> None:
    _killed(stage, outcome, "client")


def keeper_asking(stage: Stage, outcome: Outcome) -> None:
    _killed(stage, outcome, "keeper")


def wrapper_asking(stage: Stage, outcome: Outcome) -> None:
    _killed(stage, outcome, "wrapper")


def all_asking(stage: Stage, outcome: Outcome) -> None:
    _killed(stage, outcome, "all")


def client_working(stage: Stage, outcome: Outcome) -> None:
    _killed(stage, outcome, "client", working=True)


def keeper_working(stage: Stage, outcome: Outcome) -> None:
    _killed(stage, outcome, "keeper", working=True)


def all_working(stage: Stage, outcome: Outcome) -> None:
    _killed(stage, outcome, "all", working=True)


def _killed(stage: Stage, outcome: Outcome, target: str, *, working: bool = False) -> None:
    """Somebody is killed while the model is waited for, or while a command runs; then it goes on to the end."""
    outcome.kills += 1
    if working and not stage.kind.talks:
        flag, go = stage.place.home / "begun", stage.place.home / "go"
        killer = stage.kill_while_working(target, flag, go)
        life = _begun(stage)
        killer.join(1)
        stage.demand(flag.exists(), "the command of the step never began")
    else:
        step = HELD - 1 if working else ASKED
        stage.upstream.at(step, lambda: stage.kill(target))
        life = _begun(stage)
    if target == "keeper":
        # The client doesn't notice: its requests and calls wait for the next keeper.
        _whole(stage, life)
        return
    stage.demand(life.status != 0, f"it was killed, and ended with {life.status}: {life.tail}")
    _whole(stage, stage.live(GO_ON, "--resume", RUN))


def rewound(stage: Stage, outcome: Outcome) -> None:
    """Back to earlier turns, one after another, each with its files; from the last of them it goes on to the end."""
    _whole(stage, _begun(stage))
    steps = stage.upstream.steps()
    for step in (6, 4, 2) if not stage.kind.talks else (4, 2):
        turn = 1 + steps.index(step)
        stage.told("rewind", RUN, "--to", str(turn))
        before = len(stage.failed)
        stage.files(step - 1, f"at turn {turn}")
        outcome.rewound += 1
        outcome.mismatches += len(stage.failed) > before
    asked = len(stage.upstream.recorded)
    _whole(stage, stage.live(GO_ON, "--resume", RUN))
    if stage.kind.cuts:
        first = next(each for each in stage.upstream.recorded[asked:] if each.purpose == "main")
        stage.demand(first.step == 2, f"it went on with step {first.step}, not from where it was cut")


def around(stage: Stage, outcome: Outcome) -> None:
    """The yardstick bites: with a profile that finds no servers they are reached around us, and that shows."""
    shipped = files("perdure.wrap.profiles") / "known" / f"{stage.kind.profile}.toml"
    broken = stage.place.home / "broken.toml"
    broken.write_text(shipped.read_text().replace('["mcp_servers"]', '["no_such_table"]'), encoding="utf-8")
    stage.settle(stage.kind.told, "paid")
    _whole(stage, stage.live(BEGIN, "--run", RUN, "--profile", str(broken)))
    kinds = [event["kind"] for event in stage.told("log", RUN)]
    stage.demand("effect.settled" not in kinds, "an effect went through us, and no server was found")


SCENARIOS: dict[str, Scenario] = {
    "told": told,
    "client killed asking": client_asking,
    "client killed working": client_working,
    "keeper killed asking": keeper_asking,
    "keeper killed working": keeper_working,
    "wrapper killed": wrapper_asking,
    "all killed asking": all_asking,
    "all killed working": all_working,
    "rewound": rewound,
    "around": around,
}


def fit(kind: Wrapped, name: str) -> bool:
    """Tell whether a client is put through a scenario."""
    return name != "around" or kind.name == "codex"


def played(kind: Wrapped, name: str) -> Outcome:
    """Put ``kind`` through the scenario ``name``."""
    outcome = Outcome([])
    began = time.monotonic()
    with staged(kind, f"{kind.name} {name}") as stage:
        if "working" in name:
            home = stage.place.home
            stage.upstream.tell(plot_of(kind.tool, flag=str(home / "begun"), go=str(home / "go")))
        else:
            stage.upstream.tell(plot_of(kind.tool))
        try:
            SCENARIOS[name](stage, outcome)
        except (AssertionError, OSError) as error:
            stage.failed.append(str(error)[-900:])
        stage.settled()
        outcome.failed = stage.failed
        outcome.requests = len(stage.upstream.recorded)
    outcome.seconds = time.monotonic() - began
    return outcome


def shown(client: str, name: str) -> Outcome:
    """Return what the client of that name shows in a scenario, whatever goes wrong."""
    kind = next(each for each in WRAPPED if each.name == client)
    try:
        return played(kind, name)
    except Exception:  # noqa: BLE001 - one client's disaster is told, and the next is run
        return Outcome([traceback.format_exc(limit=-3)[-1200:]])
