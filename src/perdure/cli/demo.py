"""``perdure demo``: another room on this floor, started as a process of its own."""

import subprocess
import sys
from typing import Final

import click

from perdure.cli.options import example

_SCENES: Final = {
    "invoices": "perdure.demo",
    "code": "perdure.demo.code",
    "window": "perdure.demo.window",
    "wrap": "perdure.demo.wrap",
}


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    epilog=example(
        "perdure demo",
        "perdure demo --seed 7 --json",
        "perdure demo code",
        "perdure demo window --keep seen",
        "perdure demo wrap",
    ),
)
@click.argument("scene", metavar="[SCENE]", type=click.Choice(list(_SCENES)), default="invoices")
@click.option("--seed", metavar="N", help="Decides all that goes wrong; drawn and printed if left out.")
@click.option("--invoices", metavar="N", help="How many invoices.")
@click.option("--kills", metavar="N", help="How many SIGKILLs of the agent.")
@click.option("--keep", metavar="DIR", help="Keep the log and the ledgers there.")
@click.option("--model", metavar="SPEC", help="A real model: anthropic:..., openai:..., local.")
@click.option("--base-url", metavar="URL", help="Where another server speaks the model's API.")
@click.option("--json", "json", is_flag=True, help="One line of figures on standard output.")
@click.pass_context
def demo(ctx: click.Context, scene: str, **given: str | bool | None) -> int:
    """See invoices paid once, whatever is killed; as SCENE code, an agent that goes astray; window, a gateway; wrap, yours.

    invoices: an agent pays a folder of invoices at a bank that is a process of its own, while it is killed,
    loses replies, is resumed twice at once and rewound; then the bank's ledger is shown beside our
    log. It takes less than a minute, and no key and no network.

    code: an agent fixes a bug in a repository with shell and edits, goes wrong, is rewound with its files,
    one of its changes is taken back, and blame shows why each line is there. A few seconds.

    window: an agent that never heard of perdure works through `perdure gateway`. Results leave its window and come
    back when the model asks, the gateway is killed in the middle of a reply and at last taken away; then the
    provider's bill is shown beside the one without perdure. Some ten seconds; it needs the extra `gateway`.

    wrap: a client that perdure doesn't know pays through MCP servers, is killed between a payment and hearing of it,
    and resumed: alone, and under `perdure wrap`, where also its keeper is killed, a person is asked, and files that
    it deleted are taken back. Some fifteen seconds; it needs the extras `gateway` and `mcp`.
    """
    words: list[str] = []
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, str):
            words += [option, value]
        elif value:
            words.append(option)
    return subprocess.run([sys.executable, "-m", _SCENES[scene], *words, *ctx.args], check=False).returncode
