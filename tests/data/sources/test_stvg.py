"""HC-STVG and VidSTG: annotations by frame to boxes by second."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onethinker.data.sources import get_source, read
from onethinker.data.sources.writing import clips_unwritten
from onethinker.media import open_clip, probe
from onethinker.sample import DataError

Put = Callable[[str, Any], Path]
WIDTH, HEIGHT = 40, 20

HC = {"caption": " The man stands. ", "width": WIDTH, "height": HEIGHT, "img_num": 200, "st_frame": 15,
      "st_time": 1.5, "ed_time": 4.4, "bbox": [[k, 2, 10, 10] for k in range(29)]}  # fmt: skip


def tube(sample: Any) -> tuple[list[float], dict[str, list[float]]]:
    truth = json.loads(sample.truth)
    return truth["time"], truth["boxes"]


def test_hc_stvg_boxes_are_those_of_the_whole_seconds(put: Put, tmp_path: Path) -> None:
    put("test.json", {"a.mp4": HC})
    put("video/3/a.mp4", b"x")
    (sample,) = read("hc-stvg", tmp_path, "test")
    time, boxes = tube(sample)
    assert (time, sample.question, sample.media) == ([1.5, 4.4], "The man stands.", ("video/3/a.mp4",))
    # 10 frames a second, the first is number 1: second s is frame 10·s + 1, whose box is bbox[10·s + 1 − 15]
    expected = {str(s): [1000 * (10 * s - 14) / WIDTH, 100, 1000 * (10 * s - 4) / WIDTH, 600] for s in (2, 3, 4)}
    assert boxes == expected


def test_hc_stvg_2_has_other_fields(put: Put, tmp_path: Path) -> None:
    entry = {key: v for key, v in HC.items() if key not in ("caption", "width", "height")}
    put("val_v2.json", {"a.mp4": entry | {"English": "He sits.", "img_size": [HEIGHT, WIDTH]}})
    put("video/a.mkv", b"x")
    assert get_source("hc-stvg2").layout.startswith("valv2.json or val_v2.json | trainv2.json or train_v2.json ")
    (sample,) = read("hc-stvg2", tmp_path, "val")
    assert (sample.question, sample.media) == ("He sits.", ("video/a.mkv",))
    assert sample.meta["resolution"] == {"width": WIDTH, "height": HEIGHT}


def test_a_moment_without_a_whole_second_has_one_box(put: Put, tmp_path: Path) -> None:
    put("test.json", {"a.mp4": HC | {"st_time": 2.2, "ed_time": 2.7}})
    (tmp_path / "video").mkdir()
    (sample,) = read("hc-stvg", tmp_path, "test")
    assert tube(sample)[0] == [2.2, 2.7] and list(tube(sample)[1]) == ["2"]
    assert sample.media == ("video/a.mp4",)  # not there, and still a question


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": []}, "0 boxes at 10.0 frames a second"),
        ({"bbox": [[1, 2, 3]]}, "a box is a list of 3; expected 4 numbers"),
        ({"img_num": 0}, "29 boxes at 0.0 frames"),
        ({"ed_time": 1e9}, "expected one within 3,600 s"),
        ({"width": 0}, "a picture of 0×20 pixels"),
        ({"st_frame": "15"}, "field 'st_frame' is '15'; expected int"),
    ],
)
def test_hostile_hc_entries(put: Put, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    put("test.json", {"a.mp4": HC | change})
    (tmp_path / "video").mkdir()
    with pytest.raises(DataError, match=rf"test\.json, clip 'a.mp4': .*{message}"):
        list(read("hc-stvg", tmp_path, "test"))


# ---- VidSTG -----------------------------------------------------------------------------------------------------

ROW = {"vid": "77", "fps": 10.0, "width": WIDTH, "height": HEIGHT, "frame_count": 60,
       "used_segment": {"begin_fid": 10, "end_fid": 50}, "temporal_gt": {"begin_fid": 20, "end_fid": 45},
       "captions": [{"description": "the dog runs", "target_id": 1}],
       "questions": [{"description": "who runs", "target_id": 1}]}  # fmt: skip


def trajectory(frame: int) -> list[dict[str, Any]]:
    def box(tid: int, left: int) -> dict[str, Any]:
        return {"tid": tid, "bbox": {"xmin": left, "ymin": 2, "xmax": left + 4, "ymax": 12}}

    return [box(0, 0), box(1, frame % 30)]


@pytest.fixture
def vidstg(put: Put, tmp_path: Path) -> Path:
    put("test_annotations.json", [ROW])
    put("annotation/validation/0000/77.json", {"trajectories": [trajectory(k) for k in range(60)]})
    put("video/0000/77.mp4", [np.full((HEIGHT, WIDTH, 3), 4 * k, np.uint8) for k in range(60)])
    return tmp_path


def test_vidstg_cuts_the_used_stretch_once(vidstg: Path) -> None:
    statement, question = read("vidstg", vidstg, "test")
    assert (statement.question, question.question) == ("the dog runs", "who runs")
    assert [s.meta["kind"] for s in (statement, question)] == ["declarative", "interrogative"]
    assert statement.media == question.media == ("onethinker-media/vidstg/77-10-50.mp4",)
    clip = vidstg / statement.media[0]
    assert probe(clip).duration == pytest.approx(4.0)
    first, last = (int(frame.mean()) for frame in open_clip(clip, times=[0.0, 3.95]).frames)
    assert (first, last) == (pytest.approx(40, abs=3), pytest.approx(196, abs=3))  # frames 10 and 49
    time, boxes = tube(statement)
    assert time == [1.0, 3.5]
    assert boxes == {str(s): [1000 * ((10 + 10 * s) % 30) / WIDTH, 100, 1000 * ((10 + 10 * s) % 30 + 4) / WIDTH, 600]
                     for s in (1, 2, 3)}  # fmt: skip
    before = clip.stat().st_mtime_ns
    list(read("vidstg", vidstg, "test"))
    assert clip.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("annotations", "vidor", "clip"),
    [
        ("annotations/test_annotations.json", "validation/0000/77.json", "video/0000/77.MP4"),  # as TubeDETR reads them
        ("test_annotations.json", "annotation/validation/0000/77.json", "videos/0000/77.mp4"),
        ("test_annotations.json", "annotations/validation/0000/77.json", "video/77.mp4"),
    ],
)
def test_vidstg_as_its_archives_unpack(put: Put, tmp_path: Path, annotations: str, vidor: str, clip: str) -> None:
    put(annotations, [ROW])
    put(vidor, {"trajectories": [trajectory(k) for k in range(60)]})
    put(clip, b"no clip")
    assert {s.media for s in read("vidstg", tmp_path, "test")} == {(clip,)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vid": "../77"}, "no annotation of video"),
        ({"fps": 0}, "make no moment"),
        ({"temporal_gt": {"begin_fid": 5, "end_fid": 45}}, "make no moment"),
        ({"captions": [{"description": "x", "target_id": 9}]}, "0 boxes at 10.0"),
        ({"captions": None}, "field 'captions' is None; expected list"),
    ],
)
def test_hostile_vidstg_rows(vidstg: Path, put: Put, change: dict[str, Any], message: str) -> None:
    put("test_annotations.json", [ROW | change])
    with pytest.raises(DataError, match=rf"test_annotations\.json, entry 0: .*{message}"):
        list(read("vidstg", vidstg, "test"))


def test_where_clips_are_not_to_be_written_the_whole_one_stands_for_its_stretch(vidstg: Path) -> None:
    with clips_unwritten():
        assert {s.media for s in read("vidstg", vidstg, "test")} == {("video/0000/77.mp4",)}
    assert not (vidstg / "onethinker-media").exists()
    list(read("vidstg", vidstg, "test"))
    with clips_unwritten():
        assert {s.media for s in read("vidstg", vidstg, "test")} == {("onethinker-media/vidstg/77-10-50.mp4",)}


@pytest.mark.parametrize("data", [None, b"no clip"])
def test_a_clip_that_cannot_be_cut_stands_for_itself(vidstg: Path, data: bytes | None) -> None:
    clip = vidstg / "video/0000/77.mp4"
    clip.unlink() if data is None else clip.write_bytes(data)
    assert {s.media for s in read("vidstg", vidstg, "test")} == {("video/0000/77.mp4",)}
    assert not list((vidstg / "onethinker-media").rglob("*.mp4*"))


def test_spoilt_files(vidstg: Path, survives: Any) -> None:
    survives("hc-stvg", "test", "test.json", {"a.mp4": HC})
    survives("vidstg", "test", "test_annotations.json", [ROW])
    survives(
        "vidstg", "test", "annotation/validation/0000/77.json", {"trajectories": [trajectory(k) for k in range(45)]}
    )
