"""SIGKILL over the real agent: real processes, a real bank, and the bank's own ledger as the judge.

What is counted:
- a kill is *in flight* if the log, read after it, holds an effect that was started and not settled;
- a *duplicate* is a payment beyond the first of its invoice, in the bank's ledger;
- *lost* is a payment that one of ledger and log knows and the other doesn't, an invoice that nobody paid,
  or an end of a log that was seen after a kill and isn't there any more.

The same script for a loop that saves a checkpoint after each step shows what the count would be.
"""

import os
import signal
import tempfile
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import perdure
from perdure.demo.agent import LISTED_WITHIN_S
from perdure.demo.audit import duplicates
from perdure.demo.bank_launch import BankSettings, RunningBank, open_bank
from perdure.demo.invoices import write_invoices
from perdure.demo.killing import Body, Lane, frozen, start, strike_at
from perdure.demo.play import Play
from perdure.demo.strikes import Strike, draw_script
from perdure.demo.unclaimed import play_unclaimed
from perdure.demo.worker import FINISHED, HELD, WAITS, Errand
from perdure.log import events as e

LANES = 3
"""At once: while one waits for the bank to list a wire, two keep the cores busy."""

INVOICES, KILLS = 8, 14
"""Of one run; the next run has invoices of its own."""

RESUMERS = 8
PATIENCE_S = 120.0
LOOK_S = 0.02


class Tally(NamedTuple):
    """What one lane came to."""

    kills: int
    in_flight: int
    runs: int
    duplicates: int
    lost: int


