"""Masks made from segmentation answers, and the metrics they become."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as coco

from onethinker.engines.scripted import ScriptedEngine
from onethinker.evaluate.masks import true_masks, with_mask
from onethinker.media import write_clip, write_image
from onethinker.recipes.base import EvalConfig
from onethinker.sample import DataError, Sample, Samples
from onethinker.sample.answer import read_answer
from onethinker.segment import Segmenter
from onethinker.tasks import get_task

SIDE = 40
POINTS = '"positive_points": [[200,200],[250,250],[300,300]], "negative_points": [[900,900],[800,900],[900,800]]'
PROMPTS = '{"boxes": [100, 100, 500, 500], ' + POINTS + "}"
TIMED = PROMPTS.replace("{", '{"time": 1.0, ', 1)


class Boxes(Segmenter):
    """The box itself is the mask; in a clip it stays where it is."""

    step = 1.0

    def segment_image(self, image, box, positive, negative):
        return square(box)

    def segment_clip(self, clip, key_time, box, positive, negative, times):
        return np.stack([square(box)] * len(times))

    def start(self, frame, prompt, before, after):
        raise NotImplementedError


def square(box, side=SIDE):
    mask = np.zeros((side, side), bool)
    x1, y1, x2, y2 = (round(v / 1000 * side) for v in box)
    mask[y1:y2, x1:x2] = True
    return mask


def rle(mask):
    found = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(found["size"]), "counts": found["counts"].decode()}


@pytest.fixture
def segmented(tmp_path) -> Samples:
    """A picture and a clip of three frames at 2 fps, in which the true box is twice as high as the answered one."""
    write_image(tmp_path / "still.png", np.zeros((SIDE, SIDE, 3), np.uint8))
    write_clip(tmp_path / "clip.mp4", np.zeros((4, SIDE, SIDE, 3), np.uint8), 2.0)
    true = square([100, 100, 500, 900])
    names = ["00000", "00001", "00002"]
    still = Sample("s", "image_segmentation", "image", "segment it", PROMPTS, media=("still.png",),
                   meta={"segmentation": {"segmentation_rle": rle(true)}})  # fmt: skip
    meta = {"fps": 2.0, "segmentation": {"frames": names, "segmentation_rle": dict.fromkeys(names, rle(true))}}
    clip = Sample("c", "video_segmentation", "video", "segment it", TIMED, media=("clip.mp4",), meta=meta)
    return Samples((still, clip), tmp_path)


def test_masks_become_the_headline(segmented, said, run, tmp_path):
    engine = ScriptedEngine({"s": said(PROMPTS), "c": said(TIMED)})
    summary = run(segmented, engine, tmp_path / "eval", segmenter=Boxes())
    assert list(json.loads((tmp_path / "eval" / "results.jsonl").read_text().splitlines()[1])["evidence"]["mask"]) == [
        "j", "f", "released_j", "released_f",
    ]  # fmt: skip
    still, clip = (summary["tasks"][t] for t in ("image_segmentation", "video_segmentation"))
    assert still["headline"] == "cIoU" and still["metrics"]["cIoU"]["value"] == pytest.approx(0.5)
    assert clip["headline"] == "J&F" and clip["metrics"]["J"]["value"] == pytest.approx(0.5)
    assert 0 < clip["metrics"]["F"]["value"] < 1
    assert summary["segmenter"] == "boxes"


def test_an_unread_answer_scores_nothing_and_still_weighs(segmented, said, run, tmp_path):
    engine = ScriptedEngine({"s": said("no idea"), "c": "<think>"})
    summary = run(segmented, engine, tmp_path / "eval", segmenter=Boxes())
    assert summary["tasks"]["image_segmentation"]["metrics"]["cIoU"]["value"] == 0.0
    assert summary["tasks"]["video_segmentation"]["metrics"]["J&F"]["value"] == 0.0
    score = get_task("image_segmentation").score(segmented[0], read_answer(said("no idea")))
    masked = with_mask(segmented[0], segmented.root, read_answer(said("no idea")), score, Boxes())
    assert masked.evidence["mask"] == {"inter": 0, "union": int(square([100, 100, 500, 900]).sum())}


def test_without_a_segmenter_there_are_no_mask_metrics(segmented, said, run, tmp_path):
    summary = run(segmented, ScriptedEngine({"s": said(PROMPTS), "c": said(TIMED)}), tmp_path / "eval")
    assert "cIoU" not in summary["tasks"]["image_segmentation"]["metrics"]


def test_truth_without_masks_costs_its_own_row(segmented, said, run, tmp_path):
    bare = Samples((replace(segmented[0], meta={}), segmented[1]), segmented.root)
    engine = ScriptedEngine({"s": said(PROMPTS), "c": said(TIMED)})
    summary = run(bare, engine, tmp_path / "eval", segmenter=Boxes())
    assert (summary["errors"], summary["n"]) == (1, 1)
    row = json.loads((tmp_path / "eval" / "results.jsonl").read_text().splitlines()[0])
    assert "segmentation_output" in row["error"]


def test_masks_of_another_size_are_an_error_not_a_score(segmented, said):
    other = {"segmentation": {"segmentation_rle": rle(square([0, 0, 500, 500], side=30))}}
    sample = replace(segmented[0], meta=other)
    answer = read_answer(said(PROMPTS))
    score = get_task(sample.task).score(sample, answer)
    with pytest.raises(DataError, match="30, 30"):
        with_mask(sample, segmented.root, answer, score, Boxes())


def test_frames_are_timed_by_fps(segmented):
    times, masks, annotated = true_masks(segmented[1])
    assert annotated.all()
    assert times == [0.0, 0.5, 1.0] and masks.shape == (3, SIDE, SIDE)
    with pytest.raises(DataError, match="sample c"):
        true_masks(replace(segmented[1], meta={"segmentation": {"frames": ["a"]}, "fps": 0}))


def test_an_answer_that_reads_the_same_leniently_is_segmented_once(segmented, said, run, tmp_path):
    asked = []

    class Counting(Boxes):
        def segment_image(self, image, box, positive, negative):
            asked.append(tuple(box))
            return super().segment_image(image, box, positive, negative)

    fenced = Samples((segmented[0], replace(segmented[0], id="f", question="again")), segmented.root)
    engine = ScriptedEngine({"s": said(PROMPTS), "f": said(f"```json\n{PROMPTS}\n```")})
    entry = run(fenced, engine, tmp_path / "eval", segmenter=Counting())["tasks"]["image_segmentation"]
    assert len(asked) == 2, "once for the plain answer, once for the fenced one, read leniently only"
    assert entry["metrics"]["gIoU"]["value"] == 0.25
    assert entry["lenient"] == {"needed": 1, "value": 0.5}


def clip_with(clip, runs, **meta):
    """The clip with other run lengths."""
    record = {"frames": ["00000", "00001", "00002"], "segmentation_rle": runs}
    return replace(clip, meta={"fps": 2.0, "segmentation": record, **meta})


def test_masks_of_a_clip_are_bounded_together(segmented):
    """Each is within its own bound, in a few bytes."""
    names = [f"{k:05d}" for k in range(1000)]
    large = {"size": [10_000, 10_000], "counts": [100_000_000]}
    record = {"frames": names, "segmentation_rle": dict.fromkeys(names, large)}
    with pytest.raises(DataError, match="1000 masks of 10000×10000 exceed"):
        true_masks(replace(segmented[1], meta={"fps": 2.0, "segmentation": record}))


@pytest.mark.parametrize(
    "runs", [{"00001": None}, {}, {"00000": {}, "00001": "", "00002": None}], ids=["null", "absent", "all"]
)
def test_a_frame_without_run_lengths_is_empty(segmented, said, runs):
    """As MeViS's tool has it; the release's skips it. An answer that cannot be read is asked of the same frames."""
    whole = rle(square([100, 100, 500, 500]))
    given = {"00000": whole, "00001": whole, "00002": whole} | runs if runs else {"00000": whole}
    sample = clip_with(segmented[1], given, resolution={"width": SIDE, "height": SIDE})
    there = [bool(given.get(name)) for name in ("00000", "00001", "00002")]
    truth = true_masks(sample)
    assert truth.annotated_T.tolist() == truth.masks_THW.any(axis=(1, 2)).tolist() == there
    task, read = get_task(sample.task), read_answer(said(TIMED))
    mask = with_mask(sample, segmented.root, read, task.score(sample, read), Boxes()).evidence["mask"]
    share, some = sum(there) / 3, float(any(there))
    assert mask == pytest.approx({"j": share, "f": share, "released_j": some, "released_f": some})
    lost = read_answer("no")
    found = with_mask(sample, segmented.root, lost, task.score(sample, lost), Boxes())
    assert set(found.evidence["mask"].values()) == {0.0}


@pytest.mark.parametrize("answer", [TIMED, "no idea"])
def test_a_clip_without_usable_masks_is_an_error_whatever_the_answer(segmented, said, answer):
    read = read_answer(said(answer))
    for sample in (
        clip_with(segmented[1], {}),  # no size anywhere
        clip_with(segmented[1], None),
        clip_with(segmented[1], {"00000": {"size": [SIDE, SIDE], "counts": [7]}}),
        clip_with(segmented[1], {"00000": rle(square([0, 0, 9, 9])), "00001": rle(square([0, 0, 9, 9], side=30))}),
        clip_with(segmented[1], {}, resolution={"width": 10**6, "height": 10**6}),
    ):
        with pytest.raises(DataError, match="sample c"):
            with_mask(sample, segmented.root, read, get_task(sample.task).score(sample, read), Boxes())


def test_masks_of_a_padded_clip_are_cut_to_its_frames(segmented, said):
    """An odd side has one row or column more in the clip, which nobody's truth has."""

    class Padded(Boxes):
        def segment_clip(self, clip, key_time, box, positive, negative, times):
            masks = np.zeros((len(times), SIDE, SIDE), bool)
            masks[:, :, 20:] = True
            return masks

    true = np.zeros((SIDE - 1, SIDE - 1), bool)
    true[:, 20:] = True
    sample = clip_with(segmented[1], dict.fromkeys(("00000", "00001", "00002"), rle(true)))
    read = read_answer(said(TIMED))
    found = with_mask(sample, segmented.root, read, get_task(sample.task).score(sample, read), Padded())
    assert set(found.evidence["mask"].values()) == {1.0}
    even = clip_with(segmented[1], {"00000": rle(np.ones((SIDE - 2, SIDE), bool))})
    with pytest.raises(DataError, match="38, 40"):
        with_mask(even, segmented.root, read, get_task(even.task).score(even, read), Padded())


def test_the_released_profile_takes_the_releases_formulas(segmented, said, run, tmp_path):
    engine = ScriptedEngine({"s": said(PROMPTS), "c": said(TIMED)})
    summary = run(segmented, engine, tmp_path / "eval", segmenter=Boxes(),
                  config=EvalConfig(bootstrap=50, metric_profile="released"))  # fmt: skip
    metrics = summary["tasks"]["video_segmentation"]["metrics"]
    row = json.loads((tmp_path / "eval" / "results.jsonl").read_text().splitlines()[1])
    assert metrics["F"]["value"] == row["evidence"]["mask"]["released_f"] != row["evidence"]["mask"]["f"]
