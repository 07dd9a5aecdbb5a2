"""``python -m perdure.testing.upstream``: serve one provider until the standard input ends or a signal comes."""

import sys

import click
import msgspec

from perdure.testing.upstream.ledgers import LEDGER_BYTES
from perdure.testing.upstream.plots import PLOTS
from perdure.testing.upstream.server import Upstream
from perdure.testing.upstream.troubles import trouble_of


@click.command()
@click.option("--port", default=0, show_default=True, help="0: any that is free.")
@click.option("--script", default="hunt", show_default=True, type=click.Choice(sorted(PLOTS)))
@click.option("--seed", default="perdure", show_default=True, help="What ledgers and signatures derive from.")
@click.option("--workspace", default="", help="Where the client's tools run, for tools that read files.")
@click.option("--ledger-bytes", default=LEDGER_BYTES, show_default=True, help="How long a ledger is.")
@click.option("--trouble", "troubles", multiple=True, metavar="N:KIND", help="Let the N-th answer go wrong.")
@click.option(
    "--caching/--no-caching", default=True, show_default=True, help="Whether it has a prompt cache."
)
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as JSON.")
def main(
    port: int,
    script: str,
    seed: str,
    workspace: str,
    ledger_bytes: int,
    troubles: tuple[str, ...],
    *,
    caching: bool,
    as_json: bool,
) -> None:
    """Serve a strict scripted provider on loopback."""
    try:
        planned = dict(trouble_of(words) for words in troubles)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong)) from wrong
    upstream = Upstream(
        PLOTS[script],
        seed=seed,
        workspace=workspace,
        troubles=planned,
        ledger_bytes=ledger_bytes,
        port=port,
        caching=caching,
    )
    with upstream:
        told = msgspec.json.encode({"port": upstream.port, "url": upstream.url}).decode()
        click.echo(told if as_json else f"listening at {upstream.url}")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