def sigkill_figures(kills: int = 200, seconds_max: float = 150.0, *, seed: int = 1) -> dict[str, int]:
    """Kill the agent so often, and count; fewer kills are made, and told, if the time runs out."""
    until = time.monotonic() + seconds_max
    shares = [kills // LANES + (nth < kills % LANES) for nth in range(LANES)]
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [
            pool.submit(_lane_of_kills, share, seed + 1000 * nth, until) for nth, share in enumerate(shares)
        ]
        found = [lane.result() for lane in lanes]
    return {
        "sigkills": sum(each.kills for each in found),
        "sigkills_in_flight": sum(each.in_flight for each in found),
        "sigkill_runs": sum(each.runs for each in found),
        "bank_duplicates": sum(each.duplicates for each in found),
        "sigkill_lost": sum(each.lost for each in found),
        **resumer_figures(),
        **takeover_figures(),
        "bank_duplicates_without_claims": duplicates_without_claims(seed),
    }


def resumer_figures() -> dict[str, int]:
    """Let eight processes resume one run at the same time; count who is refused and what the bank is sent."""
    with _place() as folder, _bank(folder) as bank:
        invoices = write_invoices(folder / "invoices", 3, seed=1)
        lane, wire = _lane(folder, bank, "contested"), invoices[1].number
        first = strike_at(lane, Strike(moment="unsent"), wire, [1])
        caught = strike_at(lane, Strike(moment="booked", rivals=RESUMERS), wire, range(2, 2 + RESUMERS))
        held = sum(ended.code == HELD for ended in caught.ended)
        if (first.killed, caught.killed, held) != (1, 1, RESUMERS - 1):
            raise RuntimeError(f"{caught.killed} of {RESUMERS} resumers held the run, {held} were refused")
        return {"resumers": RESUMERS, "firings": _requests(bank, wire)}


def takeover_figures() -> dict[str, int]:
    """Stop a payer right before its write, take its run over, and let it go on: count what the bank is sent.

    The successor may not send: the payer is stopped, not dead, and does send in the end.
    """
    with _place() as folder, _bank(folder) as bank, perdure.open(folder / "store") as store:
        invoices = write_invoices(folder / "invoices", 3, seed=1)
        lane, wire = _lane(folder, bank, "taken"), invoices[1].number
        payer = start(lane, wording=1, freeze=wire)
        bodies = [payer]
        try:
            if not frozen(lane, payer):
                raise RuntimeError("the payer ended before it was to pay")
            bodies.append(start(lane, wording=2, take_over=True))
            looked = _probed_past_the_lag(store, "taken")
            doubted, before = _doubted(store, "taken"), _requests(bank, wire)
            payer.process.send_signal(signal.SIGCONT)
            ends = [_end_of(body) for body in bodies]
        finally:
            for body in bodies:
                body.process.kill()
        if ends != [HELD, FINISHED]:
            raise RuntimeError(f"the fenced payer and its successor ended with {ends}")
        return {
            "takeover_probes": looked,
            "takeover_in_doubt": doubted,
            "takeover_firings_before": before,
            "takeover_firings": _requests(bank, wire),
        }


def duplicates_without_claims(seed: int) -> int:
    """Play one script for the loop that only saves checkpoints; count what the bank booked too often."""
    with _place() as folder, _bank(folder) as bank:
        invoices = write_invoices(folder / "invoices", INVOICES, seed=seed)
        lane = _lane(folder, bank, "naive", module="perdure.demo.naive")
        script = draw_script(KILLS, INVOICES, seed=seed)
        return duplicates(play_unclaimed(lane, script, invoices, wording=seed))


def _lane_of_kills(kills: int, seed: int, until: float) -> Tally:
    """Run after run at one bank and in one store, until so many processes are killed."""
    done = in_flight = lost = runs = 0
    with _place() as folder, _bank(folder) as bank, perdure.open(folder / "store") as store:
        while done < kills and time.monotonic() < until:
            runs += 1
            first = runs * 100
            name = f"run-{runs}"
            invoices = write_invoices(folder / name, INVOICES, seed=seed + runs, first=first)
            play = Play(_lane(folder, bank, name, invoices=name), store, invoices, wording=seed + 50 * runs)
            _whole_run(play, min(KILLS, kills - done), seed + runs, until)
            done, in_flight = done + play.kills, in_flight + play.kills_in_flight
            lost += _missing(play)
        return Tally(done, in_flight, runs, duplicates(bank.statement()), lost)


def _whole_run(play: Play, kills: int, seed: int, until: float) -> None:
    """Play one script to the end: the run is finished, whatever it took."""
    script = draw_script(kills, len(play.invoices), seed=seed)
    for strike in script.strikes:
        if time.monotonic() < until:
            play.strike(strike)
    play.rewind(script.rewound)
    if script.last is not None:
        play.strike(script.last, play.invoices[-1].number)
    while (ended := play.rest()).code == WAITS:
        for effect in play.doubts():
            play.settle(effect)
    if ended.code != FINISHED:
        raise RuntimeError(f"{play.run} ended with {ended}")


def _missing(play: Play) -> int:
    """Count what ledger and log don't agree on, invoices that nobody paid, and ends that are gone."""
    found = play.accounts()
    disagree = sum(account.lost for account in found)
    return disagree + sum(not account.booked for account in found) + len(play.wrong())


def _probed_past_the_lag(store: perdure.Store, run: str) -> int:
    """Wait until the successor has looked for the payment when it would be listed; return its looks."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        events = list(store.events(run))
        taken = [event.at for event in events if isinstance(event.body, e.LeaseAcquired)][-1]
        looks = [event.at for event in events if isinstance(event.body, e.EffectReconciled)]
        if looks and looks[-1] > taken + 2 * LISTED_WITHIN_S * 1e9:
            return len(looks)
        time.sleep(LOOK_S)
    raise RuntimeError("the successor did not look for the payment")


def _doubted(store: perdure.Store, run: str) -> int:
    return sum(effect.phase == "doubted" for effect in store.state(run).world.open.values())


def _end_of(body: Body) -> int:
    body.process.communicate(timeout=PATIENCE_S)
    return body.process.returncode


def _requests(bank: RunningBank, invoice: str) -> int:
    return sum(request.invoice == invoice for request in bank.statement().requests)


def _lane(
    folder: Path,
    bank: RunningBank,
    run: str,
    *,
    invoices: str = "invoices",
    module: str = "perdure.demo.worker",
) -> Lane:
    errand = Errand(store=str(folder / "store"), run=run, bank=bank.url, invoices=str(folder / invoices))
    return Lane(errand=errand, bank=bank, module=module, patience_s=PATIENCE_S)


@contextmanager
def _place() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="perdure-sigkill-") as place:
        yield Path(place)


@contextmanager
def _bank(folder: Path) -> Generator[RunningBank]:
    with open_bank(folder / "bank.db", BankSettings(visible_ms=300, parent=os.getpid())) as bank:
        yield bank


if __name__ == "__main__":
    began = time.monotonic()
    print(sigkill_figures(), f"{time.monotonic() - began:.0f} s")
