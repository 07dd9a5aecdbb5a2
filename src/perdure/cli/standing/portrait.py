"""A state drawn for a person: what was said, done, asked and spent."""

from collections.abc import Sized
from typing import Final

from perdure.cli.drawing.ink import Tone, count, inked, moment, money, one_line
from perdure.cli.drawing.tables import Cell, table
from perdure.cli.place import Place
from perdure.cli.spoken.words import KEY_CHARACTERS, OUTCOMES, UNKNOWN, text_of
from perdure.contract import Law
from perdure.contract.budgets import Purse, counter_of, is_total
from perdure.driver import books
from perdure.intention.reply import read_reply
from perdure.orchestrator.figures import figures_of, where_of
from perdure.projection.state import CallRecord, Effect, Message, State, Turn

ANSWERS: dict[str, tuple[str, Tone]] = {
    **OUTCOMES,
    "refused": ("⊘", "bad"),
    "replayed": ("↺", "good"),
    "told": ("·", "quiet"),
    "": ("…", "doubt"),
}

NEWEST: Final = 40
"""Lines of a section: a screen. ``--json`` has all."""


def portrait(place: Place, state: State) -> str:
    """Return the state in sections; those that would be empty are left out."""
    parts = {
        f"{state.status}": table([[(words, "plain")] for words in _facts(state)], indent="  "),
        "conversation": "\n".join(f"  {line}" for line in newest(_conversation(place, state))),
        "open": table([effect_row(effect) for effect in state.world.open.values()], indent="  "),
        "receipts": receipts_of(state),
        "approvals": table(_approvals(state), indent="  "),
        "spent": table(_counters(state), indent="  "),
        "timers": table(_timers(state), indent="  "),
    }
    return "\n".join(f"{inked(name, 'head', bold=True)}\n{body}" for name, body in parts.items() if body)


def receipts_of(state: State) -> str:
    """Return the newest receipts."""
    rows = remembered(state, after=0, settled=True)
    kept = table(rows[-NEWEST:], indent="  ")
    return f"{inked(_earlier(rows), 'quiet')}\n{kept}" if len(rows) > NEWEST else kept


def newest(lines: list[str]) -> list[str]:
    """Return the newest of ``lines``, and how many came before."""
    return [inked(_earlier(lines), "quiet"), *lines[-NEWEST:]] if len(lines) > NEWEST else lines


def _earlier(rows: Sized) -> str:
    return f"  … {len(rows) - NEWEST:,} earlier ones, see --json"


def _facts(state: State) -> list[str]:
    facts = [f"agent {state.agent}, tenant {state.tenant}, lineage {state.lineage}, epoch {state.epoch}"]
    spent = [count(state.world.turns, "turn"), count(state.world.tokens, "token")]
    if state.world.cost_microusd:
        spent.append(money(state.world.cost_microusd))
    facts.append(", ".join(spent))
    if state.wait_text and state.status == "waiting":
        facts.append(f"waits: {state.wait_text}")
    if state.why:
        facts.append(state.why)
    if state.live.tree:
        facts.append(f"workspace tree {state.live.tree[:12]}, recorded at {state.live.tree_position}")
    return facts


def _conversation(place: Place, state: State) -> list[str]:
    lines: list[str] = []
    for entry in state.live.entries.values():
        match entry:
            case Message():
                text = books.text_of(place.store.books, entry.text)
                lines.append(f"{inked(f'» {entry.sender}', 'head')}  {one_line(text, 160)}")
            case Turn():
                lines += _turn(place, entry)
    return lines


def _turn(place: Place, turn: Turn) -> list[str]:
    if turn.reply is None:
        return [f"{inked(f'« turn {turn.number}', 'model')}  asked, not answered"]
    said = read_reply(books.text_of(place.store.books, turn.reply).encode()).text
    first = f"{inked(f'« turn {turn.number}', 'model')}  {one_line(said, 160)}".rstrip()
    return [first, *(f"    {_call(call)}" for call in turn.calls)]


def _call(call: CallRecord) -> str:
    sign, tone = ANSWERS.get(call.answer, UNKNOWN)
    result = one_line(call.text or text_of(call.content), 100)
    return f"{inked(sign, tone, bold=True)} {call.tool}  {inked(result or call.answer or 'open', 'quiet')}"


def effect_row(effect: Effect) -> list[Cell]:
    """Return one effect in columns: sign, what, class, outcome or phase, where, what came of it."""
    word = effect.outcome or effect.phase
    sign, tone = OUTCOMES.get(word, ("?", "doubt") if word != "compensated" else ("↶", "doubt"))
    came = effect.error or text_of(effect.result) or effect.doubt
    return [
        (sign, tone),
        (f"{effect.tool} {effect.what}".rstrip(), "plain"),
        (effect.effect, "quiet"),
        ("in doubt" if word == "doubted" else word, tone),
        (str(effect.settled or effect.started), "quiet"),
        (effect.key[:KEY_CHARACTERS], "quiet"),
        (one_line(came, 120), "quiet"),
    ]


def remembered(state: State, *, after: int, settled: bool = False) -> list[list[Cell]]:
    """Return effects that began past ``after``: receipts, and unless ``settled`` says so, open ones.

    Of what comes back with a rewind, deeds in the workspace are none: they go back as well.
    """
    known = list(state.world.receipts.values())
    if not settled:
        known = [effect for effect in known if effect.effect != "workspace"]
        known += [effect for effect in state.world.open.values() if effect.effect != "read"]
        known += state.world.elsewhere.values()
    return [effect_row(effect) for effect in known if effect.started > after]


def _approvals(state: State) -> list[list[Cell]]:
    tones: dict[str, Tone] = {"asked": "ask", "granted": "good", "used": "good", "denied": "bad"}
    return [
        [
            (approval.id, "plain"),
            (approval.phase, tones.get(approval.phase, "quiet")),
            (approval.by or approval.who, "quiet"),
            (approval.why, "plain"),
        ]
        for approval in state.world.approvals.values()
    ]


def _counters(state: State) -> list[list[Cell]]:
    return [[(name, "plain"), (f"{used:,}", "plain")] for name, used in state.world.counters.items()]


def _timers(state: State) -> list[list[Cell]]:
    return [
        [(item.name, "plain"), (moment(item.due), "quiet"), (item.why, "plain")]
        for item in state.live.timers.values()
    ]


def budgets(law: Law, state: State, now: int) -> list[list[Cell]]:
    """Return every budget with what is used of it, as this run knows it."""
    return [_budget(purse, state, now) for purse in law.purses]


def _budget(purse: Purse, state: State, now: int) -> list[Cell]:
    figures, where, budget = figures_of(state, now), where_of(state), purse.budget
    used = figures.used(counter_of(purse, where, now))
    if is_total(budget):
        totals = {
            "tokens": figures.tokens,
            "cost": figures.cost_microusd,
            "seconds": figures.elapsed_ns // 10**9,
            "turns": figures.turns,
        }
        used = totals.get(budget.of, used)
    every = "" if budget.every == "never" else f", anew every {budget.every}"
    tone: Tone = "bad" if used >= budget.max else "doubt" if used * 5 >= budget.max * 4 else "good"
    return [
        (budget.name, "plain"),
        (f"{used:,} of {budget.max:,}", tone),
        (f"{budget.of} per {budget.per}{every}", "quiet"),
    ]
