"""The figures of a report, as SVG: bars a task, a radar, and curves. All text in them is escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from onethinker.report import svg
from onethinker.report.svg import Point, Scale
from onethinker.report.tables import Number


@dataclass(frozen=True)
class Series:
    """One evaluation in a figure. class_: the CSS class of its colour. values: by row label, shares 0–1."""

    label: str
    class_: str
    values: Mapping[str, Number]


@dataclass(frozen=True)
class Curve:
    """One line of a panel. smooth: drawn bold above the raw line, which is then faint."""

    label: str
    class_: str
    x: Sequence[float]
    y: Sequence[float]
    smooth: Sequence[float] | None = None


@dataclass(frozen=True)
class Panel:
    """A small drawing of curves below its title. named: with a legend."""

    title: str
    curves: Sequence[Curve]
    drawing: Markup
    named: bool


def _drawing(width: int, height: int, parts: Sequence[str], label: str) -> Markup:
    """What `svg` made of escaped text, marked so that a template takes it as it is. label: for screen readers."""
    return Markup(svg.figure(width, height, "".join(parts), label))


# ---- bars -------------------------------------------------------------------------------------------------------

_LABELS, _VALUES, _BAR, _GAP, _SLIM = 212, 150, 11, 18, 9


def bars(rows: Sequence[str], series: Sequence[Series], width: int = 1000) -> Markup:
    """A group of bars a row, with intervals as whiskers, and the last series' gain over the first at the right."""
    group = len(series) * (_BAR + 3)
    height = len(rows) * (group + _GAP) + 34
    scale = Scale(0, 1, _LABELS, width - _VALUES)
    grid = [
        svg.line((scale(t), 8), (scale(t), height - 26), "grid")
        + svg.text(f"{100 * t:.0f}%", scale(t), height - 8, anchor="middle")
        for t in (0, 0.25, 0.5, 0.75, 1)
    ]
    body = []
    for r, row in enumerate(rows):
        top = 12 + r * (group + _GAP)
        body.append(svg.text(row, _LABELS - 14, top + group / 2 + 3, "name", "end"))
        body += [_bar(row, s, top + i * (_BAR + 3), scale) for i, s in enumerate(series)]
        body.append(_gain_text(row, series, width, top + group / 2 + 4))
    return _drawing(width, height, grid + body, "Each task's headline metric in every evaluation")


def _bar(row: str, series: Series, y: float, scale: Scale) -> str:
    number = series.values.get(row)
    value = number["value"] if number else None
    if number is None or value is None:
        return svg.text("no result", scale(0) + 6, y + _BAR - 1, "label")
    low, high = number.get("low"), number.get("high")
    said = f"{row}, {series.label}: {100 * value:.1f}%"
    parts = svg.tag("rect", x=scale(0), y=y, width=max(1.0, scale(value) - scale(0)), height=_BAR, rx=2,
                    class_=f"fill {series.class_}")  # fmt: skip
    if low is not None and high is not None:
        said += f" (95% interval {100 * low:.1f} to {100 * high:.1f})"
        middle = y + _BAR / 2
        parts += svg.line((scale(low), middle), (scale(high), middle), "whisker")
        parts += "".join(svg.line((scale(v), middle - 3), (scale(v), middle + 3), "whisker") for v in (low, high))
    return svg.tag("g", svg.tip(said) + parts)


def _gain_text(row: str, series: Sequence[Series], width: int, y: float) -> str:
    ends = [s.values[row]["value"] if row in s.values else None for s in series]
    last, first = ends[-1], ends[0]
    if last is None:
        return ""
    said = svg.text(f"{100 * last:.1f}", width - _VALUES + 62, y, "value", "end")
    if len(ends) > 1 and first is not None:
        gain = 100 * (last - first)
        said += svg.text(f"{gain:+.1f}", width - 8, y, "gain up" if gain > 0.05 else "gain", "end")
    return said


