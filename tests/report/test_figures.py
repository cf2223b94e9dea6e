import math
import re
import xml.etree.ElementTree as ET

import pytest

from onethinker.report import svg
from onethinker.report.figures import Curve, Series, bars, panel, radar, span

ROWS = ["One", "Two & <three>", "Four"]


def series(label, *values):
    return Series(label, "stage-rl", {r: {"value": v, "low": None, "high": None} for r, v in zip(ROWS, values)})


def parsed(text):
    return ET.fromstring(text)


def test_bars_are_as_long_as_their_values():
    drawn = parsed(bars(ROWS, [series("a", 0.25, 0.5), series("b", 1.0, 0.5, 0.1)]))
    widths = [float(rect.get("width")) for rect in drawn.iter("rect")]
    assert widths[0] / widths[1] == pytest.approx(0.25, abs=1e-3)
    assert "no result" in [t.text for t in drawn.iter("text")]
    said = [t.text for t in drawn.iter("text")]
    assert "+75.0" in said and "+0.0" in said


def test_a_radar_is_a_polygon_a_series():
    drawn = parsed(radar(ROWS, [series("a", 1.0, 0.5, 0.0)]))
    points = [p for p in drawn.iter("polygon") if p.get("class").startswith("shape")]
    (first, second, third) = [tuple(map(float, xy.split(","))) for xy in points[0].get("points").split()]
    box = drawn.get("viewBox").split()
    centre = float(box[2]) / 2, float(box[3]) / 2
    assert math.dist(first, centre) == pytest.approx(2 * math.dist(second, centre), abs=0.2)
    assert third == pytest.approx(centre, abs=0.1)
    assert radar(ROWS[:2], [series("a", 1.0, 0.5)]) == ""


def test_curves_break_where_values_are_missing():
    drawn = panel("Loss <b>", [Curve("<i>", "c", [1, 2, 3, 4, 5], [1.0, 2.0, math.nan, 3.0, 4.0])])
    assert drawn is not None and drawn.title == "Loss <b>" and not drawn.named
    assert drawn.drawing.count("<polyline") == 2 and not {"<b>", "<i>"} & set(re.findall("<[bi]>", drawn.drawing))
    assert panel("none", [Curve("x", "c", [1], [math.nan])]) is None
    lone = panel("one", [Curve("x", "c", [1], [2.0])])
    assert lone is not None and "<circle" in lone.drawing


def test_axes_have_air_and_start_at_zero_where_asked():
    flat = Curve("x", "c", [1, 2], [3.0, 3.0])
    low, high = span([flat])
    assert low < 3 < high
    assert span([flat], from_zero=True)[0] == 0.0
    assert span([Curve("x", "c", [1], [-1.0])], from_zero=True)[0] < -1


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 520, [0, 200, 400]), (0.91, 1.09, [0.95, 1.0, 1.05]), (2, 2, [2])],
)
def test_ticks_are_round(low, high, expected):
    assert svg.ticks(low, high) == pytest.approx(expected)


def test_attributes_and_text_are_escaped():
    drawn = svg.tag("g", svg.text('<"&', 1, 2), data_x='"><script>')
    assert "<script>" not in drawn
    assert parsed(drawn).get("data-x") == '"><script>'
