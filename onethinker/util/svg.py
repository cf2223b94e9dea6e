"""A little SVG: escaped tags, scales and ticks. Colours are CSS classes, so that a page's theme applies."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


def tag(name: str, content: str = "", **attributes: object) -> str:
    """`<name …>content</name>`. Attribute values are escaped, content is markup already; `class_` is `class`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{content}</{name}>"


def _plain(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text(content: str, x: float, y: float, class_: str = "label", anchor: str = "start", **attributes: object) -> str:
    return tag("text", html.escape(content), x=x, y=y, class_=class_, text_anchor=anchor, **attributes)


def tip(content: str) -> str:
    """What the browser shows when the pointer rests on the enclosing tag."""
    return tag("title", html.escape(content))


def line(a: Point, b: Point, class_: str) -> str:
    return tag("line", x1=float(a[0]), y1=float(a[1]), x2=float(b[0]), y2=float(b[1]), class_=class_)


def polyline(points: Sequence[Point], class_: str, style: str | None = None) -> str:
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_, style=style)


def polygon(points: Sequence[Point], class_: str, content: str = "") -> str:
    return tag("polygon", content, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)


def figure(width: int, height: int, content: str, label: str) -> str:
    """A whole drawing, `width` × `height` units, as wide as its place on the page. label: for screen readers."""
    return tag("svg", content, viewBox=f"0 0 {width} {height}", role="img", aria_label=label)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from data [low, high] to the page [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A number for an axis: 1200 → `1,200`, 24000 → `24k`, 0.00002 → `2e-05`."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def ring(shares: Sequence[tuple[float, str, str]], radius: float, width: float, gap: float = 1.5) -> str:
    """Arcs of a ring around (0, 0), clockwise from the top, one for each (amount, class, what its tip says).

    radius: of the outer edge. gap: units between two arcs, less where an arc is not as long.
    """
    whole = sum(amount for amount, _, _ in shares)
    drawn, start = "", 0.0
    for amount, class_, told in shares:
        if amount <= 0:
            continue
        turn = 2 * math.pi * amount / whole
        pause = min(gap / radius, turn / 2) if len(shares) > 1 else 0.0
        drawn += _arc(start + pause / 2, start + turn - pause / 2, radius, radius - width, class_, tip(told))
        start += turn
    return drawn


def _arc(start: float, end: float, outer: float, inner: float, class_: str, content: str) -> str:
    """A piece of a ring between two angles, clockwise from the top. A whole ring, whose ends would fall together, stops
    just before."""
    end = min(end, start + 2 * math.pi - 1e-3)
    large = int(end - start > math.pi)

    def at(angle: float, radius: float) -> str:
        return f"{radius * math.sin(angle):.2f},{-radius * math.cos(angle):.2f}"

    path = (
        f"M{at(start, outer)}A{outer:g},{outer:g} 0 {large} 1 {at(end, outer)}"
        f"L{at(end, inner)}A{inner:g},{inner:g} 0 {large} 0 {at(start, inner)}Z"
    )
    return tag("path", content, d=path, class_=class_)
