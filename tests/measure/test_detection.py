"""Detection against pycocotools' COCOeval, and what its smooth F1 pays for."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from onethinker.measure import detection
from tests.amount import many

CLASSES = ("cat", "dog", "cow")
Objects = list[tuple[str, list[float], float]]


def scene(rng: np.random.Generator, ties: bool) -> tuple[Objects, Objects]:
    """Said and true: some near, some far, some doubled, some of another class; of equal scores where `ties`."""
    true: Objects = []
    for _ in range(rng.integers(0, 7)):
        x, y, w, h = *rng.uniform(0, 600, 2), *rng.uniform(30, 390, 2)
        true.append((str(rng.choice(CLASSES[:2])), [x, y, x + w, y + h], 1.0))
    said: Objects = []
    for label, box, _ in true:
        for _ in range(rng.choice([0, 1, 1, 2])):
            shift = np.tile(rng.normal(0, rng.choice([2, 20, 90]), 2), 2)
            score = 1.0 if ties else float(rng.uniform())
            said.append((label if rng.uniform() < 0.9 else "cow", (np.array(box) + shift).tolist(), score))
    return said, true


def coco_eval(images: list[tuple[Objects, Objects]]) -> COCOeval:
    def rows(side: int) -> list[dict[str, Any]]:
        return [
            {"id": n + 1, "image_id": i, "category_id": CLASSES.index(label), "iscrowd": 0, "score": score,
             "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
            for n, (i, (label, (x1, y1, x2, y2), score)) in enumerate(
                (i, one) for i, image in enumerate(images) for one in image[side]
            )
        ]  # fmt: skip

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {}, "images": [{"id": i} for i in range(len(images))], "annotations": rows(1),
            "categories": [{"id": k, "name": name} for k, name in enumerate(CLASSES)],
        }  # fmt: skip
        truth.createIndex()
        found = COCOeval(truth, truth.loadRes(rows(0)), "bbox")
        found.evaluate()
        found.accumulate()
        found.summarize()
    return found


def counted(said: Objects, true: Objects) -> dict[str, tuple[int, Any]]:
    made = {}
    for label in {one[0] for one in (*said, *true)}:
        here, there = ([one for one in side if one[0] == label] for side in (said, true))
        iou = detection.iou_matrix([one[1] for one in here], [one[1] for one in there])
        made[label] = (len(there), detection.coco_found(iou, [one[2] for one in here]))
    return made


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_cocos(ties: bool) -> None:
    for seed in range(many(6, 2)):
        rng = np.random.default_rng(seed)
        images = [scene(rng, ties) for _ in range(30)]
        peer = coco_eval(images).stats
        found = detection.average_precision([counted(*image) for image in images])
        assert [found["AP"], found["AP50"], found["AP75"]] == pytest.approx(peer[:3], abs=1e-12)
        assert 0.05 < found["AP"] < 0.95


def test_what_is_found_at_half_is_what_coco_matches() -> None:
    """True positives at IoU 0.5, which F1 counts."""
    rng = np.random.default_rng(9)
    images = [scene(rng, False) for _ in range(40)]
    peer = coco_eval(images)
    matched = sum(
        int((one["dtMatches"][0] > 0).sum()) for one in peer.evalImgs if one and one["aRng"] == peer.params.areaRng[0]
    )
    ours = sum(bits & 1 for image in images for _, found in counted(*image).values() for _, bits in found)
    assert ours == matched > 30


def test_only_a_hundred_boxes_of_a_class_count() -> None:
    """The best of them: true ones that come last with the highest score are found, with the lowest are not."""
    true: Objects = [("cat", [0.0, 0.0, 100.0, 100.0], 1.0)]
    for score, expected in ((0.9, 1.0), (0.1, 0.0)):
        said: Objects = [("cat", [500.0, 500.0, 510.0, 510.0], 0.5)] * 150 + [("cat", [0.0, 0.0, 100.0, 100.0], score)]
        found = detection.average_precision([counted(said, true)])
        assert found["AP"] == pytest.approx(coco_eval([(said, true)]).stats[0], abs=1e-12) == expected


def test_nothing_true_has_no_precision() -> None:
    assert np.isnan(detection.average_precision([])["AP"])
    assert np.isnan(detection.average_precision([{"cat": (0, [(1.0, 0)])}])["AP"])
    assert detection.average_precision([{"cat": (2, [])}])["AP"] == 0


def test_credit_rises_from_a_quarter_to_one() -> None:
    assert detection.credit([0.0, 0.25, 0.625, 1.0]).tolist() == [0.0, 0.0, 0.5, 1.0]


def test_the_matching_is_the_best_of_all() -> None:
    from itertools import permutations

    rng = np.random.default_rng(3)
    for _ in range(50):
        worth = rng.uniform(size=(rng.integers(1, 5), 4))
        rows, columns = detection.assign(worth)
        best = max(sum(worth[i, p[i]] for i in range(len(worth))) for p in permutations(range(4), len(worth)))
        assert worth[rows, columns].sum() == pytest.approx(best)
    assert [len(side) for side in detection.assign(np.zeros((0, 3)))] == [0, 0]


def test_f1_of_nothing_asked_and_nothing_said_is_right() -> None:
    assert (detection.f1(0, 0, 0), detection.f1(0, 3, 0), detection.f1(0, 0, 2), detection.f1(2, 2, 2)) == (1, 0, 0, 1)
