"""A restored model asks again in other words: what was done stays done once, what is new is done.

Each case is drawn from a seed: a plan of business acts, where it is cut short, how often and how far the run goes
back (or is forked), and how the model words each call anew: ids, order of fields, references, dates of today, order of
what is left to do. Among the acts are some whose UUIDs and dates *are* the business object, polling, and a
second reminder that is meant.
"""

import random
import uuid
import warnings
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from perdure import Agent, Context, ask_person, tool
from perdure.adapters.tools.checks import IdentityWarning
from perdure.adapters.tools.tool import AnyTool
from perdure.intention.declaration import Declaration, EffectClass
from perdure.intention.reply import Call, Reply
from perdure.projection.state import Approval, State
from perdure.testing import ScriptedModel, World, call, say
from perdure.testing.lives import History
from perdure.values.digest import Json
from perdure.wire.prompt import Answered, Entry, Prompt, Said

Kind = Literal["pay", "visit", "remind", "ticket", "poll"]
DEEDS: Final[Sequence[Kind]] = ("pay", "visit", "remind", "ticket")
EFFECTS: Final[Sequence[EffectClass]] = ("once", "idempotent", "probeable")

ADVICE: Final = (
    "declare what makes two calls one act, and what says nothing: "
    'pay identity=("invoice",) volatile=("reference", "dated"); visit identity=("guest", "day"); '
    'remind identity=("to", "nth"); ticket identity=("ticket",)'
)


class Act(NamedTuple):
    """One thing that is meant to be done once, by its name in the world; polls are meant each time."""

    kind: Kind
    name: str
    fields: dict[str, Json]


class Counts(NamedTuple):
    """What became of all cases."""

    cases: int = 0
    calls: int = 0
    """calls that the models made"""
    again: int = 0
    """calls for something that had been done before the run went back"""
    duplicates: int = 0
    swallowed: int = 0
    """acts that were meant, and that a run which finished has not done"""
    asked: int = 0
    """questions to a person"""
    unfinished: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Return the sums."""
        return Counts(*(mine + yours for mine, yours in zip(self, other, strict=True)))


class Rewordings(NamedTuple):
    """The same cases with what the tools should declare, and without."""

    declared: Counts
    undeclared: Counts
    advice: str = ADVICE


# -- what is to be done ---------------------------------------------------------------------------------


def drawn_plan(chance: random.Random) -> list[Act]:
    """Return some acts; several differ in nothing but a UUID or a date."""
    makers: Sequence[Callable[[], list[Act]]] = (
        lambda: [paid(chance, number) for number in range(chance.randint(1, 2))],
        lambda: visits(chance),
        lambda: reminders(chance),
        lambda: [ticket(chance) for _ in range(chance.randint(1, 2))],
        lambda: [Act("poll", "poll", {"what": "queue"})] * chance.randint(1, 3),
    )
    plan = [act for make in chance.sample(makers, chance.randint(2, 4)) for act in make()]
    chance.shuffle(plan)
    return plan


def paid(chance: random.Random, number: int) -> Act:
    name = f"INV-{chance.randint(100, 999)}{number}"
    return Act("pay", f"pay {name}", {"invoice": name, "cents": chance.randint(1, 9) * 100})


def visits(chance: random.Random) -> list[Act]:
    """The guest's UUID and the day are what is booked: two days are two visits."""
    guest = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    days = [f"2026-03-{day:02}" for day in chance.sample(range(1, 28), chance.randint(1, 3))]
    return [Act("visit", f"visit {guest} {day}", {"guest": guest, "day": day}) for day in days]


def reminders(chance: random.Random) -> list[Act]:
    """A first reminder, and often a second one that is meant."""
    to = chance.choice(["ann", "ben", "cho"])
    return [
        Act("remind", f"remind {to} {nth}", {"to": to, "nth": nth}) for nth in range(chance.randint(1, 2))
    ]


def ticket(chance: random.Random) -> Act:
    name = uuid.UUID(int=chance.getrandbits(128), version=4).hex
    return Act("ticket", f"ticket {name}", {"ticket": name})


# -- the tools, with and without what they should declare ------------------------------------------------


