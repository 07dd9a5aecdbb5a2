"""What a rewind, or taking a change back, would do to the files: shown before it is done."""

from collections.abc import Iterable
from typing import Final

import click

from perdure.assembly.files.going_back import Collided, Way
from perdure.checkpoint.steps import Plan
from perdure.checkpoint.tree import spelled
from perdure.cli.drawing.ink import Tone, clean, count, inked, path_name
from perdure.values.digest import Json

SHOWN: Final = 30
"""Paths of one kind that are listed: a screen. ``--json`` has all."""


def way_shape(way: Way | None) -> dict[str, Json]:
    """Return the files' part of a way as programs are shown it."""
    if way is None:
        return {"files": None}
    shape: dict[str, Json] = {
        **plan_shape(way.plan),
        "foreign": _names(way.foreign),
        "tree": way.at.tree,
        "recorded": way.at.recorded,
        "exact": way.at.exact,
    }
    return {"files": shape}


def plan_shape(plan: Plan) -> dict[str, Json]:
    """Return a plan as programs are shown it."""
    return {
        "created": _names(plan.created),
        "changed": _names(plan.changed),
        "deleted": _names(plan.deleted),
        "cleared": _names(plan.cleared),
        "kept": _names(plan.kept),
        "not_restorable": [{"path": spelled(each.path), "why": each.why} for each in plan.unrestorable],
    }


def say_way(way: Way | None, *, err: bool) -> None:
    """Print what a rewind does to the files."""
    if way is None:
        click.echo(inked("no files were recorded there; they stay as they are", "quiet"), err=err)
        return
    if not way.at.exact:
        words = "something may have changed after these files were recorded, and nobody looked"
        click.echo(f"{inked('!', 'doubt', bold=True)} {words}", err=err)
    say_plan(way.plan, frozenset(way.foreign), err=err)


def say_plan(plan: Plan, foreign: frozenset[str] = frozenset(), *, err: bool) -> None:
    """Print a plan; paths in ``foreign`` are marked."""
    rows: list[tuple[str, Tone, str, tuple[str, ...]]] = [
        ("+", "good", "created", plan.created),
        ("~", "doubt", "changed", plan.changed),
        ("-", "bad", "deleted", plan.deleted),
        ("-", "quiet", "cleared, a cache that would be stale", plan.cleared),
        ("=", "quiet", "left as it is", plan.kept),
    ]
    if not any(paths for *_, paths in rows) and not plan.unrestorable:
        click.echo(inked("the files are as they were: none changes", "quiet"), err=err)
    for sign, tone, words, paths in rows:
        for path in paths[:SHOWN]:
            mark = inked("  by nobody's tool", "ask") if path in foreign else ""
            aside = "" if words in ("created", "changed", "deleted") else inked(f"  {words}", "quiet")
            click.echo(f"  {inked(sign, tone, bold=True)} {path_name(path)}{aside}{mark}", err=err)
        if len(paths) > SHOWN:
            click.echo(inked(f"    and {len(paths) - SHOWN:,} more {words}", "quiet"), err=err)
    for each in plan.unrestorable[:SHOWN]:
        why = inked(f"  can't be put back: {each.why}", "bad")
        click.echo(f"  {inked('!', 'bad', bold=True)} {path_name(each.path)}{why}", err=err)


def say_collided(found: Collided) -> None:
    """Print where a change collides with what came after it, and the positions of that."""
    for each in found.conflicts.collisions:
        path = spelled(each.path)
        positions = ", ".join(map(str, found.later.get(path, ())))
        after = f", changed again at {positions}" if positions else ""
        click.echo(f"{inked('✗', 'bad', bold=True)} {path_name(path)}: {each.why}{after}", err=True)
        for line in each.shown.splitlines():
            tone: Tone = "good" if line.startswith("+") else "bad" if line.startswith("-") else "quiet"
            click.echo(f"    {inked(clean(line), tone)}", err=True)


def collided_shape(found: Collided) -> list[Json]:
    """Return the collisions as programs are shown them."""
    return [
        {
            "path": spelled(each.path),
            "why": each.why,
            "diff": each.shown,
            "positions": [*found.later.get(spelled(each.path), ())],
        }
        for each in found.conflicts.collisions
    ]


def words_of(plan: Plan) -> str:
    """Return a plan in a few words."""
    made = len(plan.created) + len(plan.changed)
    return f"{count(made, 'path')} put back, {len(plan.deleted):,} removed"


def _names(paths: Iterable[str]) -> list[Json]:
    return [spelled(path) for path in paths]
