import math
import re
import xml.etree.ElementTree as ET

import pytest

from onethinker.report.figures import Curve, Series, bars, differences, panel, span
from onethinker.report.tables import Cell
from onethinker.util import svg

ROWS = ["One", "Two & <three>", "Four"]


def series(label, *values):
    return Series(label, "stage-rl", {r: {"value": v, "low": None, "high": None} for r, v in zip(ROWS, values)})


def parsed(text):
    return ET.fromstring(text)


def test_bars_are_as_long_as_their_values():
    gains = {("One", "b"): Cell("▲ +75.0", tone="up")}
    made = bars(ROWS, [series("a", 0.25, 0.5), series("b", 1.0, 0.5, 0.1)], gains)
    assert [row.name for row in made] == ROWS
    assert [[bar.length for bar in row.bars] for row in made] == [[25, 100], [50, 50], [0, pytest.approx(10)]]
    assert (made[0].bars[1].gain, made[0].bars[0].gain) == (gains["One", "b"], None)
    assert made[2].bars[0].start is None and made[2].bars[0].said == "Four, a: no result"


def test_intervals_stay_on_the_track():
    number = {"One": {"value": 0.9, "low": 0.7, "high": 1.087}}
    ((bar,),) = (row.bars for row in bars(["One"], [Series("a", "c", number)]))
    assert (bar.low, bar.high) == (pytest.approx(70), 100) and "70.0 to 108.7" in bar.said


def test_differences_go_left_and_right_of_zero():
    made = differences(ROWS, series("a", 0.2, 0.5, 0.0), [series("b", 0.5, 0.4, 0.0)])
    assert [row.zero for row in made] == [pytest.approx(25)] * 3
    assert [(row.bars[0].start, row.bars[0].length) for row in made] == [
        (pytest.approx(25), pytest.approx(75)),
        (pytest.approx(0), pytest.approx(25)),
        (pytest.approx(25), pytest.approx(0)),
    ]
    assert [row.bars[0].text for row in made] == ["+30.0", "−10.0", "+0.0"]
    assert differences(ROWS, series("a"), [series("b", 0.5)]) == []


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