def tools_of(
    world: World, effects: dict[Kind, EffectClass], *, declared: bool
) -> list[AnyTool | Declaration]:
    """Return the tools; ``effects`` are their classes."""

    def find(ctx: Context) -> object:
        return world.find(ctx.key)

    def do(ctx: Context, kind: Kind, act: str) -> None:
        (world.honour if effects[kind] == "idempotent" else world.apply)(act, key=ctx.key)

    def made(
        kind: Kind,
        function: Callable[..., object],
        identity: tuple[str, ...],
        volatile: tuple[str, ...] = (),
    ) -> AnyTool:
        probeable = effects[kind] == "probeable"
        return tool(
            effect=effects[kind],
            name=kind,
            probe=find if probeable else None,
            visible_within=0.0 if probeable else None,
            identity=identity if declared else None,
            volatile=volatile if declared else (),
        )(function)

    async def pay(ctx: Context, invoice: str, cents: int, reference: str, dated: str) -> str:
        do(ctx, "pay", f"pay {invoice}")
        return f"paid on {dated}"

    async def visit(ctx: Context, guest: str, day: str) -> str:
        do(ctx, "visit", f"visit {guest} {day}")
        return "booked"

    async def remind(ctx: Context, to: str, nth: int, wording: str) -> str:
        do(ctx, "remind", f"remind {to} {nth}")
        return "sent"

    async def close(ctx: Context, ticket: str, note: str) -> str:
        do(ctx, "ticket", f"ticket {ticket}")
        return "closed"

    @tool(effect="read")
    async def poll(what: str) -> str:
        world.asked["poll"] += 1
        return f"{what}: {world.asked['poll']}"

    return [
        made("pay", pay, ("invoice",), ("reference", "dated")),
        made("visit", visit, ("guest", "day")),
        made("remind", remind, ("to", "nth"), ("wording",)),
        made("ticket", close, ("ticket",), ("note",)),
        poll,
        ask_person,
    ]


def refused_in_doubt(entry: Entry) -> bool:
    """Tell whether a call was refused because another run has it in doubt."""
    return isinstance(entry, Answered) and entry.text.startswith("Refused (in doubt)")


# -- the model ------------------------------------------------------------------------------------------


class Rewording:
    """A model that wants the whole plan done, and words everything anew whenever it is asked."""

    def __init__(self, plan: Sequence[Act], chance: random.Random) -> None:
        self.plan: list[Act] = list(plan)
        self.chance: random.Random = chance
        self.calls: int = 0
        self._meant: dict[str, int] = {}
        """call id -> place in the plan"""

    def __call__(self, prompt: Prompt) -> Reply:
        """Call for what the conversation doesn't show yet, one or two things at a time.

        Where another run has something in doubt, ask a person, and call for it again.
        """
        doubtful = {
            entry.call_id
            for entry in prompt.entries
            if isinstance(entry, Answered) and refused_in_doubt(entry)
        }
        shown = {
            self._meant[call.id]
            for entry in prompt.entries
            if isinstance(entry, Said)
            for call in entry.reply.calls
            if call.id in self._meant and call.id not in doubtful
        }
        left = [place for place in range(len(self.plan)) if place not in shown]
        if not left:
            return say("All is done.")
        if refused_in_doubt(prompt.entries[-1]):
            return call("ask_person", question="It is in doubt elsewhere. What now?")
        self._reorder(left)
        return Reply(calls=tuple(self._worded(place) for place in left[: self.chance.choice([1, 1, 2])]))

    def meant(self, call: str) -> int:
        """Return the place in the plan that a call was for."""
        return self._meant[call]

    def _reorder(self, left: list[int]) -> None:
        """Another order, except that a second reminder comes after the first."""
        if self.chance.random() < 0.5:
            self.chance.shuffle(left)
            left.sort(key=lambda place: str(self.plan[place].fields.get("nth", "")))

    def _worded(self, place: int) -> Call:
        act, chance = self.plan[place], self.chance
        fields = dict(act.fields)
        match act.kind:
            case "pay":
                fields["reference"] = str(uuid.UUID(int=chance.getrandbits(128), version=4))
                fields["dated"] = f"2026-01-{chance.randint(1, 28):02}T{chance.randint(10, 23)}:00:00Z"
            case "remind":
                fields["wording"] = chance.choice(["Please pay.", "Kindly pay.", "A reminder to pay."])
            case "ticket":
                fields["note"] = chance.choice(["Done.", "Solved.", "Closing this."])
            case "visit" | "poll":
                pass
        names = list(fields)
        chance.shuffle(names)
        self.calls += 1
        name = f"call_{chance.getrandbits(64):x}"
        self._meant[name] = place
        return Call(name, act.kind, {each: fields[each] for each in names})


