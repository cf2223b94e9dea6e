"""The studies' own figures, as SVG: seeds as dots, gains against a cause, and heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onethinker.report import svg
from onethinker.report.svg import Scale
from onethinker.report.tables import Number

_NAMES, _AIR, _ROW = 190, 70, 34


@dataclass(frozen=True, slots=True)
class Arm:
    """A row of dots. seeds: one value each. class_: the CSS class of its colour."""

    label: str
    class_: str
    number: Number
    seeds: Sequence[float]


def dots(arms: Sequence[Arm], start: Number | None, factor: float, unit: str, width: int = 1000) -> str:
    """Each arm's seeds as dots, its mean as a stroke with the interval; a dashed line where all of them began.

    factor: 100 for shares shown in percent.
    """
    reach = [v for a in arms for v in (*a.seeds, a.number["low"], a.number["high"]) if v is not None]
    began = start["value"] if start else None
    reach += [] if began is None else [began]
    if not reach:
        return ""
    air = 0.05 * (max(reach) - min(reach)) or 0.01
    low, high = min(reach) - air, max(reach) + air
    height = _ROW * len(arms) + 56
    across = Scale(low, high, _NAMES, width - _AIR)
    body = [
        svg.line((across(t / factor), 18), (across(t / factor), height - 30), "grid")
        + svg.text(svg.short(t), across(t / factor), height - 12, anchor="middle")
        for t in svg.ticks(factor * low, factor * high, 8)
    ]
    if began is not None:
        body.append(svg.line((across(began), 18), (across(began), height - 30), "start"))
        body.append(svg.text("start", across(began), 12, anchor="middle"))
    body += [_dots_row(arm, 22 + _ROW * (i + 0.5), across, factor, width) for i, arm in enumerate(arms)]
    return svg.figure(width, height, "".join(body), f"Every arm's seeds, {unit}")


def _dots_row(arm: Arm, y: float, across: Scale, factor: float, width: int) -> str:
    value, low, high = arm.number["value"], arm.number["low"], arm.number["high"]
    drawn = [svg.text(arm.label, _NAMES - 16, y + 4, "name", "end")]
    if low is not None and high is not None:
        drawn.append(svg.line((across(low), y), (across(high), y), f"reach {arm.class_}"))
    drawn += [svg.tag("circle", cx=across(v), cy=y, r=4.5, class_=f"seed {arm.class_}") for v in arm.seeds]
    if value is not None:
        drawn.append(svg.line((across(value), y - 9), (across(value), y + 9), f"middle {arm.class_}"))
        drawn.append(svg.text(_number(factor * value, factor), width - 6, y + 4, "value", "end"))
    return svg.tag("g", svg.tip(arm.label) + "".join(drawn))


@dataclass(frozen=True, slots=True)
class Spot:
    """An arm's number against something that may explain it. class_: the CSS class of its colour."""

    label: str
    class_: str
    cause: float
    number: Number


def against(spots: Sequence[Spot], cause: str, effect: str, factor: float) -> str:
    """Numbers with their intervals (upwards) against their cause (across, from 0); the axes' titles in words.

    factor: of the numbers where they are shown, as in `dots`."""
    reach = [v for s in spots for v in map(s.number.get, NUMBER) if v is not None]
    width, height = 480, 300
    left, bottom = 60, height - 46
    across = Scale(0, 1.1 * max(s.cause for s in spots) or 1, left, width - 12)
    air = 0.05 * (max(reach) - min(reach)) or 0.01
    up = Scale(min(reach) - air, max(reach) + air, bottom, 14)
    body = [
        svg.line((left, y), (width - 12, y), "grid") + svg.text(svg.short(t), left - 7, y + 4, anchor="end")
        for t in svg.ticks(factor * up.low, factor * up.high)
        for y in [up(t / factor)]
    ]
    body += [svg.text(svg.short(t), across(t), bottom + 18, anchor="middle") for t in svg.ticks(0, across.high)]
    body.append(svg.text(cause, (left + width) / 2, height - 6, anchor="middle"))
    return svg.figure(width, height, "".join([*body, *(_spot(s, across, up, factor) for s in spots)]), effect)


