"""A group of commands that imports only the one that runs."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import cast

import click

from perdure.cli.ending import ended
from perdure.cli.verbs import Verb
from perdure.values.errors import Broken


class Commands(click.Group):
    """The whole command line. Calling it runs ``sys.argv`` and returns the exit code."""

    def __init__(
        self, name: str, words: str, epilog: str, verbs: Mapping[str, Verb], *, version: str
    ) -> None:
        """Offer ``verbs``, each by name."""
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
        super().__init__(name, help=words, epilog=epilog, context_settings=settings, no_args_is_help=True)
        self._verbs: Mapping[str, Verb] = verbs
        click.version_option(version, prog_name=name)(self)

    def __call__(self, *args: object, **kwargs: object) -> int:
        """Run the command that the process was called with, and return its exit code."""
        del args, kwargs
        given = sys.argv[1:]

        def work() -> object:
            return cast("object", self.main(given, prog_name="perdure", standalone_mode=False))

        return ended(work, as_json="--json" in given)

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        verb = self._verbs.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.home.partition(":")
        found = cast("object", getattr(import_module(module), attribute))
        if not isinstance(found, click.Command):
            raise Broken(f"{verb.home} is no command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._verbs and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 - only a mistyped word needs it

            near = difflib.get_close_matches(args[0], self._verbs, n=1)
            cure = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{cure}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        width = max(map(len, self._verbs))
        for part in dict.fromkeys(verb.part for verb in self._verbs.values()):
            rows = [
                (name.ljust(width), verb.words) for name, verb in self._verbs.items() if verb.part == part
            ]
            with formatter.section(part):
                formatter.write_dl(rows)
