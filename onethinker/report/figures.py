"""The figures of a report: bars a task, which a template draws as wide as the page is, and curves as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from onethinker.report.tables import NOTHING, Cell, Number, decimals, percent
from onethinker.util import svg
from onethinker.util.svg import Point, Scale


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


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar on a track. start, length, low, high: percent of the track's width, None where there is no number; low
    and high are the interval's. text: the number. said: all of it in words. gain: over the series before."""

    label: str
    class_: str
    text: str
    said: str
    start: float | None = None
    length: float = 0.0
    low: float | None = None
    high: float | None = None
    gain: Cell | None = None


@dataclass(frozen=True, slots=True)
class BarRow:
    """The bars under one name. zero: where on the track 0 lies, in percent."""

    name: str
    bars: tuple[Bar, ...]
    zero: float = 0.0


def bars(
    rows: Sequence[str], series: Sequence[Series], gains: Mapping[tuple[str, str], Cell] | None = None
) -> list[BarRow]:
    """A bar a series in every row, with its interval, on a scale from 0 to 100%. gains: by row and series label."""
    return [BarRow(row, tuple(_bar(row, s, (gains or {}).get((row, s.label))) for s in series)) for row in rows]


def _bar(row: str, series: Series, gain: Cell | None) -> Bar:
    number = series.values.get(row)
    value = number["value"] if number else None
    if number is None or value is None:
        return Bar(series.label, series.class_, NOTHING, f"{row}, {series.label}: no result")
    low, high = number.get("low"), number.get("high")
    said = f"{row}, {series.label}: {percent(value)}%"
    if low is not None and high is not None:
        said += f" (95% interval {percent(low)} to {percent(high)})"
    ends = [_share(v) for v in (low, high)]
    return Bar(series.label, series.class_, percent(value), said, 0.0, _share(value) or 0.0, ends[0], ends[1], gain)


def _share(value: float | None) -> float | None:
    """In percent of the track, which ends at 0 and 1."""
    return None if value is None else 100 * min(max(value, 0.0), 1.0)


def differences(rows: Sequence[str], base: Series, series: Sequence[Series]) -> list[BarRow]:
    """For each row a bar a series, from 0 to what it has more than `base`, in points of a percent; less goes left."""
    found = {row: [_difference(row, base, s) for s in series] for row in rows}
    known = [value for values in found.values() for value in values if value is not None]
    if not known:
        return []
    low, high = min(0.0, *known), max(0.0, *known)
    reach = (high - low) or 1.0

    def bar(row: str, s: Series, value: float | None) -> Bar:
        if value is None:
            return Bar(s.label, s.class_, NOTHING, f"{row}, {s.label}: no result")
        start, end = sorted((100 * (0.0 - low) / reach, 100 * (value - low) / reach))
        shown = decimals(value, 1, signed=True)
        return Bar(s.label, s.class_, shown, f"{row}, {s.label}: {shown}", start, end - start)

    zero = 100 * (0.0 - low) / reach
    return [BarRow(row, tuple(map(bar, [row] * len(series), series, found[row])), zero) for row in rows]


def _difference(row: str, base: Series, series: Series) -> float | None:
    sides = [s.values[row]["value"] if row in s.values else None for s in (base, series)]
    return None if sides[0] is None or sides[1] is None else 100 * (sides[1] - sides[0])


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
