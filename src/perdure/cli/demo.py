"""``perdure demo``: another room on this floor, started as a process of its own."""

import subprocess
import sys

import click

from perdure.cli.options import example


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    epilog=example("perdure demo", "perdure demo --seed 7 --json", "perdure demo code"),
)
@click.argument("scene", metavar="[SCENE]", type=click.Choice(["invoices", "code"]), default="invoices")
@click.option("--seed", metavar="N", help="Decides all that goes wrong; drawn and printed if left out.")
@click.option("--invoices", metavar="N", help="How many invoices.")
@click.option("--kills", metavar="N", help="How many SIGKILLs of the agent.")
@click.option("--keep", metavar="DIR", help="Keep the log and the ledgers there.")
@click.option("--model", metavar="SPEC", help="A real model: anthropic:..., openai:..., local.")
@click.option("--base-url", metavar="URL", help="Where another server speaks the model's API.")
@click.option("--json", "json", is_flag=True, help="One line of figures on standard output.")
@click.pass_context
def demo(ctx: click.Context, scene: str, **given: str | bool | None) -> int:
    """See invoices paid once, whatever is killed; or, as SCENE code, a bug fixed by an agent that goes astray.

    invoices: an agent pays a folder of invoices at a bank that is a process of its own, while it is killed,
    loses replies, is resumed twice at once and rewound; then the bank's ledger is shown beside our
    log. It takes less than a minute, and no key and no network.

    code: an agent fixes a bug in a repository with shell and edits, goes wrong, is rewound with its files,
    one of its changes is taken back, and blame shows why each line is there. A few seconds.
    """
    module = "perdure.demo.code" if scene == "code" else "perdure.demo"
    words: list[str] = []
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, str):
            words += [option, value]
        elif value:
            words.append(option)
    return subprocess.run([sys.executable, "-m", module, *words, *ctx.args], check=False).returncode