def gains(rows: Sequence[str], base: Series, series: Sequence[Series], width: int = 1000) -> Markup:
    """For each row a bar a series, from 0 to what it has more than `base`, in points of a percent; less goes left."""
    found = {row: [_difference(row, base, s) for s in series] for row in rows}
    known = [value for values in found.values() for value in values if value is not None]
    if not known:
        return Markup()
    group = len(series) * (_BAR + 3)
    height = len(rows) * (group + _SLIM) + 34
    low, high = min(0.0, *known), max(0.0, *known)
    air = 0.09 * (high - low) or 1.0
    scale = Scale(low - (air if low < 0 else 0), high + air, _LABELS, width - 20)
    grid = [
        svg.line((scale(t), 8), (scale(t), height - 26), "grid")
        + svg.text(f"{t:+g}" if t else "0", scale(t), height - 8, anchor="middle")
        for t in svg.ticks(scale.low, scale.high, 8)
    ]
    body = []
    for r, row in enumerate(rows):
        top = 12 + r * (group + _SLIM)
        body.append(svg.text(row, _LABELS - 14, top + group / 2 + 3, "name small", "end"))
        for i, (s, gain) in enumerate(zip(series, found[row], strict=True)):
            if gain is not None:
                body.append(_gain_bar(f"{row}, {s.label}", gain, top + i * (_BAR + 3), scale, s.class_))
    zero = svg.line((scale(0), 8), (scale(0), height - 26), "whisker")
    return _drawing(width, height, [*grid, *body, zero], f"Points more than {base.label}")


def _difference(row: str, base: Series, series: Series) -> float | None:
    sides = [s.values[row]["value"] if row in s.values else None for s in (base, series)]
    return None if sides[0] is None or sides[1] is None else 100 * (sides[1] - sides[0])


def _gain_bar(name: str, gain: float, y: float, scale: Scale, class_: str) -> str:
    start, end = sorted((scale(0), scale(gain)))
    bar = svg.tag("rect", x=start, y=y, width=max(1.0, end - start), height=_BAR, rx=2, class_=f"fill {class_}")
    side = 1 if gain >= 0 else -1
    number = svg.text(f"{gain:+.1f}", scale(gain) + 5 * side, y + _BAR - 1, "label", "start" if side > 0 else "end")
    return svg.tag("g", svg.tip(f"{name}: {gain:+.1f}") + bar + number)


# ---- radar ------------------------------------------------------------------------------------------------------


_REACH = 190
_UPRIGHT = 16
"""Axes whose names have room side by side; those of more stand along them."""


def radar(rows: Sequence[str], series: Sequence[Series], label: str = "Headline metric of every task") -> Markup:
    """One axis a row, all from 0 at the centre to 100% at the rim; needs three rows, empty with fewer."""
    if len(rows) < 3:
        return Markup()
    upright = len(rows) <= _UPRIGHT
    width, height = 2 * (_REACH + 150), 2 * (_REACH + (34 if upright else 150))
    centre = (width / 2, height / 2)

    def at(axis: int, share: float) -> Point:
        angle = 2 * math.pi * axis / len(rows) - math.pi / 2
        return centre[0] + _REACH * share * math.cos(angle), centre[1] + _REACH * share * math.sin(angle)

    rings = [svg.polygon([at(i, share) for i in range(len(rows))], "grid ring") for share in (0.25, 0.5, 0.75, 1)]
    spokes = [svg.line(centre, at(i, 1), "grid") for i in range(len(rows))]
    name = _radar_name if upright else _radar_name_along
    names = [name(row, at(i, 1.08 if upright else 1.04), centre) for i, row in enumerate(rows)]
    shapes = []
    for s in series:
        shares = [max(0.0, min(1.0, _value(s, row))) for row in rows]
        points = [at(i, share) for i, share in enumerate(shares)]
        shapes.append(svg.polygon(points, f"shape {s.class_}", svg.tip(s.label)))
        shapes += [svg.tag("circle", cx=x, cy=y, r=2.6, class_=f"fill {s.class_}") for x, y in points]
    scale = [
        svg.text(f"{share:.0%}", centre[0] + 4, centre[1] - _REACH * share + 4, "tick") for share in (0.25, 0.5, 0.75)
    ]
    return _drawing(width, height, rings + spokes + shapes + scale + names, label)


