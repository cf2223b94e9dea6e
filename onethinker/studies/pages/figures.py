"""The pictures of the studies: SVG files that stand alone, with their own colours on a white ground.

Blue and orange are those of Okabe and Ito, told apart with any colour vision; sign and size are written out as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from onethinker.studies.contrasts import Estimate
from onethinker.studies.pages.markdown import FACTOR, number, with_interval
from onethinker.util.svg import Point, Scale, line, polyline, short, tag, text, ticks, tip

BLUE, ORANGE = "#0072b2", "#d55e00"
STROKES = (
    (BLUE, "none"), ("#009e73", "9 4"), ("#aa4499", "2 3"), ("#56b4e9", "none"),
    ("#8c6d00", "9 3 2 3"), ("#59636e", "5 3"), ("#332288", "14 4"), ("#1f2328", "1 4"),
)  # fmt: skip
"""Colour and dashes of the curves of one picture, told apart without colour too."""
STYLE = f"""
text {{ font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }}
.title {{ font-size: 15px; font-weight: 600; }} .small {{ font-size: 12px; }} .bold {{ font-weight: 700; }}
.muted {{ fill: #59636e; font-size: 12px; }}
.grid {{ stroke: #d8dee4; }} .zero {{ stroke: #59636e; stroke-width: 1.5; }} .box {{ fill: none; stroke: #d8dee4; }}
.own {{ fill: none; stroke: #1f2328; stroke-width: 1.5; }}
.reach {{ stroke: {BLUE}; stroke-width: 3; stroke-linecap: round; opacity: .45; }}
.mean {{ stroke: {BLUE}; stroke-width: 3; }} .seed {{ fill: {BLUE}; fill-opacity: .55; }}
.ours .reach, .ours .mean {{ stroke: {ORANGE}; }} .ours .seed {{ fill: {ORANGE}; }}
.gain {{ fill: {BLUE}; }} .loss {{ fill: {ORANGE}; }} .curve {{ fill: none; stroke: {BLUE}; stroke-width: 2; }}
"""


def _picture(width: int, height: int, body: Sequence[str], label: str) -> str:
    ground = tag("rect", width=width, height=height, rx=6, fill="#ffffff")
    content = tag("style", STYLE) + ground + "".join(body)
    view = f"0 0 {width} {height}"
    return tag("svg", content, xmlns="http://www.w3.org/2000/svg", viewBox=view, role="img", aria_label=label) + "\n"


def forest(
    title: str, rows: Mapping[str, Estimate], measure: str, unit: str, *, ours: str = "", width: int = 900
) -> str:
    """A row a difference: every seed as a dot, the mean as a stroke, the interval as a bar, the number at the right.

    unit: written below the axis. ours: the row in the other colour.
    """
    names, air, deep, factor = 250, 200, 32, FACTOR[measure]
    reach = [0.0, *(v for e in rows.values() for v in (*e.seeds, e.low, e.high) if v is not None)]
    space = 0.04 * (max(reach) - min(reach)) or 0.01
    across = Scale(min(reach) - space, max(reach) + space, names, width - air)
    bottom = 48 + deep * len(rows)
    body = [text(title, 16, 26, "title")]
    for tick in ticks(factor * across.low, factor * across.high, 7):
        x = across(tick / factor)
        body.append(line((x, 42), (x, bottom), "zero" if tick == 0 else "grid"))
        body.append(text(short(tick).replace("-", "−"), x, bottom + 18, "muted", "middle"))
    body.append(text(unit, (names + width - air) / 2, bottom + 38, "muted", "middle"))
    for r, (label, found) in enumerate(rows.items()):
        y = 46 + deep * (r + 0.5)
        drawn = [text(label, names - 14, y + 4, "name", "end")]
        if found.low is not None and found.high is not None:
            drawn.append(line((across(found.low), y), (across(found.high), y), "reach"))
        drawn += [tag("circle", cx=across(seed), cy=y, r=4.0, class_="seed") for seed in found.seeds]
        drawn.append(line((across(found.value), y - 9), (across(found.value), y + 9), "mean"))
        drawn.append(text(with_interval(measure, found, True), width - 14, y + 4, "small", "end"))
        body.append(tag("g", "".join(drawn), class_="ours" if label == ours else "other"))
    return _picture(width, bottom + 50, body, title)


def heat(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    found: Mapping[tuple[str, str], Estimate],
    measure: str,
) -> str:
    """A map of differences by (row, column): gains blue, losses orange, as strong as they are large; bold where the
    interval leaves out 0, framed where row and column are the same, blank where there is none."""
    names, head, side, deep = 190, 150, 58, 32
    width, height = names + side * len(columns) + 70, head + deep * len(rows) + 16
    most = max((abs(e.value) for e in found.values()), default=0.0) or 1.0
    body = [text(title, 16, 26, "title")]
    for c, column in enumerate(columns):
        x, y = names + side * (c + 0.5), head - 10
        body.append(text(column, x, y, "small", transform=f"rotate(-40 {x:.0f} {y})"))
    for r, row in enumerate(rows):
        top = head + deep * r
        body.append(text(row, names - 10, top + deep / 2 + 4, "small", "end"))
        for c, column in enumerate(columns):
            place: dict[str, Any] = {"x": names + side * c + 1, "y": top + 1, "width": side - 2, "height": deep - 2}
            body.append(tag("rect", **place, class_="box"))
            if cell := found.get((row, column)):
                strength = 0.06 + 0.5 * abs(cell.value) / most
                shade = tag("rect", **place, class_="gain" if cell.value > 0 else "loss", fill_opacity=strength)
                weight = "small bold" if cell.excludes_zero else "small"
                value = number(measure, cell.value, True)
                written = text(value, names + side * (c + 0.5), top + deep / 2 + 4, weight, "middle")
                said = tip(f"{row} → {column}: {with_interval(measure, cell, True)}")
                body.append(tag("g", said + (shade if cell.value else "") + written))
            if row == column:
                body.append(tag("rect", **place, class_="own"))
    return _picture(width, height, body, title)


def lines(title: str, curves: Mapping[str, Sequence[Point]], ours: str, unit: str) -> str:
    """Curves on one scale, each of its own colour and dashes, with a thin line from its end to its name; `ours` bold in
    orange. unit: written below the axis."""
    width, height, left = 900, 420, 60
    right = 54 + 7 * (max(map(len, curves)) + len(" 100.0"))  # room for the longest name in small letters
    xs, ys = zip(*(point for points in curves.values() for point in points), strict=True)
    across, up = Scale(0, max(xs), left, width - right), Scale(min(ys), max(ys), height - 52, 50)
    others = sorted(set(curves) - {ours})
    strokes = dict(zip(others, cycle(STROKES))) | {ours: (ORANGE, "none")}
    own = ".ours .curve { stroke-width: 3; } .curve.lead { stroke-width: 1.5; }"
    body = [tag("style", own), text(title, 16, 26, "title")]
    body.append(text(unit, (left + width - right) / 2, height - 12, "muted", "middle"))
    for tick in ticks(up.low, up.high, 6):
        body.append(line((left, up(tick)), (width - right, up(tick)), "grid"))
        body.append(text(short(tick), left - 8, up(tick) + 4, "muted", "end"))
    body += [text(short(tick), across(tick), height - 32, "muted", "middle") for tick in ticks(0, across.high, 6)]
    beside = -math.inf
    for name, points in sorted(curves.items(), key=lambda item: up(item[1][-1][1])):
        colour, dashes = strokes[name]
        style = f"stroke: {colour}; stroke-dasharray: {dashes}"
        drawn = polyline([(across(x), up(y)) for x, y in points], "curve", style=style)
        beside = max(up(points[-1][1]) + 4, beside + 17)  # names never lie on one another
        end, named = (across(points[-1][0]), up(points[-1][1])), (width - right + 36, beside - 4)
        drawn += polyline([end, (named[0] - 22, named[1]), named], "curve lead", style=style)
        drawn += text(f"{name} {points[-1][1]:.1f}", named[0] + 6, beside, "small bold" if name == ours else "small")
        body.append(tag("g", tip(name) + drawn, class_="ours" if name == ours else "other"))
    return _picture(width, height, body, title)


def panels(curves: Mapping[str, Sequence[Point]], columns: int = 2) -> str:
    """A panel a curve, each on its own scale, by step. curves: (step, value) points by title."""
    wide, high = 440, 230
    height = high * -(-len(curves) // columns)
    body = []
    for i, (title, points) in enumerate(curves.items()):
        left, top = wide * (i % columns), high * (i // columns)
        xs, ys = zip(*points, strict=True)
        across = Scale(0, max(xs), left + 60, left + wide - 24)
        up = Scale(min(ys), max(ys), top + high - 40, top + 46)
        body.append(text(title, left + 16, top + 26, "title"))
        for tick in ticks(up.low, up.high, 4):
            body.append(line((left + 60, up(tick)), (left + wide - 24, up(tick)), "grid"))
            body.append(text(short(tick), left + 52, up(tick) + 4, "muted", "end"))
        for tick in ticks(0, across.high, 4):
            body.append(text(short(tick), across(tick), top + high - 20, "muted", "middle"))
        body.append(polyline([(across(x), up(y)) for x, y in points], "curve"))
    return _picture(wide * columns, height, body, "Training curves by step")
