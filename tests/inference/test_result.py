"""A result: its typed fields, its JSON record, its files and what a notebook shows."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from onethinker.inference.record import CONVENTION, SCHEMA, VERSION
from onethinker.measure.masks import decode
from onethinker.media import MediaError, open_clip, probe

TUBE = '{"time": [0.5, 1.2], "boxes": {"0": [0, 0, 500, 500], "1": [500, 250, 1000, 750]}}'
POINTS = '"positive_points": [[300, 300], [350, 420], [400, 500]], "negative_points": [[9, 9], [900, 9], [9, 900]]'
PROMPTS = '{"boxes": [600, 200, 100, 800], ' + POINTS + "}"


@pytest.fixture
def answered(model_saying, media):
    """`answered(answer, name, task)`: the result of a question about the thing."""

    def make(answer: str, name: str, task: str):
        return model_saying(f"<think>I look.</think><answer>{answer}</answer>").ask(media[name], "the disc", task=task)

    return make


def test_boxes_are_in_pixels_and_thousands(answered):
    boxes = answered('{"boxes": [600, 250, 100, 750]}', "wide", "spatial_grounding").boxes
    assert boxes.xyxy_1000.tolist() == [[100, 250, 600, 750]], "corners in order"
    assert boxes.xyxy.tolist() == [[6.4, 8.0, 38.4, 24.0]], "of 64×32 pixels"
    assert boxes.xywh.tolist() == [[6.4, 8.0, 32.0, 16.0]]
    assert boxes.labels == ("the disc",) and np.isnan(boxes.seconds).all() and boxes.things.tolist() == [1]


def test_a_tube_has_span_and_boxes_by_second(answered):
    result = answered(TUBE, "even", "spatial_temporal_grounding")
    assert result.span == (0.5, 1.2)
    assert result.boxes.seconds.tolist() == [0, 1] and result.boxes.xyxy[1].tolist() == [16, 8, 32, 24]
    assert len(result.points) == len(result.masks) == 0


def test_tracking_counts_from_its_first_frame(answered):
    result = answered('{"boxes": {"1": [1, 2, 3, 4], "2": [0, 0, 0, 0], "3": [5, 6, 7, 8]}}', "even", "tracking")
    assert result.boxes.seconds.tolist() == [0, 2], "key k is at k − 1 s, a box of zeros is none"


def test_a_segmentation_has_masks_by_itself(answered):
    result = answered(PROMPTS, "square", "image_segmentation")
    masks = result.masks
    assert masks.data.shape == (1, 64, 64) and masks.data.dtype == bool and masks.data.any()
    assert result.points.positive.tolist() == [True] * 3 + [False] * 3
    assert result.points.xy[0].tolist() == [19.2, 19.2]
    (record,) = result.record()["masks"]
    assert np.array_equal(decode(record), masks.data[0])
    assert result.record(masks=False)["masks"] is None
    rows, columns = np.nonzero(masks.data[0])
    assert masks.xyxy[0].tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_words_have_no_places(answered, model_saying):
    result = answered("A disc.", "square", "caption")
    assert (len(result.boxes), len(result.points), len(result.masks), result.span) == (0, 0, 0, None)
    alone = model_saying("<think>.</think><answer>4</answer>").query(None, "What is 2 + 2?")
    assert alone.record()["media"] == [] and alone.size == (0, 0)
    assert alone._repr_html_() == "<p>4</p>" and alone._repr_png_() is None
    with pytest.raises(MediaError, match="nothing to draw on"):
        alone.plot()


def test_the_record_explains_itself(answered):
    result = answered(TUBE, "even", "spatial_temporal_grounding")
    line = result.to_json()
    assert line.isascii() and "\n" not in line
    found = json.loads(line)
    assert (found["schema"], found["version"], found["convention"]) == (SCHEMA, VERSION, CONVENTION)
    assert found["media"] == [
        {"name": "even.mp4", "kind": "clip", "width": 32, "height": 32, "duration": 1.5, "frames": 6, "fps": 4.0}
    ]
    assert found["boxes"][1] == {
        "label": "the disc", "thing": 1, "second": 1.0, "box": [500.0, 250.0, 1000.0, 750.0],
        "pixels": [16.0, 8.0, 32.0, 24.0],
    }  # fmt: skip
    assert found["span"] == [0.5, 1.2] and found["model"] == "scripted" and found["tokens"] > 0
    bad = json.loads(answered("left", "even", "tracking").to_json())
    assert (bad["status"], bad["value"], bad["boxes"], bad["answer"]) == ("malformed", None, [], "left")


def test_a_clip_is_saved_as_what_its_suffix_says(answered, tmp_path):
    result = answered(TUBE, "even", "spatial_temporal_grounding")
    film = open_clip(result.save(tmp_path / "drawn.mp4"))
    animation = Image.open(result.save(tmp_path / "drawn.gif"))
    assert len(film.frames) == animation.n_frames == 6 and animation.size == (film.width, film.height)
    assert probe(tmp_path / "drawn.gif").duration == pytest.approx(1.5, abs=0.05)
    assert json.loads(result.save(tmp_path / "drawn.json").read_text()) == result.record()
    still = Image.open(result.save(tmp_path / "drawn.png"))
    assert still.size == result.plot().size == (film.width, film.height)
    with pytest.raises(MediaError, match=r"drawn\.xyz: drawings are written as"):
        result.save(tmp_path / "drawn.xyz")


def test_the_still_of_a_clip_is_where_the_answer_is(answered):
    late = answered('{"boxes": {"2": [100, 100, 900, 900]}}', "even", "tracking")
    frames, times = late.draw()
    assert np.abs(np.asarray(late.plot(), int) - np.asarray(frames[times.index(1.0)], int)).mean() < 1


def test_crops_are_what_the_boxes_hold(answered, media, tmp_path):
    (file,) = answered('{"boxes": [250, 0, 750, 1000]}', "wide", "spatial_grounding").save_crop(tmp_path)
    whole = np.asarray(Image.open(media["wide"]))
    assert file.name == "the-disc-1.png" and np.array_equal(np.asarray(Image.open(file)), whole[:, 16:48])
    tube = answered(TUBE, "even", "spatial_temporal_grounding").save_crop(tmp_path / "tube")
    assert [Image.open(crop).size for crop in tube] == [(16, 16), (16, 16)]
    clip = open_clip(media["even"], times=[1.0])
    assert np.array_equal(np.asarray(Image.open(tube[1])), clip.frames[0][8:24, 16:32])
    assert answered('{"boxes": [1500, 0, 1700, 10]}', "wide", "spatial_grounding").save_crop(tmp_path) == []


def test_a_notebook_shows_picture_or_clip(answered):
    picture = answered('{"boxes": [250, 0, 750, 1000]}', "wide", "spatial_grounding")
    assert picture._repr_html_() is None
    assert Image.open(BytesIO(picture._repr_png_())).size == picture.plot().size
    clip = answered("<script>x</script>", "even", "caption")
    assert clip._repr_png_() is None
    shown = clip._repr_html_()
    assert shown.startswith('<video controls loop muted src="data:video/mp4;base64,') and "<script>" not in shown
