"""Numbers of each task's profiles, worked out by hand."""

from __future__ import annotations

import json
import math
from math import exp
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from onethinker.sample import DataError
from onethinker.sample.answer import Status
from onethinker.tasks import TASKS, score
from onethinker.tasks.base import Score
from onethinker.tasks.image_segmentation import true_mask
from onethinker.tasks.rewards import REWARDS, Reward, RewardError
from tests.tasks.examples import TRUTHS, respond, sample_of

BOX, FAR = [100, 200, 300, 400], [600, 600, 700, 700]


def answered(task: str, answer: Any, **changes: Any) -> Score:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return score(sample_of(task, **changes), respond(text))


def test_released_reward_needs_format_for_structure() -> None:
    found = Score(Status.OK, accuracy=0.5, format=0, structure=0.5)
    assert found.reward("released") == pytest.approx(0.45)
    assert replace(found, format=1).reward("released") == pytest.approx(1.05)


@pytest.mark.parametrize("given", [float("nan"), float("inf"), None, "good", [1.0, 2.0]])
def test_a_profile_of_ones_own_gives_a_finite_number_or_is_named(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REWARDS, "mine", Reward(lambda score: given, lambda most: 1.0))
    with pytest.raises(
        RewardError, match=r"'mine' gave .* for an answer of status ok and accuracy 0.5; expected a fin"
    ):
        Score(Status.OK, accuracy=0.5).reward("mine")
    assert math.isnan(Score(Status.ERROR).reward("mine")), "a profile is not asked what an error earns"
    monkeypatch.setitem(REWARDS, "mine", Reward(lambda score: np.float32(0.5), lambda most: 1.0))
    assert type(Score(Status.OK).reward("mine")) is float


def test_hardened_pays_each_tag_once_and_some_thinking() -> None:
    sample = sample_of("multiple_choice")
    rewards = [
        score(sample, response).reward(profile)
        for response in (
            "<think>so</think><answer>B</answer>",
            "<think></think><answer>B</answer>",
            "<think>so</think><answer>A</answer><think>or</think><answer>B</answer>",
        )
        for profile in ("paper", "hardened")
    ]
    assert rewards == [2.0, 2.0, 2.0, 1.0, 2.0, 1.0]


def test_a_regression_row_without_the_reported_mra_has_its_accuracy() -> None:
    """Evaluations of before hold `mra_official` alone."""
    found = answered("regression", "90", truth="100")
    old = replace(found, evidence={"mra_official": found.evidence["mra_official"]})
    assert TASKS["regression"].metrics([old], "released")["MRA"] == found.accuracy > 0


def test_regression_profiles_differ_at_the_threshold() -> None:
    found = answered("regression", "150", truth="100")  # relative error 0.5: not < 0.5, but <= 0.5
    assert TASKS["regression"].metrics([found], "released")["MRA"] == 0.0
    assert TASKS["regression"].metrics([found], "official")["MRA"] == pytest.approx(0.1)


def test_ocr_is_averaged_and_pooled() -> None:
    scores = [
        answered("ocr", "a b c d", truth="a b c d"),
        answered("ocr", "x", truth="y"),
        answered("ocr", "a b c", truth="a"),
    ]
    metrics = TASKS["ocr"].metrics(scores)
    assert metrics == {"1-WER": pytest.approx(1 / 3), "1-WER pooled": pytest.approx((4 - 0 + 1 - 1 + 1 - 2) / 6)}


def test_one_word_answers_have_no_bigram() -> None:
    found = answered("open_ended", "dog", truth="Dog.")
    assert found.accuracy == pytest.approx(2 / 3)
    assert TASKS["open_ended"].metrics([found])["ROUGE-2"] == 0.0


def test_spatial_thresholds_include_their_value() -> None:
    half = answered("spatial_grounding", {"boxes": [100, 200, 500, 500]})  # IoU 0.5 of [100, 200, 500, 800]
    none = answered("spatial_grounding", {"boxes": FAR})
    metrics = TASKS["spatial_grounding"].metrics([half, none])
    assert list(metrics) == ["Acc@0.5", "mIoU", "Acc@0.7"]
    assert metrics == {"Acc@0.5": 0.5, "mIoU": pytest.approx(0.25), "Acc@0.7": 0.0}


