"""Strict and lenient reading of answer text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onethinker.tasks import reading
from onethinker.tasks.base import Malformed
from onethinker.tasks.reading import NO_BOX, read_box, read_number, read_object, read_points, read_span, read_track
from tests.amount import many


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "3", '"{}"', "null", "{", "{}x", "{'a': 1}", '{"a": 1,}', '{"a": 01}', '{"a": .5}', '{"a": +1}',
        '{"a": nan}', '{"a": inf}', '{"a": 1, "a": 2}',
        '{"b": {"a": 1, "a": 1}}', "```json\n{}\n```", '{"a": 1} {"b": 2}', '{"a": "\n"}', "[" * 10_000,
        '{"a":' * 10_000, " " * 300_000 + "{}",
    ],
)  # fmt: skip
def test_strict_reading_refuses(text: str) -> None:
    with pytest.raises(Malformed):
        read_object(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400])
@pytest.mark.parametrize("lenient", [True, False])
def test_what_is_no_finite_number_costs_its_own_key_alone(number: str, lenient: bool) -> None:
    found = read_object(f'{{"time": [1, 2], "sure": {number}, "boxes": [1, 2, 3, {number}]}}', lenient=lenient)
    assert read_span(found["time"], lenient=lenient) == (1, 2)
    with pytest.raises(Malformed):
        read_number(found["sure"], lenient=lenient)
    with pytest.raises(Malformed):
        read_box(found["boxes"], lenient=lenient)


@pytest.mark.parametrize(
    "text", ["{}", ' {"a": [1, -2.5, 1e3, 0.0]}\n', '{"a": "\\ud800"}', '{"time": [1, 2], "more": {"x": null}}']
)
def test_strict_reading_is_json(text: str) -> None:
    assert read_object(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```json\n{\"time\": [1, 2]}\n```", {"time": [1, 2]}),
        ("{'time': [1, 2]}", {"time": [1, 2]}),
        ('{"time": [1, 2,],}', {"time": [1, 2]}),
        ("The answer is {time: [1, 2]}.", {"time": [1, 2]}),
        ('{"time":[01:02,12.5s]}', {"time": ["01:02", "12.5s"]}),
        ("{“time”: [1, 2]}", {"time": [1, 2]}),
        ("{‘time’：[1，2]}", {"time": [1, 2]}),
        ('[{"a": 1}', {"a": 1}),
        ('{"boxes":{"01":[1,2,3,4],2.0:[5,6,7,8]}}', {"boxes": {"01": [1, 2, 3, 4], "2.0": [5, 6, 7, 8]}}),
    ],
)  # fmt: skip
def test_lenient_reading_repairs(text: str, found: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_object(text)
    assert read_object(text, lenient=True) == found


@pytest.mark.parametrize(
    "text", ["", "no", "{", "}{", "{'a'", "{a: b: c}", '{"a": [}', "```", "{'a': 1 2}", "{" * 9_000]
)
def test_lenient_reading_refuses_what_is_not_there(text: str) -> None:
    with pytest.raises(Malformed):
        read_object(text, lenient=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1:02", 62), ("01:02.5", 62.5), ("1:00:01", 3601), ("12.5s", 12.5), ("12 sec", 12), ("3 seconds", 3),
        ("-4", -4), ("90:15", 5415), ("00:01:02.5", 62.5), ("1m10s", 70), ("1 min 10 sec", 70), ("1h2m", 3720),
        ("2 minutes", 120), ("1 hour, 2 minutes, 3.5 seconds", 3723.5),
    ],
)  # fmt: skip
def test_times_are_read_leniently(value: str, seconds: float) -> None:
    assert read_number(value, lenient=True) == seconds
    with pytest.raises(Malformed):
        read_number(value)


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        None,
        "",
        "x",
        "1:2:3:4",
        [],
        {},
        1e13,
        -1e13,
        "1 m",
        "١",
        "01:70",
        "10:61",
        "1:61:00",
        "12.5.3",
        "1,5",
        "3-5",
        "about",
        "m",
        "1m 2m",
        float("nan"),
        float("inf"),
    ],
)
@pytest.mark.parametrize("lenient", [True, False])
def test_not_a_number(value: Any, lenient: bool) -> None:
    with pytest.raises(Malformed):
        read_number(value, lenient=lenient)


def test_spans_and_boxes_stay_as_written_unless_lenient() -> None:
    assert read_span([9, 2.5]) == (9.0, 2.5)
    assert read_span([9, 2.5], lenient=True) == (2.5, 9.0)
    assert read_box([500, 600, 100, 200]) == (500.0, 600.0, 100.0, 200.0)
    assert read_box([500, 600, 100, 200], lenient=True) == (100.0, 200.0, 500.0, 600.0)
    assert read_box([0.1, 0.2, 0.5, 1]) == (0.1, 0.2, 0.5, 1.0)
    assert read_box([0.1, 0.2, 0.5, 1], lenient=True) == (100.0, 200.0, 500.0, 1000.0)
    assert read_points([[0.1, 0], [0, 1], [0.5, 0.5]], lenient=True) == ((100, 0), (0, 1000), (500, 500))
    assert read_points([[1, 2], [3, 4], [5, 6]]) == ((1, 2), (3, 4), (5, 6))


def test_a_box_or_span_in_a_list_of_its_own_and_qwens_keys_are_read_leniently() -> None:
    said = '```json\n[{"bbox_2d": [1, 2, 3, 4], "label": "dog"}]\n```'
    assert read_box(read_object(said, lenient=True)["boxes"], lenient=True) == (1, 2, 3, 4)
    assert read_object('{"bbox_2d": [1, 2, 3, 4]}') == {"bbox_2d": [1, 2, 3, 4]}
    assert "boxes" not in read_object('{"bbox_2d": [1, 2, 3, 4], "bbox": [5, 6, 7, 8]}', lenient=True)
    assert read_object('{"boxes": [1], "bbox_2d": [2]}', lenient=True)["boxes"] == [1]
    assert read_box([[1, 2, 3, 4]], lenient=True) == read_box([{"bbox_2d": [1, 2, 3, 4]}], lenient=True) == (1, 2, 3, 4)
    assert read_span([[1, 2]], lenient=True) == (1, 2)
    points = [[1, 2], [3, 4], [5, 6]]
    assert read_points([points], lenient=True) == read_points([{"point_2d": p} for p in points], lenient=True)
    for value in ([[1, 2, 3, 4], [5, 6, 7, 8]], [[[]]], [[1, 2], [3, 4]]):
        with pytest.raises(Malformed):
            read_box(value, lenient=True)
    with pytest.raises(Malformed):
        read_box([[1, 2, 3, 4]])
    with pytest.raises(Malformed):
        read_span([[1, 2]])
    with pytest.raises(Malformed):
        read_points([points])


def test_text_is_read_in_composed_form() -> None:
    assert reading.read_text("Cafe\u0301") == reading.read_text(" Caf\u00e9 ") == "Caf\u00e9"


@pytest.mark.parametrize("value", [None, 3, [], [1, 2, 3], [1, 2, 3, True], [1, 2, 3, "4"], [[1, 2, 3, 4]], {"0": 1}])
def test_not_a_box(value: Any) -> None:
    with pytest.raises(Malformed):
        read_box(value)


@pytest.mark.parametrize("value", [[[1, 2], [3, 4]], [[1, 2]] * 4, [[1, 2], [3, 4], [5]], [[1, 2], [3, 4], 5], "x"])
def test_not_three_points(value: Any) -> None:
    with pytest.raises(Malformed):
        read_points(value)


def test_track_keeps_what_is_readable_and_tells_the_rest() -> None:
    read = read_track({"0": [1, 2, 3, 4], "12": [1, 2, 3], "01": [5, 6, 7, 8], "2.0": [5, 6, 7, 8], "x": [5, 6, 7, 8]})
    assert read.boxes == {0: (1, 2, 3, 4), 12: NO_BOX}
    assert not read.shaped
    assert len(read.faults) == 4
    other_keys = read_track({"1": [1, 2, 3, 4], "01": [5, 6, 7, 8]})
    assert read_track({"1\u0661": [1, 2, 3, 4]}).boxes == {}
    assert (other_keys.boxes, other_keys.shaped, len(other_keys.faults)) == ({1: (1, 2, 3, 4)}, True, 1)


def test_track_reads_other_keys_leniently() -> None:
    read = read_track({"01": [1, 2, 3, 4], "2.0": [5, 6, 7, 8]}, lenient=True)
    assert (read.boxes, read.faults) == ({1: (1, 2, 3, 4), 2: (5, 6, 7, 8)}, ())
    assert len(read_track({"1": [1, 2, 3, 4], "01": [5, 6, 7, 8]}, lenient=True).faults) == 1
    assert read_track({}).faults and read_track([]).faults and read_track({"2.5": [1, 2, 3, 4]}, lenient=True).faults


@pytest.mark.parametrize("text", ["", "  \n", "\ud800", "a\udfffb", "x" * 40_000])
def test_text_that_is_no_answer(text: str) -> None:
    with pytest.raises(Malformed):
        reading.read_text(text)


JSON_LIKE = st.text(alphabet="{}[]:,\"'\\ \n0129.eE+-sab`\ud800", max_size=60)


@settings(max_examples=many(300, 40), deadline=None)
@given(JSON_LIKE, st.booleans())
def test_reading_gives_a_value_or_malformed(text: str, lenient: bool) -> None:
    try:
        found = read_object(text, lenient=lenient)
    except Malformed:
        return
    for read in (read_box, read_span, read_points, read_number):
        try:
            read(found.get("a"), lenient=lenient)
        except Malformed as fault:
            assert str(fault).isprintable() and len(str(fault)) < 300
    read_track(found, lenient=lenient)


@settings(max_examples=many(100, 25), deadline=None)
@given(
    st.dictionaries(st.text("abc", max_size=3), st.lists(st.integers(-9, 9) | st.floats(-9, 9), max_size=4), max_size=4)
)
def test_lenient_reading_agrees_with_strict_on_json(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    assert read_object(text, lenient=True) == read_object(text) == value
    assert json.loads(reading._repair(text)) == value
