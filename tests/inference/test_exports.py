"""Exports against those who read them: supervision, pycocotools, MOTChallenge's columns, DAVIS's palette pictures."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from onethinker.media import MediaError

TRACK = '{"boxes": {"1": [0, 0, 500, 500], "2": [500, 250, 1000, 750]}}'
TUBE = '{"time": [0.5, 1.2], "boxes": {"0": [0, 0, 500, 500], "1": [500, 250, 1000, 750]}}'
PARTS = (
    '"boxes": [200, 200, 700, 700], "positive_points": [[300, 300], [350, 420], [400, 500]], '
    '"negative_points": [[9, 9], [900, 9], [9, 900]]'
)


@pytest.fixture
def answered(model_saying, media):
    def make(answer: str, name: str, task: str):
        return model_saying(f"<think>.</think><answer>{answer}</answer>").ask(media[name], "the disc", task=task)

    return make


def loaded(record) -> COCO:
    """As pycocotools reads it from JSON."""
    coco = COCO()
    coco.dataset = json.loads(json.dumps(record))
    coco.createIndex()
    return coco


def test_supervision_has_the_boxes(answered):
    supervision = pytest.importorskip("supervision")
    found = answered('{"boxes": [100, 250, 600, 750]}', "wide", "spatial_grounding").to_supervision()
    assert isinstance(found, supervision.Detections)
    assert np.allclose(found.xyxy, [[6.4, 8, 38.4, 24]]) and found.area == pytest.approx([32 * 16])
    assert found["class_name"].tolist() == ["the disc"] and found.class_id.tolist() == [0] and found.tracker_id is None
    assert supervision.BoxAnnotator().annotate(np.zeros((32, 64, 3), np.uint8), found).any()
    words = answered("A disc.", "wide", "caption").to_supervision()
    assert len(words) == 0


def test_supervision_has_tracks_by_second(answered):
    pytest.importorskip("supervision")
    result = answered(TRACK, "even", "tracking")
    whole = result.to_supervision()
    assert whole.tracker_id.tolist() == [1, 1] and whole["second"].tolist() == [0, 1]
    half = result.to_supervision(0.5)
    assert half.xyxy.tolist() == [[8, 4, 24, 20]], "halfway between the two"
    assert len(result.to_supervision(1.25)) == 0
    assert len(answered(TUBE, "even", "spatial_temporal_grounding").to_supervision(0.25)) == 0, "outside its span"
    with pytest.raises(MediaError, match="is about a picture"):
        answered("A disc.", "wide", "caption").to_supervision(1.0)


def test_supervision_has_masks(answered):
    pytest.importorskip("supervision")
    result = answered("{" + PARTS + "}", "square", "image_segmentation")
    found = result.to_supervision()
    assert np.array_equal(np.asarray(found.mask), result.masks.data) and found.area.tolist() == [
        result.masks.data.sum()
    ]


def test_pycocotools_loads_boxes_and_masks(answered):
    coco = loaded(answered('{"boxes": [100, 250, 600, 750]}', "wide", "spatial_grounding").to_coco())
    (annotation,) = coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(catNms=["the disc"])))
    assert annotation["bbox"] == pytest.approx([6.4, 8, 32, 16]) and annotation["area"] == pytest.approx(512)
    result = answered("{" + PARTS + "}", "square", "image_segmentation")
    coco = loaded(result.to_coco())
    (annotation,) = coco.loadAnns(coco.getAnnIds())
    assert np.array_equal(coco.annToMask(annotation), result.masks.data[0])
    from pycocotools import mask

    assert annotation["bbox"] == mask.toBbox(annotation["segmentation"]).tolist()
    assert coco.loadImgs(1)[0] == {"id": 1, "file_name": "square.png", "width": 64, "height": 64}


def test_pycocotools_loads_a_clip_second_by_second(answered):
    coco = loaded(answered(TRACK, "even", "tracking").to_coco())
    assert [image["second"] for image in coco.loadImgs(coco.getImgIds())] == [0, 1]
    assert coco.loadAnns(coco.getAnnIds(imgIds=[2]))[0]["bbox"] == [16, 8, 16, 16]
    assert loaded(answered("A disc.", "wide", "caption").to_coco()).getAnnIds() == []


def test_mot_columns_are_read_as_motchallenge_has_them(answered):
    """As py-motmetrics' `io.load_motchallenge` does: its columns, and one off left and top, which count from 1."""
    pandas = pytest.importorskip("pandas")
    result = answered(TRACK, "even", "tracking")
    names = ["FrameId", "Id", "X", "Y", "Width", "Height", "Confidence", "ClassId", "Visibility", "unused"]
    found = pandas.read_csv(StringIO(result.to_mot()), header=None, index_col=[0, 1], names=names)
    found[["X", "Y"]] -= (1, 1)
    assert found.index.tolist() == [(n, 1) for n in range(1, 6)], "frames at 0 to 1 s of a clip of 4 a second"
    assert found.loc[(1, 1), ["X", "Y", "Width", "Height"]].tolist() == [0, 0, 16, 16]
    assert found.loc[(3, 1), ["X", "Y", "Width", "Height"]].tolist() == [8, 4, 16, 16]
    assert found["Confidence"].eq(1).all() and found[["ClassId", "Visibility", "unused"]].eq(-1).all(axis=None)
    assert len(result.to_mot(fps=2).splitlines()) == 3
    tube = answered(TUBE, "even", "spatial_temporal_grounding").to_mot()
    assert [line.split(",")[0] for line in tube.splitlines()] == ["3", "4", "5"], "within the span"
    picture = answered('{"boxes": [0, 0, 500, 500]}', "wide", "spatial_grounding").to_mot()
    assert picture == "1,1,1.00,1.00,32.00,16.00,1,-1,-1,-1\n"