# -- one case -------------------------------------------------------------------------------------------


class Case:
    """One seed: a plan, a run that goes back, and a person who knows what was done."""

    def __init__(self, seed: int, *, declared: bool) -> None:
        self.chance: random.Random = random.Random(seed)
        self.world: World = World()
        self.plan: list[Act] = drawn_plan(self.chance)
        self.effects: dict[Kind, EffectClass] = {kind: self.chance.choice(EFFECTS) for kind in DEEDS}
        self.model: Rewording = Rewording(self.plan, self.chance)
        self.declared: bool = declared
        self.asked: int = 0
        self.again: int = 0
        self.history: History = History(self.agent, self.world)

    def agent(self) -> Agent:
        tools = tools_of(self.world, self.effects, declared=self.declared)
        return Agent(name="clerk", instructions="Do it.", tools=tools, model=ScriptedModel(self.model))

    def play(self) -> Counts:
        """Run, go back or fork up to three times, run on; return what became of it."""
        run = "run"
        course = self.history.course
        if self.chance.random() < 0.5:
            course.kills = frozenset({self.chance.randint(12, 60)})
        self.history.live(lambda house, agent: house.start(agent, "Do it all.", run=run))
        for number in range(self.chance.randint(1, 3)):
            self._rest(run, rounds=self.chance.randint(0, 3))
            run = self._back(run, f"fork-{number}")
            course.clock.pass_ns(self.chance.randint(0, 3 * 3600) * 10**9)
        state = self._rest(run, rounds=60)
        counts = self.world.counts()
        meant = [act.name for act in self.plan if act.kind != "poll"]
        finished = state.status == "finished"
        return Counts(
            cases=1,
            calls=self.model.calls,
            again=self.again,
            duplicates=sum(max(0, count - 1) for count in counts.values()),
            swallowed=sum(name not in counts for name in meant) if finished else 0,
            asked=self.asked,
            unfinished=not finished,
        )

    def _back(self, run: str, new: str) -> str:
        """Go back to a random position, in this run or in a fork; return the run that goes on."""
        state = self.history.ending().state(run)
        first = max(state.forked_at + 3, 3)
        if first >= state.position:
            return run
        to = self.chance.randint(first, state.position - 1)
        self.again += len(self.world.applied)
        if self.chance.random() < 0.3 and state.position > state.forked_at + 4:
            self.history.live(lambda house, agent: house.fork(run, at=to, new=new))
            return new
        self.history.people.rewind(run, to, by="operator")
        return run

    def _rest(self, run: str, *, rounds: int) -> State:
        """Drive until it has finished, answering what it asks, at most so many times."""
        state = self.history.ending().state(run)
        for _ in range(rounds):
            self.history.live(lambda house, agent: house.resume(agent, run))
            state = self.history.ending().state(run)
            if state.closed:
                break
            self._answer(state)
        return state

    def _answer(self, state: State) -> None:
        """Answer truthfully: allow what was not done yet, deny what was, settle what is in doubt."""
        people = self.history.people
        if state.wait == "person":
            for row in self.history.store.rows():
                if row.run != state.run:
                    self._rest(row.run, rounds=3)
            people.message(state.run, "It is settled: try again.")
        for effect in state.world.open.values():
            if effect.phase == "doubted":
                done = self.world.did(effect.key)
                people.settle(state.run, effect.key, "succeeded" if done else "retry", by="operator")
        for approval in state.world.approvals.values():
            if approval.phase == "asked":
                self.asked += 1
                if self._is_done(approval, state):
                    people.deny(state.run, approval.id, by="operator", note="it was done already")
                else:
                    people.approve(state.run, approval.id, by="operator")

    def _is_done(self, approval: Approval, state: State) -> bool:
        place = self.model.meant(approval.call)
        return self.world.count(self.plan[place].name) > 0


def rewording(seed: int, *, declared: bool) -> Counts:
    """Play the case of this seed. Tools without an identity warn, which is what half of the cases are about."""
    case = Case(seed, declared=declared)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentityWarning)
            return case.play()
    finally:
        case.history.discard()


def rewordings(n: int, seed: int = 0) -> Rewordings:
    """Play ``n`` cases, with what the tools should declare and without."""
    declared, undeclared = Counts(), Counts()
    for number in range(seed, seed + n):
        declared = declared.plus(rewording(number, declared=True))
        undeclared = undeclared.plus(rewording(number, declared=False))
    return Rewordings(declared, undeclared)
