"""Reading to train on: a row costs itself alone, truths fit their media, media are written when they are wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onethinker.data.sources import get_source
from onethinker.data.sources.base import Item, LeftOut
from onethinker.data.sources.shapes import prompts_of
from onethinker.data.sources.writing import media_unwritten
from onethinker.sample import DataError, Sample
from onethinker.tasks import score
from tests.amount import many, slow

Put = Callable[[str, Any], Path]
FRAME = np.zeros((24, 32, 3), np.uint8)


def rows(name: str, root: Path, split: str, wanted: set[str] | None = None) -> list[Item]:
    return list(get_source(name).rows(root, split, wanted))


def truths(items: list[Item]) -> list[Any]:
    return [json.loads(item.truth) for item in items if isinstance(item, Sample)]


def test_a_row_costs_itself_alone_and_reading_for_evaluation_stays_strict(put: Put, tmp_path: Path) -> None:
    lines = ("A 0.0 1.0##one.", "no line", "A 2.0 2.0##none.", "A 0.5 99.0##long.", "A 7.0 9.0##off.", "B 0.0 1.0##x.")
    put("charades_sta_train.txt", "\n".join(lines))
    put("Charades_v1_480/A.mp4", [FRAME] * 20)
    found = rows("charades-sta", tmp_path, "train")
    assert [type(item) for item in found] == [Sample, LeftOut, LeftOut, Sample, LeftOut, LeftOut]
    assert truths(found) == [{"time": [0, 1]}, {"time": [0.5, 2]}]  # cut to the clip's two seconds
    faults = [item for item in found if isinstance(item, LeftOut)]
    assert [item.fault for item in faults] == [True, False, True, True]
    assert [item.kind for item in faults] == [
        "…; expected `VIDEO start end##sentence`",
        "a moment of no length",
        "its moment, … to … s, has no length within the clip",
        "its medium … is not there",
    ]
    assert str(faults[0]).startswith(f"{tmp_path / 'charades_sta_train.txt'}, line 2: 'no line'; expected")
    with pytest.raises(DataError, match=r"charades_sta_train\.txt, line 2: 'no line'; expected"):
        list(get_source("charades-sta").read(tmp_path, "train"))


@pytest.fixture
def tracks(put: Put, tmp_path: Path) -> Path:
    """Two sequences of two seconds, the second without an object in its first frame."""
    for name, first in (("one", "-8,0,24,12"), ("two", "0,0,0,0")):
        put(f"train/{name}/groundtruth.txt", "\n".join([first, *["4,4,8,8"] * 19]))
        put(f"train/{name}/cover.label", "\n".join(["8" if first[0] == "-" else "0", *["8"] * 19]))
        put(f"train/{name}/meta_info.ini", "[METAINFO]\nresolution: (32, 24)")
        for at in range(20):
            put(f"train/{name}/{at + 1:08d}.jpg", FRAME)
    put("train/list.txt", "one\ntwo")
    return tmp_path


def test_clips_are_written_for_those_that_are_wanted_alone(tracks: Path) -> None:
    written = tracks / "onethinker-media"
    with media_unwritten():
        (one, two) = rows("got-10k", tracks, "train")
    assert isinstance(one, Sample) and isinstance(two, LeftOut) and not written.exists()
    assert rows("got-10k", tracks, "train", {"other"}) == [] and not written.exists()
    (chosen,) = rows("got-10k", tracks, "train", {"one"})
    assert isinstance(chosen, Sample) and chosen.truth == one.truth
    assert chosen.media == ("onethinker-media/got-10k/train/one.mp4",) and chosen.paths(tracks)[0].is_file()
    assert json.loads(chosen.truth) == {"boxes": {"1": [0, 0, 500, 500], "2": [125, 167, 375, 500]}}  # cut, whole
    assert "frame_boxes" not in chosen.meta


SHAPES = {
    "disk": lambda y, x: (x - 50) ** 2 + (y - 40) ** 2 < 400,
    "ring": lambda y, x: abs(np.hypot(x - 90, y - 60) - 40) < 3,
    "two parts": lambda y, x: (x < 6) | (x > 190),
    "hair": lambda y, x: (x == 101) & (y > 4),
    "pixel": lambda y, x: (x == 199) & (y == 119),
    "all": lambda y, x: x >= 0,
}


@pytest.mark.parametrize(
    ("scale", "shape"),
    [
        *((1, shape) for shape in SHAPES),
        (many(17, 7), "ring"),
        *(slow((17, shape)) for shape in SHAPES if shape != "ring"),
    ],
)
def test_prompts_of_masks_lie_where_they_should(shape: str, scale: int) -> None:
    """In whole thousandths, at 200×120 and at up to 3400×2040 pixels, which are finer than they are."""
    mask = np.kron(SHAPES[shape](*np.mgrid[:120, :200]), np.ones((scale, scale), bool))
    height, width = mask.shape
    truth = prompts_of(mask, "here")
    sample = Sample("1", "image_segmentation", "image", "it", json.dumps(truth))
    assert score(sample, f"<think>x</think><answer>{sample.truth}</answer>").accuracy == 1
    assert all(type(v) is int and 0 <= v <= 1000 for v in truth["boxes"])
    for key, inside in (("positive_points", True), ("negative_points", False)):
        for x, y in truth[key]:
            assert type(x) is int and 0 <= x <= 1000 and type(y) is int and 0 <= y <= 1000
            if shape != "all":
                assert mask[min(y * height // 1000, height - 1), min(x * width // 1000, width - 1)] == inside
    if shape == "disk":  # spread over it, and well within
        assert len({tuple(point) for point in truth["positive_points"]}) == 3
        assert truth["positive_points"][0] == pytest.approx([252, 337], abs=6)
    assert prompts_of(mask, "here") == truth