def test_official_spans_are_those_of_the_benchmarks_tools() -> None:
    """Only ANet-RTL's tool orders a span and cuts it to the clip; Charades-STA's, ActivityNet's and STVG's do not."""
    task, ordered = TASKS["temporal_grounding"], {"duration": 10, "tiou": "ordered"}
    for span, expected, meant in (([9.25, 3.5], 0.0, 1.0), ([0, 20], 5.75 / 20, 0.575)):
        for meta, official in (({}, expected), ({"duration": 10}, expected), (ordered, meant)):
            found = answered("temporal_grounding", {"time": span}, meta=meta)
            assert task.metrics([found])["mIoU"] == pytest.approx(official)
            assert task.metrics([found], "released")["mIoU"] == found.accuracy == pytest.approx(expected)
    assert task.metrics([found]) == {"mIoU": pytest.approx(0.575), "R@0.3": 1.0, "R@0.5": 1.0, "R@0.7": 0.0}
    with pytest.raises(DataError, match="meta\\['duration'\\] is 'long'"):
        answered("temporal_grounding", {"time": [0, 1]}, meta=ordered | {"duration": "long"})
    tube = answered("spatial_temporal_grounding", {"time": [6.8, 3.2], "boxes": {"5": [110, 210, 310, 410]}})
    assert TASKS["spatial_temporal_grounding"].metrics([tube])["tIoU"] == 0.0


def test_spatial_temporal_profiles() -> None:
    truth = {"time": [2, 5], "boxes": {str(k): BOX for k in (2, 3, 4, 5)}}
    answer = {"time": [2, 5], "boxes": {"3": BOX, "4": FAR, "9": BOX}}
    found = answered("spatial_temporal_grounding", answer, truth=json.dumps(truth))
    assert found.accuracy == pytest.approx(0.5 + 0.5 * 0.5)
    assert found.structure == pytest.approx(0.25 + 0.25 * 2 / 4)
    assert found.r_acc == {"paper": pytest.approx(1 + 1 / 2), "hardened": pytest.approx(1 + 1 / 5)}
    official = TASKS["spatial_temporal_grounding"].metrics([found], "official")
    assert (official["tIoU"], official["sIoU"], official["stIoU"]) == (1.0, pytest.approx(1 / 4), pytest.approx(1 / 5))
    assert next(iter(official.items())) == ("mean", pytest.approx(5 / 8))
    assert (official["vIoU"], official["vIoU@0.3"]) == (pytest.approx(1 / 4), 0.0)
    assert TASKS["spatial_temporal_grounding"].metrics([found], "released")["sIoU"] == pytest.approx(1 / 2)


def test_hardened_tracking_searches_beyond_the_given_box() -> None:
    truth = {"boxes": {"1": BOX, "2": FAR, "3": FAR}}
    given = {"boxes": dict.fromkeys(("1", "2", "3"), BOX)}
    found = answered("tracking", given, truth=json.dumps(truth))
    assert found.r_acc == {"paper": pytest.approx(1 / 3), "hardened": 0.0}
    more = {"boxes": {"1": BOX, "2": FAR, "3": FAR} | {str(k): BOX for k in range(4, 10)}}
    found = answered("tracking", more, truth=json.dumps(truth))
    assert found.r_acc == {"paper": 1.0, "hardened": pytest.approx(2 / 8)}
    assert found.structure == 0.5
    only = answered("tracking", {"boxes": {"1": BOX}}, truth=json.dumps({"boxes": {"1": BOX}}))
    assert only.r_acc["hardened"] == 1.0


def test_tracking_metrics_pool_frames_without_the_first() -> None:
    truth = json.dumps({"boxes": {"1": BOX, "2": BOX, "3": BOX}})
    right = answered("tracking", {"boxes": dict.fromkeys(("1", "2", "3"), BOX)}, truth=truth)
    given_alone = answered(
        "tracking", {"boxes": {"1": BOX}}, truth=json.dumps({"boxes": {str(k): BOX for k in range(1, 9)}})
    )
    metrics = TASKS["tracking"].metrics([right, given_alone], "official")
    assert metrics == {"AO": pytest.approx(2 / 9), "SR0.5": pytest.approx(2 / 9), "SR0.75": pytest.approx(2 / 9)}
    assert TASKS["tracking"].metrics([right, given_alone], "released")["AO"] == pytest.approx((1 + 1 / 8) / 2)


def test_tracking_is_judged_frame_by_frame_where_the_truth_is() -> None:
    frames = [[100 + 10 * i, 200, 300 + 10 * i, 400] for i in range(11)]  # 5 frames a second, 50 a second to the right
    truth = json.dumps({"boxes": {"1": frames[0], "2": frames[5], "3": frames[10]}})
    meta = {"frame_boxes": frames, "fps": 5, "cover": [8] * 10 + [0]}
    found = answered("tracking", {"boxes": {"1": frames[0], "3": frames[10]}}, truth=truth, meta=meta)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.evidence["got10k"]["frames"] == 9
    assert TASKS["tracking"].metrics([found])["AO"] == pytest.approx(1.0)
    with pytest.raises(DataError, match="needs meta\\['fps'\\]"):
        answered("tracking", {"boxes": {"1": BOX}}, truth=truth, meta={"frame_boxes": frames})
    with pytest.raises(DataError, match="tracking-1: meta\\['frame_boxes'\\]"):
        answered("tracking", {"boxes": {"1": BOX}}, truth=truth, meta={"frame_boxes": [[1, 2]], "fps": 5})


