"""MeViS, ReasonVOS and Refer-YouTube-VOS: masks a frame, against pycocotools and OpenCV as their tools read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from onethinker.data.sources import read
from onethinker.data.sources.clips import frames_clip
from onethinker.data.sources.video_objects import padded
from onethinker.evaluate.masks import true_masks
from onethinker.media import open_clip
from onethinker.sample import DataError
from onethinker.tasks import get_task

Put = Callable[[str, Any], Path]
HEIGHT, WIDTH = 24, 36
NAMES = ["00000", "00005", "00010", "00015"]
EMPTY = np.zeros((HEIGHT, WIDTH), np.uint8)


def square(left: int, side: int) -> np.ndarray:
    mask = EMPTY.copy()
    mask[4 : 4 + side, left : left + side] = 1
    return mask


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    found = coco.encode(np.asfortranarray(mask))
    return {"size": found["size"], "counts": found["counts"].decode()}


ONE = [square(2, 4), square(4, 8), EMPTY, square(8, 5)]
TWO = [square(20, 3), EMPTY, EMPTY, square(20, 3)]


def put_frames(put: Put, folder: str) -> None:
    for k, name in enumerate(NAMES):
        put(f"{folder}/{name}.jpg", np.full((HEIGHT, WIDTH, 3), 60 * k, np.uint8))


@pytest.fixture
def mevis(put: Put, tmp_path: Path) -> Path:
    expressions = {"0": {"exp": "the left square. ", "anno_id": [11]}, "1": {"exp": "both", "anno_id": [11, 12]}}
    put("valid_u/meta_expressions.json", {"videos": {"abc": {"frames": NAMES, "expressions": expressions}}})
    rows = {"11": ONE, "12": TWO}
    put("valid_u/mask_dict.json", {k: [run_lengths(m) if m.any() else None for m in row] for k, row in rows.items()})
    put_frames(put, "valid_u/JPEGImages/abc")
    return tmp_path


def test_an_expression_whose_object_is_nowhere_is_left_out(mevis: Path, put: Put) -> None:
    put("valid_u/mask_dict.json", {"11": [None] * 4, "12": [run_lengths(m) if m.any() else None for m in TWO]})
    assert [s.id for s in read("mevis", mevis, "valid_u")] == ["abc-1"]


def test_mevis_masks_of_several_objects_are_one(mevis: Path) -> None:
    single, both = read("mevis", mevis, "valid_u")
    assert (single.id, single.question) == ("abc-0", "Please segment the left square.")
    for sample, expected in ((single, ONE), (both, [a + b for a, b in zip(ONE, TWO)])):
        times, found, annotated = true_masks(sample)
        assert annotated.tolist() == [bool(mask.any()) for mask in expected]  # null where there is nothing
        assert times == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6])
        assert (found == (np.stack(expected) > 0)).all()
    truth = get_task("video_segmentation").truth(single)
    assert truth.time == pytest.approx(1 / 6, abs=1e-3)  # where most of it is seen
    assert truth.box == pytest.approx((4 / 36 * 1000, 4 / 24 * 1000, 12 / 36 * 1000, 12 / 24 * 1000), abs=0.5)
    clip = open_clip(mevis / single.media[0])
    assert [int(frame.mean()) for frame in clip.frames] == pytest.approx([0, 60, 120, 180], abs=4)
    assert clip.times == pytest.approx(times, abs=1e-3)


@pytest.mark.parametrize("source", ["mevis", "MeViS"])
def test_reasonvos_reads_grey_pictures(put: Put, tmp_path: Path, source: str) -> None:
    """Its expressions are a list, as its evaluation walks it, and their numbers begin anew for each object."""
    said = [("5", 0, "Which one moves?", True), (7, 0, "The  left Square.", False), ("5", 1, "What is fast?", True)]
    expressions = [dict(zip(("obj_id", "exp_id", "exp_text", "is_sent"), row)) for row in said]
    put("meta_expressions.json", {"videos": {"abc": {"source": source, "frames": NAMES, "expressions": expressions}}})
    put_frames(put, "JPEGImages/abc")
    for name, one, two in zip(NAMES, ONE, TWO):
        cv2.imwrite(str(put(f"Annotations/{source}_abc_5/{name}.png", b"")), one * 255)
        cv2.imwrite(str(put(f"Annotations/{source}_abc_7/{name}.png", b"")), two * 255)
    sample, other, third = read("reasonvos", tmp_path, "test")
    assert [s.id for s in (sample, other, third)] == ["abc-0", "abc-1", "abc-2"]
    assert [s.question for s in (sample, other)] == ["Which one moves?", "Please segment the left square."]
    assert (true_masks(other)[1] == (np.stack(TWO) > 0)).all()
    assert (true_masks(third)[1] == true_masks(sample)[1]).all()
    files = [str(tmp_path / f"Annotations/{source}_abc_5/{name}.png") for name in NAMES]
    official = np.stack([cv2.imread(file, cv2.IMREAD_GRAYSCALE) for file in files]) > 0
    assert (true_masks(sample)[1] == official).all()


def test_refer_youtube_vos_reads_palettes(put: Put, tmp_path: Path) -> None:
    entry = {"frames": NAMES, "expressions": {"0": {"exp": "a dog", "obj_id": "2"}}}
    put("meta_expressions/train/meta_expressions.json", {"videos": {"v": entry}})
    put_frames(put, "train/JPEGImages/v")
    for name, one, two in zip(NAMES, ONE, TWO):
        picture = Image.fromarray(np.where(two, 2, one).astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 236, 95, 103, 249, 145, 87])
        picture.save(put(f"train/Annotations/v/{name}.png", b""), "PNG")
    (sample,) = read("ref-youtube-vos", tmp_path, "train")
    assert (true_masks(sample)[1] == (np.stack(TWO) > 0)).all()


def test_masks_grow_with_clips_that_are_padded_to_even_sides(put: Put, tmp_path: Path) -> None:
    put("f/0.jpg", np.zeros((257, 301, 3), np.uint8))
    clip = frames_clip(tmp_path, "x", "f", ["0.jpg"], (301, 257), 6.0, "here")
    assert open_clip(tmp_path / clip).frames.shape == (1, 258, 302, 3)
    mask = np.zeros((257, 301), bool)
    mask[-1, -1] = True
    assert padded(mask).shape == (258, 302) and padded(mask)[-2:, -2:].all() and padded(mask).sum() == 4
    assert padded(mask[:31, :33]).shape == (31, 33)  # small clips keep odd sides


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mask_dict.json", {"11": [None] * 4, "12": [None] * 4}, "no expression has a mask"),
        ("mask_dict.json", {"11": [None]}, "annotation 11: 1 masks for 4 frames"),
        ("mask_dict.json", {}, "annotation 11: expected a list, found NoneType"),
        ("mask_dict.json", {"11": [{"size": [9, 9], "counts": "zzzz"}] * 4}, "frame '00000': run lengths"),
        ("mask_dict.json", {"11": [{"size": [10**6, 10**6], "counts": [1]}] * 4}, "expected a size"),
        ("mask_dict.json", '{"11": [', "not whole JSON"),
        ("meta_expressions.json", {"clips": {}}, "no field 'videos'"),
        ("meta_expressions.json", {"videos": {"abc": {"frames": NAMES}}}, "video 'abc': no field 'expressions'"),
        ("meta_expressions.json",
         {"videos": {"../../../x": {"frames": NAMES, "expressions": {"0": {"exp": "a", "anno_id": [11]}}}}},
         "leaves the media root"),
    ],
)  # fmt: skip
def test_hostile_sets(mevis: Path, put: Put, name: str, content: Any, message: str) -> None:
    put(f"valid_u/{name}", content)
    with pytest.raises(DataError, match=message) as caught:
        list(read("mevis", mevis, "valid_u"))
    assert "valid_u" in str(caught.value)


def test_no_mask_pictures_and_a_frame_of_another_size(mevis: Path, put: Put) -> None:
    put("valid_u/JPEGImages/abc/00010.jpg", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"00010\.jpg has \(8, 8\) pixels; expected \(36, 24\)"):
        list(read("mevis", mevis, "valid_u"))
    entry = {"source": "m", "frames": NAMES, "expressions": {"3": {"exp_text": "x", "obj_id": 5}}}
    put("meta_expressions.json", {"videos": {"abc": entry}})
    (mevis / "Annotations").mkdir()
    (mevis / "JPEGImages").mkdir()
    with pytest.raises(DataError, match=r"no expression has a mask in .*Annotations; is that folder whole"):
        list(read("reasonvos", mevis, "test"))


def test_reasonvos_scores_the_frames_that_have_a_picture(put: Put, tmp_path: Path) -> None:
    """Its tool reads the PNGs that a folder has, and leaves out an expression whose folder is not there."""
    expressions = [{"obj_id": k, "exp_id": 0, "exp_text": "x", "is_sent": True} for k in ("5", "9")]
    put("meta_expressions.json", {"videos": {"abc": {"source": "m", "frames": NAMES, "expressions": expressions}}})
    put_frames(put, "JPEGImages/abc")
    for name, one in zip(NAMES[1:], ONE[1:]):
        cv2.imwrite(str(put(f"Annotations/m_abc_5/{name}.png", b"")), one * 255)
    (sample,) = read("reasonvos", tmp_path, "test")
    times, found, annotated = true_masks(sample)
    assert times == pytest.approx([1 / 6, 2 / 6, 3 / 6]) and annotated.all()
    assert (found == (np.stack(ONE[1:]) > 0)).all()


def test_masks_keep_their_frames_size_where_the_clip_is_padded(put: Put, tmp_path: Path) -> None:
    """A clip of 301×257 frames is shown at 302×258; the truth's prompts are of that, its masks of the frames."""
    mask = np.zeros((257, 301), np.uint8)
    mask[200:, 250:] = 1
    expressions = {"0": {"exp": "it", "anno_id": [1]}}
    put("valid_u/meta_expressions.json", {"videos": {"abc": {"frames": ["0"], "expressions": expressions}}})
    put("valid_u/mask_dict.json", {"1": [run_lengths(mask)]})
    put("valid_u/JPEGImages/abc/0.jpg", np.zeros((257, 301, 3), np.uint8))
    (sample,) = read("mevis", tmp_path, "valid_u")
    assert (true_masks(sample).masks_THW == mask[None]).all()
    truth = get_task("video_segmentation").truth(sample)
    assert truth.box == pytest.approx((250 / 302 * 1000, 200 / 258 * 1000, 1000, 1000), abs=0.5)


def test_spoilt_files(mevis: Path, survives: Any) -> None:
    expressions = {"0": {"exp": "the left square. ", "anno_id": [11]}, "1": {"exp": "both", "anno_id": [11, 12]}}
    document = {"videos": {"abc": {"frames": NAMES, "expressions": expressions}}}
    survives("mevis", "valid_u", "valid_u/meta_expressions.json", document)
    rows = {"11": [run_lengths(m) for m in ONE], "12": [run_lengths(m) for m in TWO]}
    survives("mevis", "valid_u", "valid_u/mask_dict.json", rows)
