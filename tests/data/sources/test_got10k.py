"""GOT-10k: frames to clips, boxes to tracks, against the toolkit's own reading of a sequence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onethinker.data.sources import read
from onethinker.media import MediaError, open_clip, probe
from onethinker.sample import DataError
from onethinker.sample.answer import read_answer
from onethinker.tasks import get_task

Put = Callable[[str, Any], Path]
WIDTH, HEIGHT, FRAMES = 48, 32, 25
META = "[METAINFO]\nurl: https://x.y/z?a=1%20\nanno_fps: 10Hz\nobject_class: ox\nresolution: (48, 32)\n"
FOLDER = "val/GOT-10k_Val_000001"


@pytest.fixture
def root(put: Put, tmp_path: Path) -> Path:
    put("val/list.txt", "GOT-10k_Val_000001\n")
    put(f"{FOLDER}/groundtruth.txt", "".join(f"{k}.0000,4.0000,8.0000,10.0000\n" for k in range(FRAMES)))
    put(f"{FOLDER}/cover.label", "".join(f"{0 if k == 7 else 8}\n" for k in range(FRAMES)))
    put(f"{FOLDER}/meta_info.ini", META)
    for k in range(FRAMES):
        put(f"{FOLDER}/{k + 1:08d}.jpg", np.full((HEIGHT, WIDTH, 3), 8 * k, np.uint8))
    return tmp_path


def test_a_sequence_is_a_clip_with_a_box_a_second(root: Path) -> None:
    (sample,) = read("got-10k", root, "val")
    toolkit = np.loadtxt(root / FOLDER / "groundtruth.txt", delimiter=",")  # as the toolkit reads it: x, y, w, h
    corners = np.concatenate([toolkit[:, :2], toolkit[:, :2] + toolkit[:, 2:]], 1)
    scaled = 1000 * corners / np.array([WIDTH, HEIGHT] * 2)
    assert np.allclose(sample.meta["frame_boxes"], scaled, atol=1e-3)
    assert sample.meta["cover"] == np.loadtxt(root / FOLDER / "cover.label").tolist()
    boxes = json.loads(sample.truth)["boxes"]
    assert list(boxes) == ["1", "2", "3"]
    assert np.allclose(list(boxes.values()), scaled[[0, 10, 20]], atol=1e-3)
    assert "[0, 125, 167, 438]" in sample.question
    clip = root / sample.media[0]
    assert (probe(clip).frames, probe(clip).fps) == (FRAMES, pytest.approx(10))
    shown = [int(frame.mean()) for frame in open_clip(clip, times=[0.0, 1.0, 2.4]).frames]
    assert shown == pytest.approx([0, 80, 192], abs=4)


def test_the_truth_as_answer_in_the_official_metric(root: Path) -> None:
    (sample,) = read("got-10k", root, "val")
    task = get_task("tracking")
    score = task.score(sample, read_answer(f"<think>x</think><answer>{sample.truth}</answer>"))
    metrics = task.metrics([score])
    # between the seconds the object moves evenly, as the answer is interpolated; after the last one it is k − 20 on
    late = [(8 - d) / (8 + d) for d in range(1, 5)]
    assert metrics["AO"] == pytest.approx((FRAMES - 2 - 4 + sum(late)) / (FRAMES - 2), abs=1e-4)
    assert score.evidence["got10k"]["frames"] == FRAMES - 2  # not the first, not the one that is covered


@pytest.mark.parametrize(("box", "cover"), [("0,0,0,0", 0), ("0.0000,0.0000,0.0000,0.0000", 0), ("5,4,8,10", 0)])
def test_a_frame_without_the_object_is_no_box(root: Path, put: Put, box: str, cover: int) -> None:
    lines = [f"{k},4,8,10" for k in range(FRAMES)]
    covers = [8] * FRAMES
    lines[10], covers[10] = box, cover  # the frame at one second
    put(f"{FOLDER}/groundtruth.txt", "\n".join(lines) + "\n")
    put(f"{FOLDER}/cover.label", "\n".join(map(str, covers)) + "\n")
    (sample,) = read("got-10k", root, "val")
    assert list(json.loads(sample.truth)["boxes"]) == ["1", "3"]
    task = get_task("tracking")
    score = task.score(sample, read_answer(f"<think>x</think><answer>{sample.truth}</answer>"))
    assert score.accuracy == 1 and score.evidence["got10k"]["frames"] == FRAMES - 2
    lines[0], covers[0] = "0,0,0,0", 0
    put(f"{FOLDER}/groundtruth.txt", "\n".join(lines) + "\n")
    with pytest.raises(DataError, match="nothing of the object in the first frame"):
        list(read("got-10k", root, "val"))


def test_a_missing_and_a_broken_frame_stand_for_their_clip(root: Path) -> None:
    frame = root / FOLDER / "00000009.jpg"
    frame.write_bytes(b"\xff\xd8\xff broken")
    (sample,) = read("got-10k", root, "val")
    assert sample.media == (f"{FOLDER}/00000009.jpg",)
    with pytest.raises(MediaError, match=r"00000009\.jpg"):
        open_clip(root / sample.media[0])
    frame.unlink()
    (sample,) = read("got-10k", root, "val")
    assert sample.media == (f"{FOLDER}/00000009.jpg",)
    assert not list((root / "onethinker-media").rglob("*.*"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("val/list.txt", "../../etc", r"list\.txt, line 1: .*leaves the media root"),
        ("val/list.txt", "nowhere", r"nowhere.groundtruth\.txt: no such file"),
        (f"{FOLDER}/groundtruth.txt", "1,2,3\n", r"groundtruth\.txt, line 1: the box is a list of 3"),
        (f"{FOLDER}/groundtruth.txt", "1,2,3,nan\n", r"line 1: the box is 'nan'"),
        (f"{FOLDER}/groundtruth.txt", "1,2,3,4\n", r"1 boxes for 25 lines of cover\.label"),
        (f"{FOLDER}/cover.label", "9\n" * FRAMES, r"cover\.label, line 1: cover '9'"),
        (f"{FOLDER}/meta_info.ini", "no section", r"meta_info\.ini: no \[METAINFO\]"),
        (f"{FOLDER}/meta_info.ini", META.replace("(48, 32)", "(__import__)"), r"resolution '\(__import__\)'"),
        (f"{FOLDER}/meta_info.ini", META.replace("48", "50"), r"00000001\.jpg has \(48, 32\) pixels; expected \(50"),
    ],
)
def test_hostile_sequences(root: Path, put: Put, name: str, text: str, message: str) -> None:
    put(name, text)
    with pytest.raises(DataError, match=message):
        list(read("got-10k", root, "val"))
