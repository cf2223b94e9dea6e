"""ActivityNet Captions and ANet-RTL: moments, cut to the clip."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onethinker.data.sources import read
from onethinker.sample import DataError

Put = Callable[[str, Any], Path]
ENTRY = {"duration": 20.0, "timestamps": [[1.5, 9], [12, 99.0], [8, 3]], "sentences": [" A runs. ", "B.", "C."]}
RTL = {"vid": "b", "duration": 30.0, "question_id": "b_0", "question": "When is it fun?",
       "answer": "<4.5> <12.> The dog jumps at <7>."}  # fmt: skip


def test_a_question_for_every_sentence(put: Put, tmp_path: Path) -> None:
    put("val_2.json", {"v_a": ENTRY})
    put("videos/v_a.webm", b"x")
    found = list(read("activitynet-captions", tmp_path, "val_2"))
    assert [s.question for s in found] == ["A runs.", "B.", "C."]
    assert [json.loads(s.truth)["time"] for s in found] == [[1.5, 9.0], [12.0, 20.0], [3.0, 8.0]]
    assert {(s.media, s.meta["duration"]) for s in found} == {(("videos/v_a.webm",), 20.0)}


def test_rtl_reads_the_first_two_times_as_lita_does(put: Put, tmp_path: Path) -> None:
    put("temporal_reasoning/annot_val_1_q229.json", [RTL])
    put("videos/v_b.mp4", b"x")
    (sample,) = read("anet-rtl", tmp_path, "val")
    assert json.loads(sample.truth) == {"time": [4.5, 12.0]}
    assert (sample.question, sample.media) == ("When is it fun?", ("videos/v_b.mp4",))


def test_moments_of_no_length_are_left_out(put: Put, tmp_path: Path) -> None:
    """As 2D-TAN's loader leaves out what does not start before it ends; also what the cut to the clip makes so."""
    moments = [[1.5, 1.5], [25, 99.0], [2, 4], [20, 20]]
    put("val_2.json", {"v_a": ENTRY | {"timestamps": moments, "sentences": ["A.", "B.", "C.", "D."]}})
    put("temporal_reasoning/annot_val_1_q229.json", [RTL | {"answer": "<4.5> <4.5> then"}, RTL])
    put("videos/v_a.MP4", b"x")
    (sample,) = read("activitynet-captions", tmp_path, "val_2")
    assert (sample.id, sample.media) == ("v_a-2", ("videos/v_a.MP4",))
    assert [s.id for s in read("anet-rtl", tmp_path, "val")] == ["1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestamps": [[1, 2]]}, "1 timestamps for 3 sentences"),
        ({"timestamps": [[1], [1, 2], [1, 2]]}, "timestamp 0 is a list of 1; expected 2 numbers"),
        ({"timestamps": [[1, float("inf")], [1, 2], [1, 2]]}, "timestamp 0 is inf; expected a finite number"),
        ({"duration": 0}, "duration 0.0; expected seconds above 0"),
        ({"duration": "long"}, "duration is 'long'"),
        ({"sentences": ["A", None, "C"]}, "sentence 1 is None"),
    ],
)
def test_hostile_entries(put: Put, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    put("val_1.json", {"v_a": ENTRY | change})
    put("videos/v_a.mp4", b"x")
    with pytest.raises(DataError, match=rf"val_1\.json, video 'v_a': {message}"):
        list(read("activitynet-captions", tmp_path, "val_1"))


def test_a_video_outside_the_root_and_an_answer_without_times(put: Put, tmp_path: Path) -> None:
    put("val_1.json", {"../../../x": ENTRY})
    put("temporal_reasoning/annot_val_1_q229.json", [RTL | {"answer": "<4.5> only"}])
    put("videos/v_a.mp4", b"x")
    with pytest.raises(DataError, match=r"val_1\.json, .*leaves the media root"):
        list(read("activitynet-captions", tmp_path, "val_1"))
    with pytest.raises(DataError, match=r"entry 0: 1 times in its answer"):
        list(read("anet-rtl", tmp_path, "val"))


def test_spoilt_files(put: Put, survives: Any) -> None:
    put("videos/v_a.mp4", b"x")
    survives("activitynet-captions", "val_1", "val_1.json", {"v_a": ENTRY})
    survives("anet-rtl", "val", "temporal_reasoning/annot_val_1_q229.json", [RTL])
