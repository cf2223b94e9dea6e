"""Masks against pycocotools, scikit-image's disk, and DAVIS's own numbers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco
from scipy.spatial.distance import cdist
from skimage.morphology import dilation, disk

from onethinker.measure import masks
from tests.amount import many

CASES = json.loads(Path(__file__).with_name("davis_cases.json").read_text())
RNG = np.random.default_rng(0)


def random_mask(height: int, width: int, rng: np.random.Generator = RNG) -> np.ndarray:
    """Blotches, or noise, or nothing, or everything."""
    kind = rng.integers(8)
    if kind < 2:
        return np.full((height, width), bool(kind))
    noise = rng.random((height, width)) < rng.uniform(0.02, 0.6)
    return dilation(noise, disk(2)) if kind > 3 else noise


# ---- run lengths ------------------------------------------------------------------------------------------------


def test_run_lengths_are_pycocotools():
    for height, width in [(1, 1), (1, 7), (7, 1), (37, 53), (120, 90)] * 20:
        mask = random_mask(height, width)
        rle = masks.encode(mask)
        peer = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert (rle["counts"].encode(), rle["size"]) == (peer["counts"], [height, width])
        assert np.array_equal(masks.decode(rle), mask)
        assert np.array_equal(masks.decode({"size": rle["size"], "counts": peer["counts"]}), mask)


def test_long_runs_and_lists_decode():
    big = np.zeros((2000, 3000), dtype=bool)
    big[700:1900, 5:2990] = True
    assert np.array_equal(masks.decode(masks.encode(big)), big)
    assert masks.decode({"size": [2, 3], "counts": [1, 2, 3]}).tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize(
    "rle",
    [
        {},
        {"size": [10, 10]},
        {"size": [10, 10], "counts": None},
        {"size": [10, 10], "counts": ""},
        {"size": [10, 10], "counts": "\ud800"},
        {"size": [10, 10], "counts": "é"},
        {"size": [10, 10], "counts": " "},
        {"size": [10, 10], "counts": "1"},
        {"size": [10, 10], "counts": "o" * 20},
        {"size": [10, 10], "counts": "oooooooooooooo0"},
        {"size": [10, 10], "counts": "0" * 5000},
        {"size": [10, 10], "counts": "0" * 10_000_000},
        {"size": [10, 10], "counts": "S3O0m0"},
        {"size": [10, 10], "counts": [50, 51]},
        {"size": [10, 10], "counts": [101, -1]},
        {"size": [10, 10], "counts": [True] * 100},
        {"size": [10, 10], "counts": [1e2]},
        {"size": [0, 10], "counts": []},
        {"size": [-10, -10], "counts": [100]},
        {"size": [10_001, 10_000], "counts": [100_010_000]},
        {"size": [10**30, 10], "counts": "0"},
        {"size": "10", "counts": [100]},
        {"size": [10, 10, 1], "counts": [100]},
    ],
)
def test_run_lengths_that_do_not_fit_are_refused(rle):
    with pytest.raises(ValueError, match=r"run lengths|size \[height, width\]"):
        masks.decode(rle)


def test_damaged_text_never_reads_beyond_the_mask():
    text = masks.encode(RNG.random((40, 50)) < 0.3)["counts"]
    accepted = 0
    for _ in range(many(500, 60)):
        broken = list(text)
        broken[RNG.integers(len(broken))] = chr(RNG.integers(48, 112))
        try:
            accepted += masks.decode({"size": [40, 50], "counts": "".join(broken)}).shape == (40, 50)
        except ValueError as error:
            assert "run lengths" in str(error)
    assert accepted < 500


# ---- overlap ----------------------------------------------------------------------------------------------------


def test_iou_is_pycocotools():
    pairs = [(random_mask(30, 40), random_mask(30, 40)) for _ in range(many(200, 40))]
    for pred, true in pairs:
        peer = coco.iou([coco.encode(np.asfortranarray(pred))], [coco.encode(np.asfortranarray(true))], [0])[0, 0]
        assert masks.iou(pred, true) == pytest.approx(peer if (pred | true).any() else 1)
    stacked = masks.iou(np.stack([p for p, _ in pairs]), np.stack([t for _, t in pairs]))
    assert stacked.tolist() == [masks.iou(p, t) for p, t in pairs]


def test_cumulative_and_mean_iou():
    assert masks.ciou([1, 30], [10, 40]) == 31 / 50
    assert masks.giou([1, 30], [10, 40]) == (0.1 + 0.75) / 2
    assert masks.giou([0, 0, 5], [0, 5, 10]) == (1 + 0 + 0.5) / 3
    assert masks.ciou([0], [0]) == masks.giou([0], [0]) == 1
    assert math.isnan(masks.ciou([], [])) and math.isnan(masks.giou([], []))


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"got \(2, 3\) and \(3, 2\)"):
        masks.iou(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        masks.encode(np.zeros((2, 3, 4)))


# ---- J and F ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_davis_numbers(case):
    """Values that the DAVIS 2017 evaluation gave for these masks, stored as data."""
    pred, true = (masks.decode({"size": case["size"], "counts": case[side]}) for side in ("pred", "true"))
    assert masks.region_j(pred, true) == pytest.approx(case["j"], abs=1e-12)
    assert masks.boundary_f(pred, true) == pytest.approx(case["f"], abs=1e-12)


def slow_boundary(mask: np.ndarray) -> np.ndarray:
    """The definition pixel by pixel: a pixel that differs from its right, lower or lower right neighbour."""
    height, width = mask.shape
    edge = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            right, below = x + 1 < width, y + 1 < height
            edge[y, x] = (
                (right and mask[y, x] != mask[y, x + 1])
                or (below and mask[y, x] != mask[y + 1, x])
                or (right and below and mask[y, x] != mask[y + 1, x + 1])
            )
    return edge


def slow_f(pred: np.ndarray, true: np.ndarray) -> float:
    """The definition by distances between all boundary pixels."""
    radius = math.ceil(0.008 * math.sqrt(pred.shape[0] ** 2 + pred.shape[1] ** 2))
    a, b = np.argwhere(slow_boundary(pred)), np.argwhere(slow_boundary(true))
    if len(a) == 0 or len(b) == 0:
        return float(len(a) == len(b))
    distance = cdist(a, b)
    precision, recall = (distance.min(axis=1) <= radius).mean(), (distance.min(axis=0) <= radius).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_boundary_f_is_its_definition():
    rng = np.random.default_rng(3)
    sizes = [(1, 1), (1, 9), (20, 31), (60, 50)] * many(10, 2)
    pairs = [(random_mask(h, w, rng), random_mask(h, w, rng)) for h, w in sizes]
    wide = np.zeros((18, 600), dtype=bool)
    wide[5:11, 100:400] = True
    pairs += [(wide, np.roll(wide, shift, (0, 1))) for shift in [(3, 3), (4, 3), (4, 4), (5, 1)]]
    for pred, true in pairs:
        assert np.array_equal(masks.boundary(pred), slow_boundary(pred))
        assert masks.boundary_f(pred, true) == pytest.approx(slow_f(pred, true), abs=1e-12)


@pytest.mark.parametrize("radius", [1, 2, 3, 8, 9, 17])
def test_near_is_dilation_with_scikit_images_disk(radius):
    edge = np.random.default_rng(radius).random((70, 90)) < 0.01
    assert np.array_equal(masks._near(edge, masks._disk(radius)), dilation(edge, disk(radius).astype(bool)))


def test_j_and_f_over_all_frames_or_without_the_ends():
    square = np.zeros((60, 80), dtype=bool)
    square[10:30, 10:30] = True
    empty = np.zeros_like(square)
    pred, true = np.stack([empty, square, square, empty]), np.stack([square, square, empty, empty])
    assert masks.j_and_f(pred, true) == (0.5, 0.5, 0.5)
    assert masks.j_and_f(pred[:3], true[:3], drop_ends=True) == (1, 1, 1)
    assert masks.j_and_f(pred.astype(np.uint8) * 255, true).jf == 0.5
    for bad in (pred[0], pred[:0]):
        with pytest.raises(ValueError, match=r"frames \(T, H, W\)"):
            masks.j_and_f(bad, bad)
    with pytest.raises(ValueError, match="beside first and last"):
        masks.j_and_f(pred[:2], true[:2], drop_ends=True)


# ---- the published run's formulas -------------------------------------------------------------------------------


def released_plainly(pred, true):
    """J and F of one frame as the release defines them, shift by shift in numpy."""
    height, width = pred.shape

    def around(mask, reach):
        wide = np.pad(mask, reach)
        return [wide[y : y + height, x : x + width] for y in range(2 * reach + 1) for x in range(2 * reach + 1)]

    union = (pred | true).sum()
    j = (pred & true).sum() / union if union else 0.0
    if not pred.any() or not true.any():
        return j, float(pred.any() == true.any())
    edges = [mask & ~np.logical_and.reduce(around(mask, 1)) for mask in (pred, true)]
    reach = max(1, round(0.0075 * math.hypot(height, width)))
    near = [np.logical_or.reduce(around(edge, reach)) for edge in edges]
    precision, recall = (edges[0] & near[1]).sum() / edges[0].sum(), (edges[1] & near[0]).sum() / edges[1].sum()
    return j, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_released_j_and_f_are_the_releases():
    rng = np.random.default_rng(3)
    pred, true = (np.zeros((12, 90, 160), bool) for _ in range(2))
    for k in range(12):
        for masks_ in (pred, true):
            y, x, h, w = rng.integers(0, 60), rng.integers(0, 120), rng.integers(0, 40), rng.integers(0, 60)
            masks_[k, y : y + h, x : x + w] = True
    pred[3] = true[3] = False
    true[4] = False
    expected = np.array([released_plainly(a, b) for a, b in zip(pred, true)])
    keep = np.arange(12) != 7
    found = masks.released_j_and_f(pred, true, keep)
    assert found.j == pytest.approx(expected[keep, 0].mean(), abs=1e-12)
    assert found.f == pytest.approx(expected[keep, 1].mean(), abs=1e-12)
    assert found.jf == pytest.approx((found.j + found.f) / 2)
    assert masks.released_j_and_f(pred, true, np.zeros(12, bool)) == (0, 0, 0)
    with pytest.raises(ValueError, match="flags"):
        masks.released_j_and_f(pred, true, [True])
