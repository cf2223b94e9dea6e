"""What tables of questions share: clips wherever they unpacked, hostile rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from onethinker.data.sources import read
from onethinker.sample import DataError

Put = Callable[[str, Any], Path]
Png = Callable[[int], bytes]

LONG = {"id": "a", "video_path": "a.mp4", "question": "?", "candidates": ["r", "s"], "correct_choice": 1}


def test_options_may_be_numbers_and_answers_booleans(put: Put, tmp_path: Path) -> None:
    put("lvb_val.json", [LONG | {"candidates": [3, 4.5, True]}])
    put("videos/a.mp4", b"x")
    assert next(read("longvideobench", tmp_path, "val")).options == ("A. 3", "B. 4.5", "C. True")
    put("test_Video-Holmes.json", [{"video ID": "a", "Question ID": 3, "Question": "Is he?", "Answer": False,
                                    "Options": {"A": "True", "B": "False"}}])  # fmt: skip
    assert next(read("video-holmes", tmp_path, "test")).truth == "B"


@pytest.mark.parametrize(
    ("on_disk", "found"),
    [
        (("data/abc.MP4",), "data/abc.MP4"),
        (("data/abc.MP4", "data/abc.mp4"), "data/abc.mp4"),
        (("data/abc.MKV",), "data/abc.MKV"),
        (("video/abc.MP4",), "video/abc.MP4"),
        (("data/part_1/abc.MP4",), "data/part_1/abc.MP4"),
        (("data/v1-3/val/abc.webm", "data/v1-3/abc.txt"), "data/v1-3/val/abc.webm"),
        (("data/abc.mp4.part", "data/abc.srt"), "data/abc.mp4"),
    ],
)
def test_clips_in_other_dress(put: Put, tmp_path: Path, on_disk: tuple[str, ...], found: str) -> None:
    put("videomme/test-0.parquet", [{"question_id": "1", "videoID": "abc", "question": "?", "options": ["A. x", "B. y"],
                                     "answer": "B"}])  # fmt: skip
    (tmp_path / "data").mkdir()
    for name in on_disk:
        put(name, b"x")
    assert next(read("videomme", tmp_path, "test")).media == (found,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correct_choice": 2}, "the answer '2' is none of 2 options"),
        ({"correct_choice": -1}, "the answer '-1' is none of 2 options"),
        ({"correct_choice": True}, "field 'correct_choice' is True"),
        ({"candidates": "rs"}, "field 'candidates' is 'rs'; expected at most 26 texts"),
        ({"candidates": ["x"] * 40}, "field 'candidates' is a list of 40"),
        ({"video_path": "../../etc/passwd"}, "leaves the media root"),
        ({"video_path": None}, "no text in field 'video_path'"),
        ({"video_path": "x" * 300 + ".mp4"}, "as a file's name; at most 255 bytes are one"),
        ({"question": "x" * (1 << 20)}, "at most 1,048,576 are read"),
        ({"question": "\ud800"}, "surrogates not allowed"),
        ({"id": [1]}, "field 'id' is a list of 1"),
        ({"id": int("9" * 4000)}, "field 'id' is a number of 13288 bits"),
    ],
)
def test_hostile_rows_name_file_and_row(put: Put, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    put("lvb_val.json", [LONG | {"id": "first"}, LONG | change])
    put("videos/a.mp4", b"x")
    with pytest.raises(DataError, match=rf"lvb_val\.json, entry 1.*{message}"):
        list(read("longvideobench", tmp_path, "val"))


def test_a_clips_name_is_no_pattern(put: Put, tmp_path: Path) -> None:
    put(
        "lvb_val.json",
        [LONG | {"id": str(at), "video_path": name} for at, name in enumerate(("*.mp4", "**", "a[1].mp4"))],
    )
    put("videos/a.mp4", b"x")
    found = [sample.media[0] for sample in read("longvideobench", tmp_path, "val")]
    assert found == ["videos/*.mp4", "videos/**.mp4", "videos/a[1].mp4"]


def test_a_folder_that_may_not_be_written_is_named(put: Put, png: Png, tmp_path: Path) -> None:
    put("data/test-0.parquet", [{"question": "?", "options": ["a"], "answer": "0", "image": {"bytes": png(1)}}])
    put("onethinker-media", b"a file where the folder is to be")
    with pytest.raises(DataError, match=r"cannot be written .* link the set's files into a folder that you may write"):
        list(read("ai2d", tmp_path, "test"))


def test_ids_that_occur_twice_are_an_error(put: Put, tmp_path: Path) -> None:
    put("lvb_val.json", [LONG, LONG])
    put("videos/a.mp4", b"x")
    with pytest.raises(DataError, match="two questions of longvideobench val have the id 'val-a'"):
        list(read("longvideobench", tmp_path, "val"))


AI2D = {"question": "?", "options": ["a"], "answer": "0"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (AI2D, "no field 'image'; it has 'question', 'options', 'answer'"),
        (
            AI2D | {"image": {"bytes": b"GIF89a?", "path": ""}},
            r"field 'image': cannot be decoded \(a kind of picture that is not read",
        ),
        (AI2D | {"image": {"bytes": None, "path": "/etc/passwd"}}, "None of a picture; expected its bytes"),
        ({"query": "?"}, "no field 'image'; it has 'query'"),
    ],
)
def test_hostile_parquet(put: Put, tmp_path: Path, row: dict[str, Any], message: str) -> None:
    put("data/test-0.parquet", [row])
    with pytest.raises(DataError, match=rf"test-0\.parquet, row 0.*{message}"):
        list(read("ai2d", tmp_path, "test"))


def test_a_truncated_table(put: Put, png: Png, tmp_path: Path) -> None:
    file = put("data/test-0.parquet", [{"question": "?", "options": ["a"], "answer": "0", "image": {"bytes": png(1)}}])
    assert pq.ParquetFile(file).metadata.num_rows == 1
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"test-0\.parquet: not a whole Parquet file"):
        list(read("ai2d", tmp_path, "test"))
    put("lvb_val.json", '[{"id": 1')
    put("videos/a.mp4", b"x")
    with pytest.raises(DataError, match=r"lvb_val\.json: not whole JSON"):
        list(read("longvideobench", tmp_path, "val"))


def test_spoilt_files(put: Put, tmp_path: Path, survives: Any) -> None:
    put("videos/a.mp4", b"x")
    survives("longvideobench", "val", "lvb_val.json", [LONG])
    survives(
        "mmvu",
        "validation",
        "validation.json",
        [
            {
                "id": "v1",
                "video": "https://hub/videos/Art/1.mp4",
                "question_type": "multiple-choice",
                "question": "?",
                "choices": {"A": "x", "B": "y"},
                "answer": "B",
            }
        ],
    )
    survives(
        "longvideo-reason",
        "test",
        "test.json",
        [{"problem_id": 1, "problem": "Why?\nA. one\nB. two", "answer": "<answer>B</answer>", "videos": "v/c.mp4"}],
    )
    survives("mmsci-caption", "dev", "benchmark/dev/image_caption_generation_data.json", [
        {"image": "n_1.png", "caption": "A graph.", "subject": "Physics"}])  # fmt: skip