def test_segmentation_rewards() -> None:
    answer = json.loads(TRUTHS["video_segmentation"])
    shaken = answer | {"time": 5.5, "positive_points": [[x + 30, y + 40] for x, y in answer["positive_points"]]}
    found = answered("video_segmentation", shaken)
    near = exp(-(50**2) / (2 * 50**2))
    assert found.components == pytest.approx({"iou": 1, "positive": near, "negative": 1, "time": exp(-0.5)})
    assert found.accuracy == pytest.approx(0.3 + 0.3 * exp(-0.5) + 0.2 * near + 0.2)
    assert found.r_acc["paper"] == pytest.approx(1 + near + 1 + exp(-0.5))
    image = answered("image_segmentation", shaken)
    assert image.accuracy == pytest.approx(0.5 + 0.25 * near + 0.25)
    assert image.r_acc["paper"] == pytest.approx(2 + near)


def test_clip_masks_lead_the_table() -> None:
    found = answered("video_segmentation", TRUTHS["video_segmentation"])
    masked = replace(found, evidence={"mask": {"j": 0.5, "f": 0.7}})
    metrics = TASKS["video_segmentation"].metrics([masked])
    assert list(metrics)[:3] == ["J&F", "J", "F"]
    assert metrics["J&F"] == pytest.approx(0.6)
    assert "J&F" not in TASKS["video_segmentation"].metrics([masked, found])


def test_true_mask_of_image_and_clip() -> None:
    rle = {"size": [2, 2], "counts": [1, 2, 1]}
    image = sample_of("image_segmentation", meta={"segmentation": {"segmentation_rle": rle}})
    expected = np.array([[False, True], [True, False]])
    assert (true_mask(image) == expected).all()
    record = {"frames": ["0", "1"], "segmentation_rle": {"1": rle}}
    clip = sample_of("video_segmentation", meta={"segmentation": json.dumps(record), "fps": 2})
    assert true_mask(clip, 0.0) is None
    assert (true_mask(clip, 0.5) == expected).all() and (true_mask(clip, 99.0) == expected).all()
    assert true_mask(sample_of("image_segmentation")) is None
    for bad in ("{", "[]", {"segmentation_rle": 3}, {"frames": [], "segmentation_rle": {}}):
        with pytest.raises(DataError, match="segmentation-1: meta\\['segmentation'\\]"):
            true_mask(sample_of("image_segmentation", meta={"segmentation": bad}))


def mathvista(said: str, truth: str, precision: float) -> bool:
    """As evaluation/calculate_score.py of MathVista's authors compares a decimal answer."""
    return str(round(float(said), int(precision))) == truth


def test_mathvistas_decimals_are_rounded_to_the_questions_precision() -> None:
    for precision, truth in (("1.0", "0.6"), ("2.0", "1.45"), ("3", "0.125")):
        for said in ("0.6", "0.64", "0.65", "0.55", "1.449", "1.454", "1.455", "0.1249", "0.1254", "0.13", "60%"):
            expected = mathvista(said, truth, float(precision)) if "%" not in said else False
            found = answered("numerical", said, truth=truth, meta={"answer_type": "float", "precision": precision})
            assert found.accuracy == expected, (said, truth)
    integer = {"answer_type": "integer", "precision": "1.0"}
    assert answered("numerical", "3.04", truth="3", meta=integer).accuracy == 0
    for precision in ("-1", "99", "x", "inf", [1]):
        with pytest.raises(DataError, match="expected 0 to 15 decimals"):
            answered("numerical", "1", truth="1", meta={"answer_type": "float", "precision": precision})


@pytest.mark.parametrize(
    ("task", "accepted", "right", "wrong"),
    [
        ("math", ["24/7", "3.429"], ["24/7", r"\frac{24}{7}", "3.43", "3.4285714"], ["3.4", "24", "7/24"]),
        ("math", ["Transformer", "a transformer"], ["transformer", "A Transformer"], ["not a transformer", "x"]),
        ("math", ["$6", "6", "six"], ["6", "Six", "$6"], ["7", "sixty"]),
        ("numerical", ["8.4", "8.39"], ["8.4", "8.39", "8.391"], ["8.38", "8.41"]),
    ],
)
def test_an_open_question_takes_any_accepted_answer(task: str, accepted: list[str], right: Any, wrong: Any) -> None:
    for answers, expected in ((right, 1), (wrong, 0)):
        for said in answers:
            assert answered(task, said, truth=accepted[0], meta={"accepted": accepted}).accuracy == expected, said
    with pytest.raises(DataError, match="expected a list of texts"):
        answered(task, "77", truth=accepted[0], meta={"accepted": [3]})