def test_davis_reads_a_palette_picture_a_frame(answered, tmp_path):
    """As davis2017-evaluation does: `np.array(Image.open(file))` are the objects' numbers, in the files' order."""
    result = answered('{"time": 0.5, ' + PARTS + "}", "even", "video_segmentation")
    files = result.to_davis(tmp_path / "masks")
    assert [file.name for file in files] == [f"{n:05d}.png" for n in range(6)]
    pictures = [Image.open(file) for file in sorted((tmp_path / "masks").glob("*.png"))]
    assert {picture.mode for picture in pictures} == {"P"} and pictures[0].getpalette()[:6] == [0, 0, 0, 128, 0, 0]
    masks = np.stack([np.array(picture) for picture in pictures])
    assert np.array_equal(masks > 0, result.masks_at(np.arange(6) / 4).data) and set(np.unique(masks)) == {0, 1}
    (alone,) = answered("{" + PARTS + "}", "square", "image_segmentation").to_davis(tmp_path / "one")
    assert np.array(Image.open(alone)).shape == (64, 64)
    with pytest.raises(MediaError, match="has no masks"):
        answered("A disc.", "wide", "caption").to_davis(tmp_path)


def test_several_objects_and_points(answered):
    supervision = pytest.importorskip("supervision")
    objects = '{"objects": [{"label": "cat", "box": [0, 0, 500, 500]}, {"label": "dog", "box": [500, 0, 1000, 500]}]}'
    result = answered(objects, "wide", "detection")
    assert result.boxes.labels == ("cat", "dog") and result.boxes.things.tolist() == [1, 2]
    assert result.to_supervision().class_id.tolist() == [0, 1]
    coco = loaded(result.to_coco())
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["cat", "dog"]
    assert [line.split(",")[1] for line in result.to_mot().splitlines()] == ["1", "2"]
    result = answered('{"points": [[250, 500], [500, 250]]}', "wide", "pointing")
    assert result.points.xy.tolist() == [[16, 16], [32, 8]]
    keypoints = result.to_supervision()
    assert isinstance(keypoints, supervision.KeyPoints) and keypoints.xy.tolist() == [[[16, 16]], [[32, 8]]]
    (first, _) = loaded(result.to_coco()).loadAnns([1, 2])
    assert first["keypoints"] == [16, 16, 2] and first["num_keypoints"] == 1