def _value(series: Series, row: str) -> float:
    value = series.values[row]["value"] if row in series.values else None
    return value if value is not None else 0.0


def _radar_name(name: str, spot: Point, centre: Point) -> str:
    aside = spot[0] - centre[0]
    anchor = "middle" if abs(aside) < 12 else "start" if aside > 0 else "end"
    words = name.split(" ")
    lines = [name] if len(name) <= 16 else [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
    top = spot[1] + 4 - 6.5 * (len(lines) - 1)
    return "".join(svg.text(line, spot[0], top + 13 * i, "name small", anchor) for i, line in enumerate(lines))


def _radar_name_along(name: str, spot: Point, centre: Point) -> str:
    """The name outwards along its axis, never upside down."""
    turn = math.degrees(math.atan2(spot[1] - centre[1], spot[0] - centre[0]))
    right = abs(turn) <= 90 + 1e-6
    turned = f"rotate({turn if right else turn + 180:.1f} {spot[0]:.1f} {spot[1]:.1f})"
    return svg.text(name, spot[0], spot[1] + 4, "name small", "start" if right else "end", transform=turned)


# ---- curves -----------------------------------------------------------------------------------------------------

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 24


def panel(
    title: str,
    curves: Sequence[Curve],
    *,
    bounds: tuple[float, float] | None = None,
    named: bool = True,
    size: tuple[int, int] = (340, 190),
) -> Panel | None:
    """Curves over steps under a title, None without a finite value.

    bounds: of the vertical axis where it is not to fit the curves. named: with a legend if there are several.
    """
    xs = [x for c in curves for x in c.x]
    low, high = bounds or span(curves)
    if not math.isfinite(low):
        return None
    width, height = size
    across = Scale(min(xs), max(xs), _LEFT, width - _RIGHT)
    up = Scale(low, high, height - _BOTTOM, _TOP)
    grid = [
        svg.line((_LEFT, up(t)), (width - _RIGHT, up(t)), "grid")
        + svg.text(svg.short(t), _LEFT - 7, up(t) + 4, anchor="end")
        for t in svg.ticks(low, high)
    ]
    grid += [
        svg.text(svg.short(t), across(t), height - 6, anchor="middle") for t in svg.ticks(min(xs), max(xs), width // 68)
    ]
    drawn = [_curve(curve, across, up) for curve in curves]
    return Panel(title, curves, _drawing(width, height, [*grid, *drawn], title), named and len(curves) > 1)


def span(curves: Sequence[Curve], *, from_zero: bool = False) -> tuple[float, float]:
    """Bounds of an axis that fits the curves with some air; infinite without a finite value."""
    ys = [y for c in curves for y in c.y if math.isfinite(y)]
    if not ys:
        return math.inf, -math.inf
    low, high = min(ys), max(ys)
    air = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return (0.0 if from_zero and low >= 0 else low - air), high + air


def _curve(curve: Curve, across: Scale, up: Scale) -> str:
    raw = _strokes(curve.x, curve.y, across, up, f"curve {curve.class_}{' faint' if curve.smooth is not None else ''}")
    if curve.smooth is None:
        return svg.tag("g", svg.tip(curve.label) + raw)
    return svg.tag(
        "g", svg.tip(curve.label) + raw + _strokes(curve.x, curve.smooth, across, up, f"curve {curve.class_}")
    )


def _strokes(x: Sequence[float], y: Sequence[float], across: Scale, up: Scale, class_: str) -> str:
    """The line, broken where a value is not finite, clipped to the panel; a lone point is a dot."""
    runs: list[list[Point]] = [[]]
    for a, b in zip(x, y, strict=True):
        if math.isfinite(b):
            runs[-1].append((across(a), min(max(up(b), min(up.start, up.end)), max(up.start, up.end))))
        elif runs[-1]:
            runs.append([])
    return "".join(
        svg.polyline(run, class_)
        if len(run) > 1
        else svg.tag("circle", cx=run[0][0], cy=run[0][1], r=2.0, class_=class_)
        for run in runs
        if run
    )
