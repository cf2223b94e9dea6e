"""LongVideoBench and Video-Holmes: rows to questions with lettered options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onethinker.data.sources import SOURCES, read
from onethinker.sample import DataError

Put = Callable[[str, Any], Path]
LONG = {"id": "a_0", "video_path": "a.mp4", "question": " What follows? ", "candidates": ["rain", "snow"],
        "correct_choice": 1}  # fmt: skip
HOLMES = {"video ID": "x1", "Question ID": 3, "Question": "Who did it?", "Options": {"A": "he", "B": "she"},
          "Answer": "B"}  # fmt: skip


def test_long_video_bench(put: Put, tmp_path: Path) -> None:
    put("lvb_val.json", [LONG])
    put("videos/a.mp4", b"x")
    (sample,) = read("longvideobench", tmp_path, "val")
    assert (sample.id, sample.question, sample.truth) == ("a_0", "What follows?", "B")
    assert (sample.options, sample.media) == (("A. rain", "B. snow"), ("videos/a.mp4",))


def test_video_holmes(put: Put, tmp_path: Path) -> None:
    put("test_Video-Holmes.json", [HOLMES])
    put("videos/x1.mp4", b"x")
    (sample,) = read("video-holmes", tmp_path, "test")
    assert (sample.id, sample.truth, sample.options) == ("x1.3", "B", ("A. he", "B. she"))
    assert (sample.task, sample.media) == ("multiple_choice", ("videos/x1.mp4",))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    expected = [tmp_path / "test_Video-Holmes.json", tmp_path / "videos_cropped"]
    assert SOURCES["video-holmes"].missing(tmp_path, "test") == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correct_choice": 2}, "row 1: correct_choice 2 of 2 candidates"),
        ({"correct_choice": -1}, "row 1: correct_choice -1 of 2"),
        ({"correct_choice": True}, "row 1: field 'correct_choice' is True; expected int"),
        ({"candidates": None}, "row 1: field 'candidates' is None; expected list"),
        ({"candidates": list(range(40))}, "row 1: correct_choice 1 of 40 candidates"),
        ({"video_path": "../../etc/passwd"}, "row 1: media path .* leaves the media root"),
    ],
)
def test_hostile_rows_name_file_and_row(put: Put, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    put("lvb_val.json", [LONG | change])
    put("videos/a.mp4", b"x")
    with pytest.raises(DataError, match=message):
        list(read("longvideobench", tmp_path, "val"))


def test_an_answer_without_its_option_is_refused(put: Put, tmp_path: Path) -> None:
    put("test_Video-Holmes.json", [HOLMES | {"Answer": "F"}])
    put("videos/x1.mp4", b"x")
    with pytest.raises(DataError, match=r"row 1: .*truth"):
        list(read("video-holmes", tmp_path, "test"))
