"""The demo told to a person: in colour on a terminal, in plain lines everywhere else."""

from collections.abc import Mapping, Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from perdure.demo.audit import Account
from perdure.demo.bank_launch import RunningBank
from perdure.demo.bank_words import Payment, Statement
from perdure.demo.chronicle import Told
from perdure.demo.figures import Order, Shown
from perdure.demo.play import Again, Hit, Rewound
from perdure.projection.state import Effect
from perdure.values.digest import Json

PLAIN_WIDTH = 132
SCRIPTED = "The model mints new references and words every request anew."
MOMENTS = {
    "unsent": "promised, frozen right before the write",
    "received": "the bank has the request, and hasn't booked it",
    "booked": "the bank has booked it, and nobody has read the reply",
    "anywhere": "wherever it was",
}


class Teller:
    """Tells what happens while it happens."""

    def __init__(self, out: TextIO) -> None:
        """Tell it on ``out``."""
        terminal = out.isatty()
        self._console: Console = Console(
            file=out, highlight=False, soft_wrap=True, width=None if terminal else PLAIN_WIDTH
        )
        self._box: box.Box = box.ROUNDED if terminal else box.ASCII2
        self._hook: str = "╰" if terminal else "`"
        self._arrow: str = " → " if terminal else " -> "

    def opening(self, order: Order, bank: RunningBank) -> None:
        """Say what is about to happen."""
        asked = f"The model is {order.model}." if order.model else SCRIPTED
        self._say(
            f"\n[bold]perdure demo[/]  seed {order.seed}, {order.invoices} invoices, {order.kills} kills, "
            f"in {order.folder}"
        )
        self._say(
            f"[dim]The bank is a process of its own (pid {bank.pid}, {bank.url}). Transfers honour our key; "
            f"wires don't, and an express wire can't even be looked up. {asked}[/]\n"
        )

    def hit(self, hit: Hit) -> None:
        """Tell one strike, after what came of those before."""
        self.before(hit.before)
        what = _acts(hit.flying) or "nothing in flight"
        where = MOMENTS[hit.strike.moment] if hit.flying else MOMENTS["anywhere"]
        if not hit.caught.killed:
            self._say("[yellow]no kill[/]      the agent had come to rest before")
            return
        self._say(f"[bold red]SIGKILL[/] {hit.nth:>3}  [bold]{what}[/]  [dim]{where}[/]")
        if hit.strike.rivals > 1:
            self._say(f"            [cyan]{hit.strike.rivals} processes had taken up the run at once[/]")
        for refused in hit.refused:
            self._say(f"            [cyan]and one was told: {escape(refused)}[/]")

    def before(self, news: Sequence[tuple[Effect, Told]]) -> None:
        """Tell what became of payments that were hit earlier, or whose reply was lost."""
        for effect, told in news:
            if told.steps:
                steps = self._arrow.join(told.steps)
                self._say(f"          {self._hook} [dim]{_act(effect)}:[/] [green]{steps}[/]")

    def rewound(self, rewound: Rewound) -> None:
        """Tell how far the run was sent back."""
        paid = ", ".join(_act(effect) for effect in rewound.paid)
        self._say(f"[bold blue]rewind[/]       to position {rewound.to}, back over {paid}")

    def asked_again(self, again: Sequence[Again]) -> None:
        """Tell which payments the model asked for again, and what it was answered."""
        if again:
            self._say(
                "[bold blue]rewound[/]      since then the model has asked once more for what was done:"
            )
        for each in again:
            first, then = (_quoted(words) for words in (each.first, each.then))
            self._say(f"          {self._hook} [dim]{_act(each.effect)}: asked first as[/] {first}")
            self._say(f"            [dim]and now as[/] {then}: [green]answered with the receipt[/]")

    def waiting(self, text: str, effect: Effect, *, run: str, store: str) -> None:
        """Show what waits, and the commands that settle it."""
        settle = f"perdure settle {run} {effect.key[:12]} --store {store}"
        self._say(f"[bold yellow]waits[/]        {escape(text)}")
        self._say(f"            [dim]promised at position {effect.started} with key {effect.key}[/]")
        self._say(f"            {settle} --succeeded --result '...'")
        self._say(f"            {settle} --failed      [dim]or[/] --retry")

    def settled(self, effect: Effect, found: str) -> None:
        """Tell what the person found at the bank, and said."""
        look = f"finds {found} with that key: succeeded" if found else "finds nothing with that key: retry"
        self._say(
            f"          {self._hook} [dim]{_act(effect)}:[/] a person reads the bank's statement and {look}"
        )

    def ended(self, said: str, *, finished: bool) -> None:
        """Tell the agent's last words."""
        how = "[bold green]finished[/]  " if finished else "[bold red]ended[/]     "
        self._say(f"{how}   {escape(said)}\n")

    def trouble(self, said: str) -> None:
        """Tell what should not be."""
        self._say(f"[bold red]not so[/]       {escape(said)}")

    def unclaimed(self) -> None:
        """Say that the other half begins."""
        self._say(
            "[dim]The same script once more for a loop that saves a checkpoint after each step ...[/]\n"
        )

    def table(self, found: Sequence[Account], unclaimed: Statement | None) -> None:
        """Show the bank's ledger beside our log, and beside the ledger of the run without claims."""
        table = Table(box=self._box, title="What the bank has booked, and what the log says")
        for column in ("invoice", "route", "cents", "bank's ledger", "perdure's log"):
            table.add_column(column, justify="right" if column == "cents" else "left")
        if unclaimed is not None:
            table.add_column("bank's ledger without claims")
        for account in found:
            cells = [
                account.invoice.number,
                account.invoice.route,
                str(account.invoice.amount_cents),
                _booked(account.booked),
                _logged(account),
            ]
            if unclaimed is not None:
                paid = [each for each in unclaimed.payments if each.invoice == account.invoice.number]
                cells.append(_booked(paid))
            table.add_row(*cells)
        self._console.print(table)

    def closing(self, shown: Shown, *, events: int) -> None:
        """Say the figures in two sentences."""
        colour = "green" if shown.promised else "red"
        self._say(
            f"[bold {colour}]{shown.paid_once} of {shown.invoices} invoices paid once, "
            f"{shown.duplicates} paid twice, {shown.lost} lost[/], after {shown.kills} kills "
            f"({shown.kills_in_flight} in flight), {shown.replies_lost} lost replies and "
            f"{shown.resumers_refused} resumer refused. "
            f"{shown.settled_by_probe} settled by a probe, {shown.settled_by_person} by a person; "
            f"{shown.asked_again} asked for again after a rewind, and not done again."
        )
        if shown.duplicates_without_claims is not None:
            twice = f"[bold red]{shown.duplicates_without_claims} payments too many[/]"
            self._say(f"The same script without claims: {twice}.")
        verified = "verified, and extends every end that was seen" if shown.verified else "NOT whole"
        self._say(
            f"[dim]The log: {events} events, {verified}. {shown.seconds:.0f} s, seed {shown.seed}.[/]\n"
        )

    def _say(self, text: str) -> None:
        self._console.print(text)


def _act(effect: Effect) -> str:
    return f"{effect.tool} {effect.what.removeprefix('invoice=')}"


def _acts(effects: Sequence[Effect]) -> str:
    return ", ".join(map(_act, effects))


def _quoted(words: Mapping[str, Json]) -> str:
    return escape(f'"{words.get("reference", "")} {words.get("note", "")}"')


def _booked(payments: Sequence[Payment]) -> str:
    names = ", ".join(payment.payment_id for payment in payments)
    return f"[bold red]{names}[/]" if len(payments) > 1 else names or "-"


def _logged(account: Account) -> str:
    """Return what the log tells of all attempts at one payment; of those that failed, how many."""
    failed = sum(told.outcome == "failed" for told in account.told)
    words = [told.words for told in account.told if told.outcome != "failed"]
    return "; ".join([*words, f"{failed}x known not done"] if failed else words) or "nothing"
