"""Pieces of pages: whatever comes from a transcript is escaped here, and nothing is loaded from anywhere."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from perdure.cli.drawing.page_style import STYLE

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""A browser that keeps to it runs no script and loads nothing, whatever a transcript holds."""


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{words(title)}</title><style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def words(text: str, length: int = 400) -> str:
    """Return ``text`` for a page: on one line, cut, without anything that a browser would obey."""
    flat = " ".join(text.split())
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in flat)
    return escape(shown if len(shown) <= length else f"{shown[: length - 1]}…", quote=True)


def section(title: str, about: str, *parts: str) -> str:
    """Return a part of a page under a heading; none where it would be empty."""
    inside = "".join(parts)
    return f"<section><h2>{words(title)}</h2><p>{words(about, 600)}</p>{inside}</section>" if inside else ""


def cards(pairs: Sequence[tuple[str, str]]) -> str:
    """Return a row of figures, each with what it is."""
    inside = "".join(
        f"<div class='card'><b>{words(value)}</b><span>{words(name)}</span></div>" for value, name in pairs
    )
    return f"<div class='cards'>{inside}</div>"


def row(
    name: str, part: float, colour: str, cells: Sequence[str], *, sub: bool = False, title: str = ""
) -> str:
    """Return a bar with a name before and figures behind; ``part`` is its length, up to 1."""
    width = max(min(part, 1.0), 0.0) * 100
    kinds = ("n", "n share", "n money")
    figures = "".join(
        f"<span class='{kind}'>{words(cell)}</span>" for kind, cell in zip(kinds, cells, strict=False)
    )
    return (
        f"<div class='row{' sub' if sub else ''}' title='{words(title or name)}'><span class='name'>{words(name)}</span>"
        f"<span class='track'><i style='width:{width:.2f}%;background:var(--{colour})'></i></span>{figures}</div>"
    )


def legend(series: Iterable[tuple[str, str, object]]) -> str:
    """Return names with their colours; each of ``series`` is (name, colour, ...)."""
    marks = "".join(
        f"<span><i style='background:var(--{colour})'></i>{words(name)}</span>" for name, colour, _ in series
    )
    return f"<div class='legend'>{marks}</div>"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table; its first column is words, the others figures."""
    top = "".join(f"<th>{words(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{words(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return (
        f"<div class='wide'><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
        if body
        else ""
    )


def listed(lines: Iterable[str]) -> str:
    """Return a list of sentences."""
    inside = "".join(f"<li>{words(line, 600)}</li>" for line in lines)
    return f"<ul>{inside}</ul>" if inside else ""