def _spot(spot: Spot, across: Scale, up: Scale, factor: float) -> str:
    x, low, high = across(spot.cause), spot.number["low"], spot.number["high"]
    drawn = [] if low is None or high is None else [svg.line((x, up(low)), (x, up(high)), f"reach {spot.class_}")]
    drawn.append(svg.tag("circle", cx=x, cy=up(spot.number["value"] or 0.0), r=6, class_=f"spot {spot.class_}"))
    said = f"{spot.label}: {_said(spot.number, factor, True)} at {spot.cause:.2f}"
    return svg.tag("g", svg.tip(said) + "".join(drawn))


def _number(value: float, factor: float, signed: bool = False) -> str:
    digits = 1 if factor == 100 else 3
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def heat(
    rows: Mapping[str, str],
    columns: Mapping[str, str],
    numbers: Mapping[tuple[str, str], Number],
    factor: float,
    *,
    label: str,
    sure: Mapping[tuple[str, str], bool] | None = None,
) -> str:
    """A map of signed numbers: gains blue, losses orange, as strong as they are large; bold where the interval leaves
    out 0 (or where `sure` says so), framed where row and column are the same.

    rows, columns: titles by key. numbers: by (row, column), blank where absent. factor: 100 for shares in percent.
    """
    names, head, side, deep = 150, 96, max(52, min(96, 820 // max(1, len(columns)))), 34
    width, height = names + side * len(columns) + 8, head + deep * len(rows) + 8
    most = max((abs(n["value"]) for n in numbers.values() if n["value"] is not None), default=0.0) or 1.0
    body = []
    for c, title in enumerate(columns.values()):
        x, y = names + side * (c + 0.5), head - 10
        body.append(svg.text(title, x, y, "name small", "start", transform=f"rotate(-35 {x:.0f} {y})"))
    for r, (row, title) in enumerate(rows.items()):
        top = head + deep * r
        body.append(svg.text(title, names - 12, top + deep / 2 + 4, "name small", "end"))
        for c, column in enumerate(columns):
            number = numbers.get((row, column))
            place = _Place(names + side * c + 1, top + 1, side - 2, deep - 2)
            body.append(place.rect("box"))
            if number is not None and number["value"] is not None:
                certain = sure.get((row, column), False) if sure is not None else apart(number)
                said = f"{title} → {columns[column]}: {_said(number, factor, True)}"
                body.append(svg.tag("g", svg.tip(said) + _square(number, place, most, factor, certain)))
            if row == column:
                body.append(place.rect("own"))
    return svg.tag("div", svg.figure(width, height, "".join(body), label), style=f"max-width: {width}px")


@dataclass(frozen=True, slots=True)
class _Place:
    x: int
    y: int
    width: int
    height: int

    def rect(self, class_: str, fill_opacity: float | None = None) -> str:
        return svg.tag(
            "rect", x=self.x, y=self.y, width=self.width, height=self.height, class_=class_, fill_opacity=fill_opacity
        )


def _square(number: Number, place: _Place, most: float, factor: float, certain: bool) -> str:
    value = number["value"] or 0.0
    strength = 0.08 + 0.62 * min(1.0, abs(value) / most) if value else 0.0
    shade = place.rect("gained" if value > 0 else "lost", strength)
    x, y = place.x + place.width / 2, place.y + place.height / 2 + 4
    return shade + svg.text(_number(factor * value, factor, True), x, y, "sure" if certain else "unsure", "middle")


def apart(number: Number) -> bool:
    """Whether the interval leaves out 0."""
    low, high = number.get("low"), number.get("high")
    return low is not None and high is not None and (low > 0 or high < 0)


def _said(number: Number, factor: float, signed: bool) -> str:
    parts = [None if v is None else _number(factor * v, factor, signed) for v in map(number.get, NUMBER)]
    return f"{parts[0]} [{parts[1]}, {parts[2]}]" if parts[1] and parts[2] else str(parts[0])


NUMBER = ("value", "low", "high")
