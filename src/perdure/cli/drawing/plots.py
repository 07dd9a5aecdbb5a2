"""Plots as SVG that stands in a page: no script, and colours that follow the page's."""

from collections.abc import Sequence

from perdure.cli.drawing.amounts import tokens
from perdure.cli.drawing.pages import words
from perdure.profile.figures import Point

ORDER = ("system", "schema", "user", "said", "thinking", "call", "result", "media", "other")
WIDTH, HEIGHT, FOOT = 320, 120, 14


def window_plot(points: Sequence[Point], label: str) -> str:
    """Return a session's window over its requests: kinds upon each other, cold requests and compactions marked."""
    if not points:
        return ""
    top = max(sum(point.kinds.values()) for point in points) or 1
    last = max(points[-1].request, 1)
    across = [point.request / last * WIDTH for point in points]
    floor = [0.0] * len(points)
    shapes: list[str] = []
    for kind in ORDER:
        roof = [low + point.kinds.get(kind, 0) for low, point in zip(floor, points, strict=True)]
        if roof != floor:
            path = _area(across, floor, roof, top)
            shapes.append(f'<path d="{path}" fill="var(--{kind})"><title>{words(kind)}</title></path>')
        floor = roof
    marks = [_mark(x, point) for x, point in zip(across, points, strict=True)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + FOOT}" role="img" aria-label="{words(label)}">'
        f"{''.join(shapes)}{''.join(marks)}"
        f'<text x="0" y="{HEIGHT + 12}">1</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 12}" text-anchor="end">request {points[-1].request + 1:,}</text>'
        f'<text x="{WIDTH / 2}" y="{HEIGHT + 12}" text-anchor="middle">top {tokens(top)} tokens</text></svg>'
    )


def _area(across: Sequence[float], floor: Sequence[float], roof: Sequence[float], top: float) -> str:
    """Return the outline of what lies between two lines; a single point becomes a column."""
    if len(across) == 1:
        across, floor, roof = (0.0, float(WIDTH)), (floor[0],) * 2, (roof[0],) * 2
    up = [f"{x:.1f} {HEIGHT - y / top * HEIGHT:.1f}" for x, y in zip(across, roof, strict=True)]
    down = [f"{x:.1f} {HEIGHT - y / top * HEIGHT:.1f}" for x, y in zip(across, floor, strict=True)]
    return f"M{'L'.join(up)}L{'L'.join(reversed(down))}Z"


def _mark(x: float, point: Point) -> str:
    if point.compacted:
        return (
            f'<path d="M{x:.1f} 0V{HEIGHT}" stroke="var(--ink)" stroke-dasharray="3 3" stroke-width="1">'
            f"<title>compacted before request {point.request + 1}</title></path>"
        )
    if point.cold:
        return (
            f'<circle cx="{x:.1f}" cy="4" r="3" fill="var(--bad)">'
            f"<title>the cache was cold at request {point.request + 1}</title></circle>"
        )
    return ""


def dumbbells(rows: Sequence[tuple[str, float, float, str]], scale: tuple[float, float]) -> str:
    """Return a line for each (name, from, to, colour) on one scale, with a stroke where it is 1."""
    begin, end = scale
    wide, high, left = 640, 26, 150

    def x(value: float) -> float:
        return left + (min(max(value, begin), end) - begin) / (end - begin) * (wide - left - 60)

    foot = high * len(rows)
    drawn = [f'<path d="M{x(1):.1f} 0V{foot}" stroke="var(--soft)" stroke-dasharray="3 3"/>']
    for place, (name, low, top, colour) in enumerate(rows):
        y = place * high + high / 2
        drawn.append(
            f'<text x="0" y="{y + 4}" style="font-size:13px;fill:var(--ink)">{words(name)}</text>'
            f'<path d="M{x(low):.1f} {y}H{x(top):.1f}" stroke="var(--{colour})" stroke-width="3"/>'
            f'<circle cx="{x(top):.1f}" cy="{y}" r="5" fill="var(--card)" stroke="var(--{colour})" stroke-width="2.5"/>'
            f'<circle cx="{x(low):.1f}" cy="{y}" r="5" fill="var(--{colour})"/>'
            f'<text x="{wide}" y="{y + 4}" text-anchor="end" style="font-size:12px">{low:.2f}-{top:.2f}</text>'
        )
    drawn.append(f'<text x="{x(1):.1f}" y="{foot + 12}" text-anchor="middle">append-only</text>')
    return f'<svg viewBox="0 0 {wide} {foot + 16}" style="max-width:760px" role="img" aria-label="cost of each policy">{"".join(drawn)}</svg>'


def line_plot(series: Sequence[tuple[str, str, Sequence[float]]], label: str, unit: str) -> str:
    """Return lines over the same requests; each is (name, colour, values)."""
    top = max((max(values, default=0.0) for _, _, values in series), default=0.0) or 1.0
    count = max((len(values) for _, _, values in series), default=0)
    if not count:
        return ""
    wide = 2 * WIDTH
    lines: list[str] = []
    for name, colour, values in series:
        steps = [
            f"{place / max(count - 1, 1) * wide:.1f} {HEIGHT - value / top * HEIGHT:.1f}"
            for place, value in enumerate(values)
        ]
        lines.append(
            f'<path d="M{"L".join(steps)}" fill="none" stroke="var(--{colour})" stroke-width="2" '
            f'stroke-linejoin="round"><title>{words(name)}</title></path>'
        )
    return (
        f'<svg viewBox="0 0 {wide} {HEIGHT + FOOT}" role="img" aria-label="{words(label)}">'
        f'<path d="M0 {HEIGHT}H{wide}" stroke="var(--line)"/>{"".join(lines)}'
        f'<text x="0" y="{HEIGHT + 12}">1</text><text x="0" y="9">{words(unit)}</text>'
        f'<text x="{wide}" y="{HEIGHT + 12}" text-anchor="end">request {count:,}</text></svg>'
    )
