"""``perdure hooks``: what a client's settings say so that its own tools are judged and recorded, and what that runs.

``tell`` starts with every tool call of a client: nothing is imported here that it doesn't need.
"""

import click

from perdure.cli.drawing.ink import inked
from perdure.cli.ending import FINISHED
from perdure.cli.options import example, json_option


@click.group(
    epilog=example(
        "perdure hooks print claude-code", "perdure hooks print codex --strict", "perdure wrap -- claude"
    )
)
def hooks() -> None:
    """Let a client's own tools be judged by the contract and recorded, by the client's own hooks.

    `perdure wrap` does this by itself where the client allows it. Print the snippet for clients whose settings you
    keep yourself, or to have a refusal also where no keeper can be reached.
    """


@hooks.command(
    name="print",
    epilog=example(
        "perdure hooks print claude-code",
        "perdure hooks print gemini-cli --portable",
        "perdure hooks print opencode --strict --json",
    ),
)
@click.argument("client", metavar="CLIENT")
@click.option("--strict", is_flag=True, help="Refuse a tool where no keeper can judge it.")
@click.option(
    "--portable", is_flag=True, help="Name `perdure` as found on PATH, for settings that are shared."
)
@json_option
def print_(*, client: str, strict: bool, portable: bool, as_json: bool) -> int:
    """Print what belongs into the settings of CLIENT: claude-code, codex, gemini-cli, opencode or qwen-code.

    Merge it with the hooks that are there. Outside of a wrapped session these hooks do nothing, unless --strict.
    """
    from perdure.cli.out import put  # noqa: PLC0415 - the other command doesn't need it
    from perdure.wrap.hooks.snippets import snippet_of, spelled  # noqa: PLC0415 - as above

    snippet = snippet_of(client, strict=strict, portable=portable)
    if as_json:
        put({"client": client, "document": snippet.document, "where": snippet.where, "note": snippet.note})
        return FINISHED
    click.echo(spelled(snippet))
    click.echo(inked(f"put this into {snippet.where}", "quiet"), err=True)
    if snippet.note:
        click.echo(inked(snippet.note, "quiet"), err=True)
    return FINISHED


@hooks.command(epilog=example("perdure hooks tell claude-code < event.json"))
@click.argument("client", metavar="CLIENT")
@click.option("--strict", is_flag=True, help="Refuse a tool where no keeper can judge it.")
def tell(*, client: str, strict: bool) -> int:
    """Tell the keeper of this session what CLIENT's hook says on standard input; a client runs this, not you.

    The exit code is the client's: 0 goes on, 2 refuses with the reason on standard error, 1 says that nothing could be
    recorded.
    """
    from perdure.wrap.hooks.telling import tell as told  # noqa: PLC0415 - the other command doesn't need it

    return told(client, strict=strict)
